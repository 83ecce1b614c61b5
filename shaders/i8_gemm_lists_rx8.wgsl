// As f32_gemm_lists_rx8 in integers: products in int32, the input's zero point folded into the bias (over the weights that are left; the
// others are zero).
// #param ROWS = 1 | 4
// #param ENTRY = i8_single | i8_four | i8_unit
// #param ACCESS = i8_gather_rows | i8_gather_conv | i8_unit_rows | i8_unit_conv
// #param DOT4 = dot4I8Packed | dot4_unpack
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/bytes.wgsl
// #include common/requantize.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/i8_store.wgsl
// #include entry/{{ENTRY}}.wgsl
@group(0) @binding(5) var<storage, read> starts: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let group = wid.z;
  let n8 = i % params.n8;
  let m = (i / params.n8) * {{ROWS}}u;
  if (m >= params.m) {
    return;
  }
  let last = params.m - 1u;
  let block = group * params.n8 + n8;
  let left = columns[block * 2u];
  let right = columns[block * 2u + 1u];
  // #repeat R {{ROWS}}
  let r{{R}} = row_of(min(m + {{R}}u, last), group);
  var c{{R}} = left.bias;
  var d{{R}} = right.bias;
  // #end
  let end = starts[block + 1u];
  for (var e = starts[block]; e < end; e++) {
    let position = positions[e];
    let weights = weights_of(e);
    // #repeat R {{ROWS}}
    let a{{R}} = input_of(r{{R}}, position);
    c{{R}} += products(a{{R}}, weights.left);
    d{{R}} += products(a{{R}}, weights.right);
    // #end
  }
  let n4 = n8 * 2u;
  let column4 = group * params.n4;
  // #repeat R {{ROWS}}
  store(m + {{R}}u, n4, column4, c{{R}}, left.scale);
  store(m + {{R}}u, n4 + 1u, column4, d{{R}}, right.scale);
  // #end
}
