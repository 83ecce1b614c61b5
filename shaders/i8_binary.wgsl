// Integer addition (and subtraction, by a negative multiplier) and multiplication of 8-bit tensors, broadcast in any way: one word of
// four outputs a thread. An operand runs along the last axis word by word, or repeats one byte.
// #param FN = add | mul
// #include common/flat.wgsl
// #include common/strides.wgsl
// #include common/bytes.wgsl
// #include common/requantize.wgsl
struct Params {
  count: u32,
  rank: u32,       // outer dimensions, without the last
  words: u32,      // words of an output row
  a_last: u32,     // 1: the operand has the output's last axis; 0: one byte a row
  b_last: u32,
  mult_a: i32,     // add: int32 multipliers, bias and shift
  mult_b: i32,
  bias: i32,
  shift: u32,
  a_zero: i32,     // mul
  b_zero: i32,
  scale: f32,
  out_zero: i32,
  out_lo: i32,
  out_hi: i32,
  pad0: u32,
  sizes: Dims,
  a_steps: Dims,   // words
  b_steps: Dims,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> a: array<u32>;
@group(0) @binding(3) var<storage, read> b: array<u32>;

fn combine_add(p: vec4<i32>, q: vec4<i32>) -> vec4<i32> {
  let sum = vec4<i32>(params.bias) + p * params.mult_a + q * params.mult_b;
  return clamp((sum >> vec4<u32>(params.shift)) + vec4<i32>(params.out_zero), vec4<i32>(params.out_lo), vec4<i32>(params.out_hi));
}

fn combine_mul(p: vec4<i32>, q: vec4<i32>) -> vec4<i32> {
  let acc = (p - vec4<i32>(params.a_zero)) * (q - vec4<i32>(params.b_zero));
  return requantize(acc, vec4<f32>(params.scale), params.out_zero, params.out_lo, params.out_hi);
}

fn operand(word: u32, last: u32) -> vec4<i32> {
  let v = unpack(word);
  return select(v.xxxx, v, last != 0u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let word = i % params.words;
  var rest = i / params.words;
  var at = word * vec2<u32>(params.a_last, params.b_last);
  for (var d = i32(params.rank) - 1; d >= 0; d--) {
    let size = params.sizes[d / 4][d % 4];
    let next = rest / size;
    let c = rest - next * size;
    rest = next;
    at += c * vec2<u32>(params.a_steps[d / 4][d % 4], params.b_steps[d / 4][d % 4]);
  }
  out[i] = pack(combine_{{FN}}(operand(a[at.x], params.a_last), operand(b[at.y], params.b_last)));
}
