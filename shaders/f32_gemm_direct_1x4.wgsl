// As f32_gemm_direct_4x4 for fewer than four rows (a dense layer at batch 1): one row × four columns a thread.
// #param ACCESS = f32_rows_vec4 | f32_rows_scalar | f32_conv_vec4 | f32_conv_scalar
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let group = wid.z;
  let n4 = i % params.n4;
  let m = i / params.n4;
  if (m >= params.m) {
    return;
  }
  let row = row_of(m, group);
  var c = bias[group * params.n4 + n4];
  var at = group * params.k4 * 4u * params.n4 + n4;
  for (var sy = 0u; sy < params.segments_y; sy++) {
    for (var sx = 0u; sx < params.segments_x; sx++) {
      let run = run_of(row, sy, sx);
      for (var j4 = 0u; j4 < params.run4; j4++) {
        let v = load_run(run, j4);
        c += v.x * w[at] + v.y * w[at + params.n4] + v.z * w[at + 2u * params.n4] + v.w * w[at + 3u * params.n4];
        at += 4u * params.n4;
      }
    }
  }
  store(m, n4 * 4u, group * params.n, c);
}
