// Gather of words: x seen as [outer][size][inner], one output word a thread. Negative indices count from the end; what lies outside
// afterwards is clamped.
// #include common/flat.wgsl
struct Params {
  count: u32,
  size: u32,
  inner: u32,
  indices: u32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> indices: array<i32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let index = indices[i / params.inner % params.indices];
  let at = clamp(select(index, index + i32(params.size), index < 0), 0, i32(params.size) - 1);
  let outer = i / params.inner / params.indices;
  out[i] = x[(outer * params.size + u32(at)) * params.inner + i % params.inner];
}
