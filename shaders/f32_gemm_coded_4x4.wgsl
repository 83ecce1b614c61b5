// As f32_gemm_direct_4x4 on weights that stay in their compact code: blocks of four k × four columns [k/4][n/4], decoded in registers.
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
  let m = (i / params.n4) * 4u;
  if (m >= params.m) {
    return;
  }
  let last = params.m - 1u;
  let r0 = row_of(m, group);
  let r1 = row_of(min(m + 1u, last), group);
  let r2 = row_of(min(m + 2u, last), group);
  let r3 = row_of(min(m + 3u, last), group);
  var c0 = bias[group * params.n4 + n4];
  var c1 = c0;
  var c2 = c0;
  var c3 = c0;
  var at = group * params.k4 * params.n4 + n4;
  var scale = vec4<f32>(1.0);
  var scale_at = group * params.scale_rows * params.n4 + n4;
  var left = 0u;
  for (var sy = 0u; sy < params.segments_y; sy++) {
    for (var sx = 0u; sx < params.segments_x; sx++) {
      let run0 = run_of(r0, sy, sx);
      let run1 = run_of(r1, sy, sx);
      let run2 = run_of(r2, sy, sx);
      let run3 = run_of(r3, sy, sx);
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
        let a0 = load_run(run0, j4);
        let a1 = load_run(run1, j4);
        let a2 = load_run(run2, j4);
        let a3 = load_run(run3, j4);
        c0 += a0.x * w.k0 + a0.y * w.k1 + a0.z * w.k2 + a0.w * w.k3;
        c1 += a1.x * w.k0 + a1.y * w.k1 + a1.z * w.k2 + a1.w * w.k3;
        c2 += a2.x * w.k0 + a2.y * w.k1 + a2.z * w.k2 + a2.w * w.k3;
        c3 += a3.x * w.k0 + a3.y * w.k1 + a3.z * w.k2 + a3.w * w.k3;
      }
    }
  }
  let column = group * params.n;
  store(m, n4 * 4u, column, c0);
  store(m + 1u, n4 * 4u, column, c1);
  store(m + 2u, n4 * 4u, column, c2);
  store(m + 3u, n4 * 4u, column, c3);
}
