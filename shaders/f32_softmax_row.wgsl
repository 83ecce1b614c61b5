// Softmax along one axis, one row a thread: x seen as [outer][length][inner].
// #include common/flat.wgsl
struct Params {
  count: u32,   // rows
  length: u32,
  inner: u32,
  beta: f32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let start = i / params.inner * params.length * params.inner + i % params.inner;
  var largest = x[start];
  for (var k = 1u; k < params.length; k++) {
    largest = max(largest, x[start + k * params.inner]);
  }
  var sum = 0.0;
  for (var k = 0u; k < params.length; k++) {
    let at = start + k * params.inner;
    let e = exp(params.beta * (x[at] - largest));
    out[at] = e;
    sum += e;
  }
  for (var k = 0u; k < params.length; k++) {
    let at = start + k * params.inner;
    out[at] = out[at] / sum;
  }
}
