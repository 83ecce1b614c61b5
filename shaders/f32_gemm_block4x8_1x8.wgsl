// As f32_gemm_block4x8_4x8 for fewer than four rows: one row × eight columns a thread.
// #param ACCESS = f32_unit_rows | f32_unit_conv
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
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
  var c = bias[block * 2u];
  var d = bias[block * 2u + 1u];
  let end = starts[block + 1u];
  for (var e = starts[block]; e < end; e++) {
    let v = gather(row, positions[e]);
    let at = e * 8u;
    c += v.x * w[at] + v.y * w[at + 2u] + v.z * w[at + 4u] + v.w * w[at + 6u];
    d += v.x * w[at + 1u] + v.y * w[at + 3u] + v.z * w[at + 5u] + v.w * w[at + 7u];
  }
  let n = n8 * 8u;
  let column = group * params.n;
  store(m, n, column, c);
  store(m, n + 4u, column, d);
}
