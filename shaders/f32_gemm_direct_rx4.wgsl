// Dense layers and convolutions (implicit GEMM), ROWS rows × four columns a thread, no workgroup memory; one row for fewer than four (a
// dense layer at batch 1).
// Chosen on software adapters and for small problems. SwiftShader 5.0 on 2 cores, 784×64×64: 4.5 ms and 0.2 s to compile, where the
// tiled kernel takes 48 ms and 3.7 s (a barrier splits its code into coroutines); 8×4 and 4×8 a thread gain nothing and compile slower.
// Weights [k][n/4] as vec4, rows padded to four; bias padded to four.
// #param ROWS = 1 | 4
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
  let m = (i / params.n4) * {{ROWS}}u;
  if (m >= params.m) {
    return;
  }
  let last = params.m - 1u;
  let start = bias[group * params.n4 + n4];
  // #repeat R {{ROWS}}
  let r{{R}} = row_of(min(m + {{R}}u, last), group);
  var c{{R}} = start;
  // #end
  var at = group * params.k4 * 4u * params.n4 + n4;
  for (var sy = 0u; sy < params.segments_y; sy++) {
    for (var sx = 0u; sx < params.segments_x; sx++) {
      // #repeat R {{ROWS}}
      let run{{R}} = run_of(r{{R}}, sy, sx);
      // #end
      for (var j4 = 0u; j4 < params.run4; j4++) {
        let w0 = w[at];
        let w1 = w[at + params.n4];
        let w2 = w[at + 2u * params.n4];
        let w3 = w[at + 3u * params.n4];
        at += 4u * params.n4;
        // #repeat R {{ROWS}}
        let a{{R}} = load_run(run{{R}}, j4);
        c{{R}} += a{{R}}.x * w0 + a{{R}}.y * w1 + a{{R}}.z * w2 + a{{R}}.w * w3;
        // #end
      }
    }
  }
  let column = group * params.n;
  // #repeat R {{ROWS}}
  store(m + {{R}}u, n4 * 4u, column, c{{R}});
  // #end
}
