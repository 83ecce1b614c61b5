// As i8_gemm_block4x8_4x8 for fewer than four rows: one row × eight columns a thread.
// #param ACCESS = i8_unit_rows | i8_unit_conv
// #param DOT4 = dot4I8Packed | dot4_unpack
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/bytes.wgsl
// #include common/dot4.wgsl
// #include common/dot_columns.wgsl
// #include common/requantize.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/i8_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> starts: array<u32>;
@group(0) @binding(6) var<storage, read> positions: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let group = wid.z;
  let n8 = i % params.n8;
  let m = i / params.n8;
  if (m >= params.m) {
    return;
  }
  let row = row_of(m, group);
  let block = group * params.n8 + n8;
  let left = columns[block * 2u];
  let right = columns[block * 2u + 1u];
  var c = left.bias;
  var d = right.bias;
  let end = starts[block + 1u];
  for (var e = starts[block]; e < end; e++) {
    let v = gather(row, positions[e]);
    c += dot_columns(v, w[e * 2u]);
    d += dot_columns(v, w[e * 2u + 1u]);
  }
  store(m, n8 * 2u, group * params.n4, c, left.scale);
  store(m, n8 * 2u + 1u, group * params.n4, d, right.scale);
}
