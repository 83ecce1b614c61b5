// As f32_gemm_tiled_32x32 on weights that stay in their compact code: each thread decodes one block of four k × four columns a step while
// it fills workgroup memory. Grid: x tiles (columns fastest), folded into y; z groups.
// #param ACCESS = f32_rows_vec4 | f32_conv_vec4
// #param CODE = codebook4_near | codebook8_near | int4 | int8 | float16 | float16_native | nm24
// #include code/{{CODE}}.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

var<workgroup> tile_a: array<array<vec4<f32>, 8>, 32>;  // [row][k4]
var<workgroup> tile_w: array<array<vec4<f32>, 8>, 32>;  // [k][n4]

@compute @workgroup_size(8, 8, 1)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) nwg: vec3<u32>,
  @builtin(local_invocation_id) lid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  prepare(local);
  let group = wid.z;
  let tiles_n = (params.n4 + 7u) / 8u;
  let tile = wid.y * nwg.x + wid.x;
  let m_first = (tile / tiles_n) * 32u;
  let n4 = (tile % tiles_n) * 8u + lid.x;
  let load_n4 = min(n4, params.n4 - 1u);
  let last = params.m - 1u;
  let r0 = row_of(min(m_first + lid.y, last), group);
  let r1 = row_of(min(m_first + lid.y + 8u, last), group);
  let r2 = row_of(min(m_first + lid.y + 16u, last), group);
  let r3 = row_of(min(m_first + lid.y + 24u, last), group);
  var c0 = bias[group * params.n4 + load_n4];
  var c1 = c0;
  var c2 = c0;
  var c3 = c0;
  for (var first = 0u; first < params.k4; first += 8u) {
    let k4 = first + lid.x;
    if (k4 < params.k4) {
      tile_a[lid.y][lid.x] = load_a(r0, k4);
      tile_a[lid.y + 8u][lid.x] = load_a(r1, k4);
      tile_a[lid.y + 16u][lid.x] = load_a(r2, k4);
      tile_a[lid.y + 24u][lid.x] = load_a(r3, k4);
    }
    let block_k4 = first + lid.y;
    if (block_k4 < params.k4) {
      var scale = vec4<f32>(1.0);
      if (SCALED) {
        scale = scale_of((group * params.scale_rows + block_k4 / params.scale_k4) * params.n4 + load_n4);
      }
      let w = load_block((group * params.k4 + block_k4) * params.n4 + load_n4, scale);
      tile_w[lid.y * 4u][lid.x] = w.k0;
      tile_w[lid.y * 4u + 1u][lid.x] = w.k1;
      tile_w[lid.y * 4u + 2u][lid.x] = w.k2;
      tile_w[lid.y * 4u + 3u][lid.x] = w.k3;
    }
    workgroupBarrier();
    let count = min(8u, params.k4 - first);
    for (var j = 0u; j < count; j++) {
      let w0 = tile_w[j * 4u][lid.x];
      let w1 = tile_w[j * 4u + 1u][lid.x];
      let w2 = tile_w[j * 4u + 2u][lid.x];
      let w3 = tile_w[j * 4u + 3u][lid.x];
      let a0 = tile_a[lid.y * 4u][j];
      let a1 = tile_a[lid.y * 4u + 1u][j];
      let a2 = tile_a[lid.y * 4u + 2u][j];
      let a3 = tile_a[lid.y * 4u + 3u][j];
      c0 += a0.x * w0 + a0.y * w1 + a0.z * w2 + a0.w * w3;
      c1 += a1.x * w0 + a1.y * w1 + a1.z * w2 + a1.w * w3;
      c2 += a2.x * w0 + a2.y * w1 + a2.z * w2 + a2.w * w3;
      c3 += a3.x * w0 + a3.y * w1 + a3.z * w2 + a3.w * w3;
    }
    workgroupBarrier();
  }
  let m = m_first + lid.y * 4u;
  let column = group * params.n;
  store(m, n4 * 4u, column, c0);
  store(m + 1u, n4 * 4u, column, c1);
  store(m + 2u, n4 * 4u, column, c2);
  store(m + 3u, n4 * 4u, column, c3);
}
