// Linear and cubic Resize along one axis: each output is a weighted sum of `taps` inputs, indices and weights from tables made once on the
// host in double precision. x seen as [outer][in_size][inner]; one value a thread. Two axes are two passes.
// #include common/flat.wgsl
struct Params {
  count: u32,
  in_size: u32,
  out_size: u32,
  inner: u32,
  taps: u32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> indices: array<u32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let at = i / params.inner % params.out_size;
  let block = i / params.inner / params.out_size * params.in_size;
  var sum = 0.0;
  for (var t = at * params.taps; t < (at + 1u) * params.taps; t++) {
    sum += weights[t] * x[(block + indices[t]) * params.inner + i % params.inner];
  }
  out[i] = sum;
}
