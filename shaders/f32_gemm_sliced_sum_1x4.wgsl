// Adds the slices of k of a product that part/sliced.wgsl left, one after the other, so that the result does not depend on which was there
// first; then what every product ends with. One row × four columns a thread. Bias padded to four.
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(2) var<storage, read> sums: array<vec4<f32>>;  // [group][slice][m][n4]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let size = params.m * params.n4;
  if (i >= size) {
    return;
  }
  let group = wid.z;
  let n4 = i % params.n4;
  let slices = (params.k4 + params.part - 1u) / params.part;
  var v = bias[group * params.n4 + n4];
  var at = group * slices * size + i;
  for (var slice = 0u; slice < slices; slice++) {
    v += sums[at];
    at += size;
  }
  store(i / params.n4, n4 * 4u, group * params.n, v);
}
