// Softmax of int16, one row a thread, any axis: exponentials of the distance to the maximum as products of two tables of 256, then a division bit by
// bit: floor(e × 2^16 / sum), rounded to 15 bits. Sums are at most 2^31.
// #include common/flat.wgsl
struct Params {
  count: u32,   // threads
  length: u32,  // classes
  inner: u32,   // words between neighbours along the axis
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<i32>;
@group(0) @binding(2) var<storage, read> x: array<i32>;
@group(0) @binding(3) var<storage, read> tables: array<u32>;

fn exponential(distance: i32) -> u32 {
  return (tables[distance >> 8u] * tables[256 + (distance & 255)]) >> 11u;
}

fn probability(e: u32, sum: u32) -> i32 {
  // e is at most the sum.
  var rest = select(e, e - sum, e >= sum);
  var quotient = select(0u, 1u, e >= sum);
  for (var bit = 0; bit < 16; bit++) {
    rest <<= 1u;
    quotient <<= 1u;
    if (rest >= sum) {
      rest -= sum;
      quotient |= 1u;
    }
  }
  return i32(min((quotient + 1u) >> 1u, 32767u));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let start = i / params.inner * params.length * params.inner + i % params.inner;
  var largest = -32768;
  for (var k = 0u; k < params.length; k++) {
    largest = max(largest, x[start + k * params.inner]);
  }
  var sum = 0u;
  for (var k = 0u; k < params.length; k++) {
    sum += exponential(largest - x[start + k * params.inner]);
  }
  for (var k = 0u; k < params.length; k++) {
    let at = start + k * params.inner;
    out[at] = probability(exponential(largest - x[at]), sum);
  }
}
