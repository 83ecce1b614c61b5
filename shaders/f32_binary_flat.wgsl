// Two float32 operands of one shape, or one of a single value: four values a thread.
// #param FN = add | sub | mul | div | pow | min | max
// #include common/flat.wgsl
// #include common/activation.wgsl
// #include common/binary_f32.wgsl
struct Params {
  count4: u32,
  single_a: u32,  // the operand has one value
  single_b: u32,
  activation: u32,
  lo: f32,
  hi: f32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<f32>>;

fn operand(v: vec4<f32>, single: u32) -> vec4<f32> {
  return select(v, v.xxxx, single != 0u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count4) {
    return;
  }
  let p = operand(a[select(i, 0u, params.single_a != 0u)], params.single_a);
  let q = operand(b[select(i, 0u, params.single_b != 0u)], params.single_b);
  out[i] = activate(binary_{{FN}}(p, q), params.activation, params.lo, params.hi);
}
