// Dot products of four bytes on registers: what integer arithmetic can do at most. Each sum is an operand of its own next step, so that
// nothing can be taken out of the loop; the other operand is 1, which no compiler knows.
// #param DOT4 = dot4I8Packed | dot4_unpack
// #include common/bytes.wgsl
// #include common/dot4.wgsl
// #include common/flat.wgsl
struct PeakParams {
  iterations: u32,
  factor: u32,
  summand: i32,
};
@group(0) @binding(0) var<uniform> params: PeakParams;
@group(0) @binding(1) var<storage, read_write> out: array<i32>;

struct Sums {
  a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32,
  i: i32, j: i32, k: i32, l: i32, m: i32, n: i32, o: i32, p: i32,
};

fn add_dot(s: i32) -> i32 {
  return {{DOT4}}(bitcast<u32>(s), params.factor) + params.summand;
}

fn turn(s: Sums) -> Sums {
  return Sums(
    add_dot(s.a), add_dot(s.b), add_dot(s.c), add_dot(s.d),
    add_dot(s.e), add_dot(s.f), add_dot(s.g), add_dot(s.h),
    add_dot(s.i), add_dot(s.j), add_dot(s.k), add_dot(s.l),
    add_dot(s.m), add_dot(s.n), add_dot(s.o), add_dot(s.p),
  );
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let thread = flat_index(wid, nwg, local);
  let v = i32(local);
  var s = Sums(v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7,
    v + 8, v + 9, v + 10, v + 11, v + 12, v + 13, v + 14, v + 15);
  for (var i = 0u; i < params.iterations; i++) {
    s = turn(turn(turn(turn(s))));
  }
  out[thread] = s.a + s.b + s.c + s.d + s.e + s.f + s.g + s.h + s.i + s.j + s.k + s.l + s.m + s.n + s.o + s.p;
}
