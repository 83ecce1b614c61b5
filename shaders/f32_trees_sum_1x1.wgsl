// Many decision trees, second pass: a thread an output, which adds the leaves' values in the order of trees.
// #include common/flat.wgsl
struct Params {
  count: u32,
  trees: u32,
  outputs: u32,
  factor: f32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> leaves: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let first = i / params.outputs * params.trees;
  var sum = 0.0;
  for (var t = 0u; t < params.trees; t++) {
    sum += values[leaves[first + t] * params.outputs + i % params.outputs];
  }
  out[i] = sum * params.factor;
}
