// Two float32 operands, four values a thread: of one shape, or one that repeats (its length, a multiple of four, is the output's last axes),
// or one of a single value.
// #param FN = add | sub | mul | div | pow | min | max
// #include common/flat.wgsl
// #include common/activation.wgsl
// #include common/binary_f32.wgsl
struct Params {
  count4: u32,
  size4_a: u32,  // units of four after which the operand repeats; 0: it has a single value
  size4_b: u32,
  activation: u32,
  lo: f32,
  hi: f32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count4) {
    return;
  }
  var p = a[i % max(params.size4_a, 1u)];
  if (params.size4_a == 0u) {
    p = p.xxxx;
  }
  var q = b[i % max(params.size4_b, 1u)];
  if (params.size4_b == 0u) {
    q = q.xxxx;
  }
  out[i] = activate(binary_{{FN}}(p, q), params.activation, params.lo, params.hi);
}
