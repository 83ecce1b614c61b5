// Dense layers and convolutions of few columns: sixteen rows × eight columns by four neighbouring threads (a quad), four rows each. Each
// thread loads every fourth row of the weights and gets the others from its neighbours by a shuffle. For software adapters, where loads are
// what counts (f32_gemm_quad_rx4), and where that kernel's sixteen columns would be half empty.
// Weights [k][n/4] as vec4, rows padded to four; bias padded to four. Threads of a quad are neighbours by local index.
enable subgroups;
// #param ACCESS = f32_rows_vec4 | f32_rows_scalar | f32_conv_vec4 | f32_conv_scalar
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include common/fma4.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let lane = i % 4u;
  let quad = i / 4u;
  let group = wid.z;
  let pairs = (params.n4 + 1u) / 2u;
  // Threads beyond the end compute what nobody stores: a shuffle needs all four.
  let n4 = (quad % pairs) * 2u;
  let right = min(n4 + 1u, params.n4 - 1u) - n4;
  let m = (quad / pairs) * 16u + lane * 4u;
  let last = params.m - 1u;
  let c_start = bias[group * params.n4 + n4];
  let d_start = bias[group * params.n4 + n4 + right];
  // #repeat R 4
  let r{{R}} = row_of(min(m + {{R}}u, last), group);
  var c{{R}} = c_start;
  var d{{R}} = d_start;
  // #end
  var at = (group * params.k4 * 4u + lane) * params.n4 + n4;
  // One loop and not two: SwiftShader copies all sums for each (f32_conv_quad_rx4).
  let segments = params.segments_y * params.segments_x;
  for (var s = 0u; s < segments; s++) {
    // #repeat R 4
    let run{{R}} = run_of(r{{R}}, s / params.segments_x, s % params.segments_x);
    // #end
    for (var j4 = 0u; j4 < params.run4; j4++) {
      let u = w[at];
      let v = w[at + right];
      at += 4u * params.n4;
      // #repeat R 4
      let a{{R}} = load_run(run{{R}}, j4);
      // #end
      // #repeat K 4
      let u{{K}} = quadBroadcast(u, {{K}}u);
      let v{{K}} = quadBroadcast(v, {{K}}u);
      // #end
      // #repeat R 4
      c{{R}} = add(c{{R}}, a{{R}}, u0, u1, u2, u3);
      d{{R}} = add(d{{R}}, a{{R}}, v0, v1, v2, v3);
      // #end
    }
  }
  let column = group * params.n;
  // #repeat R 4
  store(m + {{R}}u, n4 * 4u, column, c{{R}});
  store(m + {{R}}u, n4 * 4u + 4u, column, d{{R}});
  // #end
}
