// As f32_gemm_coded_4x4 for fewer than four rows: one row × four columns a thread.
// #param ACCESS = f32_rows_vec4 | f32_rows_scalar | f32_conv_vec4 | f32_conv_scalar
// #param CODE = codebook4 | codebook8 | int4 | int8 | float16 | float16_native | nm24
// #include code/{{CODE}}.wgsl
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
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
  var at = group * params.k4 * params.n4 + n4;
  var scale = vec4<f32>(1.0);
  var scale_at = group * params.scale_rows * params.n4 + n4;
  var left = 0u;
  for (var sy = 0u; sy < params.segments_y; sy++) {
    for (var sx = 0u; sx < params.segments_x; sx++) {
      let run = run_of(row, sy, sx);
      for (var j4 = 0u; j4 < params.run4; j4++) {
        if (SCALED) {
          if (left == 0u) {
            scale = scale_of(scale_at);
            scale_at += params.n4;
            left = params.scale_k4;
          }
          left--;
        }
        let w = load_block(at, scale);
        at += params.n4;
        let v = load_run(run, j4);
        c += v.x * w.k0 + v.y * w.k1 + v.z * w.k2 + v.w * w.k3;
      }
    }
  }
  store(m, n4 * 4u, group * params.n, c);
}
