// As i8_gemm_tiled_32x32 on weights that stay 4-bit indices: each thread decodes two blocks of four k × four columns a step while it fills
// workgroup memory.
// Grid: x tiles (columns fastest), folded into y; z groups.
// #param ACCESS = i8_rows | i8_conv
// #param DOT4 = dot4I8Packed | dot4_unpack
// #include common/gemm_params.wgsl
// #include common/bytes.wgsl
// #include common/dot4.wgsl
// #include common/dot_columns.wgsl
// #include common/requantize.wgsl
// #include code/i8_codebook4.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/i8_store.wgsl

var<workgroup> tile_a: array<array<u32, 16>, 32>;       // [row][k4]
var<workgroup> tile_w: array<array<vec4<u32>, 8>, 16>;  // [k4][n4]

@compute @workgroup_size(8, 8, 1)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
  let group = wid.z;
  let tiles_n = (params.n4 + 7u) / 8u;
  let tile = wid.y * nwg.x + wid.x;
  let m_first = (tile / tiles_n) * 32u;
  let n4 = (tile % tiles_n) * 8u + lid.x;
  let load_n4 = min(n4, params.n4 - 1u);
  let weights = group * params.k4 * params.n4 + load_n4;
  let own = tables_of(group * params.n4 + load_n4);
  let last = params.m - 1u;
  let r0 = row_of(min(m_first + lid.y, last), group);
  let r1 = row_of(min(m_first + lid.y + 8u, last), group);
  let r2 = row_of(min(m_first + lid.y + 16u, last), group);
  let r3 = row_of(min(m_first + lid.y + 24u, last), group);
  let column = columns[group * params.n4 + load_n4];
  var c0 = column.bias;
  var c1 = c0;
  var c2 = c0;
  var c3 = c0;
  for (var first = 0u; first < params.k4; first += 16u) {
    for (var j = lid.x; j < 16u; j += 8u) {
      let k4 = first + j;
      if (k4 < params.k4) {
        tile_a[lid.y][j] = load_a(r0, k4);
        tile_a[lid.y + 8u][j] = load_a(r1, k4);
        tile_a[lid.y + 16u][j] = load_a(r2, k4);
        tile_a[lid.y + 24u][j] = load_a(r3, k4);
      }
    }
    for (var row = lid.y; row < 16u; row += 8u) {
      let k4 = first + row;
      if (k4 < params.k4) {
        tile_w[row][lid.x] = load_words(weights + k4 * params.n4, own, k4 % params.run4);
      }
    }
    workgroupBarrier();
    let count = min(16u, params.k4 - first);
    for (var j = 0u; j < count; j++) {
      let w4 = tile_w[j][lid.x];
      c0 += dot_columns(tile_a[lid.y * 4u][j], w4);
      c1 += dot_columns(tile_a[lid.y * 4u + 1u][j], w4);
      c2 += dot_columns(tile_a[lid.y * 4u + 2u][j], w4);
      c3 += dot_columns(tile_a[lid.y * 4u + 3u][j], w4);
    }
    workgroupBarrier();
  }
  let m = m_first + lid.y * 4u;
  let column4 = group * params.n4;
  store(m, n4, column4, c0, column.scale);
  store(m + 1u, n4, column4, c1, column.scale);
  store(m + 2u, n4, column4, c2, column.scale);
  store(m + 3u, n4, column4, c3, column.scale);
}
