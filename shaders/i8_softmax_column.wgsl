// Softmax of bytes along any axis but the last: x seen as [outer][length][inner words], four neighbouring columns a thread.
// #include common/flat.wgsl
// #include common/bytes.wgsl
// #include common/i8_softmax.wgsl

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let start = i / params.inner * params.length * params.inner + i % params.inner;
  var largest = vec4<i32>(-128);
  for (var k = 0u; k < params.length; k++) {
    largest = max(largest, unpack(x[start + k * params.inner]));
  }
  var sum = vec4<u32>(0u);
  for (var k = 0u; k < params.length; k++) {
    let d = largest - unpack(x[start + k * params.inner]);
    sum += vec4<u32>(exponentials[d.x], exponentials[d.y], exponentials[d.z], exponentials[d.w]);
  }
  for (var k = 0u; k < params.length; k++) {
    let at = start + k * params.inner;
    let d = largest - unpack(x[at]);
    let q = vec4<i32>(probability(d.x, sum.x), probability(d.y, sum.y), probability(d.z, sum.z), probability(d.w, sum.w));
    out[at] = pack(q);
  }
}
