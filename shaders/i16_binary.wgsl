// Integer addition (and subtraction, by a negative multiplier) and multiplication of int16 tensors, broadcast in any way: one value a thread.
// #param FN = add | mul
// #include common/flat.wgsl
// #include common/strides.wgsl
// #include common/int16.wgsl
struct Params {
  count: u32,
  rank: u32,
  mult_a: i32,   // add: multipliers of 21 bits, half a step and shift less 8 bits
  mult_b: i32,
  half: i32,
  shift: u32,
  scale: f32,    // mul
  out_lo: i32,
  out_hi: i32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  sizes: Dims,
  a_steps: Dims,
  b_steps: Dims,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<i32>;
@group(0) @binding(2) var<storage, read> a: array<i32>;
@group(0) @binding(3) var<storage, read> b: array<i32>;

fn combine_add(p: i32, q: i32) -> i32 {
  let high = (p >> 8u) * params.mult_a + (q >> 8u) * params.mult_b;
  let low = (p & 255) * params.mult_a + (q & 255) * params.mult_b;
  return clamp((high + params.half + (low >> 8u)) >> params.shift, params.out_lo, params.out_hi);
}

fn combine_mul(p: i32, q: i32) -> i32 {
  return to_grid(to_f32(p * q) * params.scale, params.out_lo, params.out_hi);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  var rest = i;
  var at = vec2<u32>(0u);
  for (var d = i32(params.rank) - 1; d >= 0; d--) {
    let size = params.sizes[d / 4][d % 4];
    let next = rest / size;
    let c = rest - next * size;
    rest = next;
    at += c * vec2<u32>(params.a_steps[d / 4][d % 4], params.b_steps[d / 4][d % 4]);
  }
  out[i] = combine_{{FN}}(a[at.x], b[at.y]);
}
