// Convolutions (implicit GEMM) as f32_gemm_quad_rx4: ROWS rows × sixteen columns by four threads that share what they load of A. A file of
// its own for the sake of that one: on SwiftShader every loop around the sums copies them all, one by one under a mask, even a loop that
// goes round once; one around the other took a fifth of the time (2026-11-30).
// Weights [k][n/4] as vec4, rows padded to four; bias padded to four. Threads of a quad are neighbours by local index.
enable subgroups;
// #param ROWS = 4 | 8 | 12 | 16
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include access/f32_lane_conv.wgsl
// #include common/quad_add.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let lane = i % 4u;
  let quad = i / 4u;
  let group = wid.z;
  let quads = (params.n4 + 3u) / 4u;
  // Threads beyond the end compute what nobody stores: a shuffle needs all four.
  let n4 = (quad % quads) * 4u + lane;
  let load_n4 = min(n4, params.n4 - 1u);
  let m = (quad / quads) * {{ROWS}}u;
  let last = params.m - 1u;
  let start = bias[group * params.n4 + load_n4];
  // #repeat R {{ROWS}}
  let r{{R}} = row_of(min(m + {{R}}u, last), group);
  var c{{R}} = start;
  // #end
  // Which row of the weights meets this thread's own value, and its neighbours' in the order of the shuffles.
  let k0 = lane * params.n4;
  let k1 = (lane ^ 1u) * params.n4;
  let k2 = (lane ^ 2u) * params.n4;
  let k3 = (lane ^ 3u) * params.n4;
  var at = group * params.k4 * 4u * params.n4 + load_n4;
  let segments = params.segments_y * params.segments_x;
  for (var s = 0u; s < segments; s++) {
    // #repeat R {{ROWS}}
    let run{{R}} = run_of(r{{R}}, s / params.segments_x, s % params.segments_x);
    // #end
    for (var j4 = 0u; j4 < params.run4; j4++) {
      let k = j4 * 4u + lane;
      let w0 = w[at + k0];
      let w1 = w[at + k1];
      let w2 = w[at + k2];
      let w3 = w[at + k3];
      at += 4u * params.n4;
      // #repeat R {{ROWS}}
      c{{R}} = add(c{{R}}, load_lane(run{{R}}, k), w0, w1, w2, w3);
      // #end
    }
  }
  let column = group * params.n;
  // #repeat R {{ROWS}}
  store(m + {{R}}u, n4 * 4u, column, c{{R}});
  // #end
}
