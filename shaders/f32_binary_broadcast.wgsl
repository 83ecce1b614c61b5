// Two float32 operands, broadcast in any way: one value a thread.
// #param FN = add | sub | mul | div | pow | min | max
// #include common/flat.wgsl
// #include common/activation.wgsl
// #include common/binary_f32.wgsl
// #include common/broadcast.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let at = operands(i);
  out[i] = activate(binary_{{FN}}(vec4<f32>(a[at.x]), vec4<f32>(b[at.y])), params.activation, params.lo, params.hi).x;
}
