// Multiply-adds on registers: what arithmetic can do at most. Independent sums hide the latency of each operation; factor 1 and summand 0,
// which no compiler knows, keep them where they are.
// #param FORM = fma | muladd
// #include common/flat.wgsl
struct PeakParams {
  iterations: u32,
  factor: f32,
  summand: f32,
};
@group(0) @binding(0) var<uniform> params: PeakParams;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

struct Sums {
  a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>,
  e: vec4<f32>, f: vec4<f32>, g: vec4<f32>, h: vec4<f32>,
};

fn add_fma(s: vec4<f32>) -> vec4<f32> {
  return fma(s, vec4<f32>(params.factor), vec4<f32>(params.summand));
}

fn add_muladd(s: vec4<f32>) -> vec4<f32> {
  return s * params.factor + params.summand;
}

fn turn(s: Sums) -> Sums {
  return Sums(
    add_{{FORM}}(s.a), add_{{FORM}}(s.b), add_{{FORM}}(s.c), add_{{FORM}}(s.d),
    add_{{FORM}}(s.e), add_{{FORM}}(s.f), add_{{FORM}}(s.g), add_{{FORM}}(s.h),
  );
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let thread = flat_index(wid, nwg, local);
  let v = vec4<f32>(1.0, 2.0, 3.0, 4.0) + f32(local);
  var s = Sums(v, v + 1.0, v + 2.0, v + 3.0, v + 4.0, v + 5.0, v + 6.0, v + 7.0);
  for (var i = 0u; i < params.iterations; i++) {
    // Four at once: the loop itself then costs a percent or two.
    s = turn(turn(turn(turn(s))));
  }
  out[thread] = s.a + s.b + s.c + s.d + s.e + s.f + s.g + s.h;
}
