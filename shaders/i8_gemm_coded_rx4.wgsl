// As i8_gemm_direct_rx4 on weights that stay 4-bit indices, decoded in registers.
// #param ROWS = 1 | 4
// #param ACCESS = i8_rows | i8_conv
// #param DOT4 = dot4I8Packed | dot4_unpack
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/bytes.wgsl
// #include common/dot4.wgsl
// #include common/dot_columns.wgsl
// #include common/requantize.wgsl
// #include code/i8_codebook4.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/i8_store.wgsl

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
  let own = tables_of(group * params.n4 + n4);
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
        let w4 = load_words(at, own, j4);
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
