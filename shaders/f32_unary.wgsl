// A unary function of float32, four values a thread.
// #param FN = relu | leakyrelu | clip | sigmoid | hardsigmoid | hardswish | tanh | sqrt | exp | log | abs | neg | reciprocal | floor | ceil | erf
// #include common/flat.wgsl
struct UnaryParams {
  count4: u32,
  alpha: f32,
  beta: f32,
  lo: f32,
  hi: f32,
};
// #include common/unary.wgsl
@group(0) @binding(0) var<uniform> params: UnaryParams;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i < params.count4) {
    out[i] = unary_{{FN}}(x[i], params);
  }
}
