// Many decision trees, first pass: a thread a sample and tree, which finds the leaf.
// #include common/flat.wgsl
struct Params {
  count: u32,
  trees: u32,
  features: u32,
  depth: u32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> nodes: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> roots: array<u32>;
// #include common/trees.wgsl

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  out[i] = leaf_of(roots[i % params.trees], i / params.trees * params.features, params.depth);
}
