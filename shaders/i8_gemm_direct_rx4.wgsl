// Integer dense layers and convolutions (implicit GEMM), ROWS rows × four columns a thread, four of k a dot product, no workgroup memory.
// Weights [k/4][n/4] as vec4 of words: lane j holds four consecutive k of column j. The input's zero point is folded into the bias.
// #param ROWS = 1 | 4
// #param ACCESS = i8_rows | i8_conv
// #param DOT4 = dot4I8Packed | dot4_unpack
// #param STORE = i8_store | dynamic_store
// #param REQUANTIZE = requantize | requantize_fixed
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/bytes.wgsl
// #include common/dot4.wgsl
// #include common/dot_columns.wgsl
// #include common/{{REQUANTIZE}}.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/{{STORE}}.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<u32>>;

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
  let column = columns[group * params.n4 + n4];
  // #repeat R {{ROWS}}
  let r{{R}} = row_of(min(m + {{R}}u, last), group);
  var c{{R}} = column.bias;
  // #end
  var at = group * params.k4 * params.n4 + n4;
  for (var sy = 0u; sy < params.segments_y; sy++) {
    for (var sx = 0u; sx < params.segments_x; sx++) {
      // #repeat R {{ROWS}}
      let run{{R}} = run_of(r{{R}}, sy, sx);
      // #end
      for (var j4 = 0u; j4 < params.run4; j4++) {
        let w4 = w[at];
        at += params.n4;
        // #repeat R {{ROWS}}
        c{{R}} += dot_columns(load_run(run{{R}}, j4), w4);
        // #end
      }
    }
  }
  let column4 = group * params.n4;
  // #repeat R {{ROWS}}
  store(m + {{R}}u, n4, column4, c{{R}}, column.scale);
  // #end
}
