// Softmax of bytes along the last axis, one row a thread.
// #include common/flat.wgsl
// #include common/bytes.wgsl
// #include common/i8_softmax.wgsl

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let start = i * params.inner;
  var largest = -128;
  for (var k = 0u; k < params.length; k++) {
    largest = max(largest, byte_of(x[start + k / 4u], k % 4u));
  }
  var sum = 0u;
  for (var k = 0u; k < params.length; k++) {
    sum += exponentials[largest - byte_of(x[start + k / 4u], k % 4u)];
  }
  for (var word = 0u; word < params.inner; word++) {
    let v = unpack(x[start + word]);
    var q = vec4<i32>(0);
    for (var lane = 0u; lane < 4u; lane++) {
      if (word * 4u + lane < params.length) {
        q[lane] = probability(largest - v[lane], sum);
      }
    }
    out[start + word] = pack(q);
  }
}
