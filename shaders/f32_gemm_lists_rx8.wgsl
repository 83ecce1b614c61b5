// Dense layers and convolutions whose weights are zero in blocks of eight consecutive output channels: each block of channels has one list
// of the entries that are left (one input position, or four consecutive ones), so the dense tile gathers instead of counting and skips
// what is zero. ROWS rows × eight columns a thread; one row for fewer than four (a dense layer at batch 1).
// starts [groups × n8 + 1] into positions; weights as ENTRY says.
// #param ROWS = 1 | 4
// #param ENTRY = f32_single | f32_unit
// #param ACCESS = f32_gather_rows | f32_gather_conv | f32_unit_rows | f32_unit_conv
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
// #include entry/{{ENTRY}}.wgsl
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> starts: array<u32>;
@group(0) @binding(6) var<storage, read> positions: array<u32>;

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
  let left = bias[block * 2u];
  let right = bias[block * 2u + 1u];
  // #repeat R {{ROWS}}
  let r{{R}} = row_of(min(m + {{R}}u, last), group);
  var c{{R}} = left;
  var d{{R}} = right;
  // #end
  let end = starts[block + 1u];
  for (var e = starts[block]; e < end; e++) {
    let position = positions[e];
    let weights = weights_of(e);
    // #repeat R {{ROWS}}
    let a{{R}} = gather(r{{R}}, position);
    c{{R}} += products(a{{R}}, weights.left);
    d{{R}} += products(a{{R}}, weights.right);
    // #end
  }
  let n = n8 * 8u;
  let column = group * params.n;
  // #repeat R {{ROWS}}
  store(m + {{R}}u, n, column, c{{R}});
  store(m + {{R}}u, n + 4u, column, d{{R}});
  // #end
}
