// Requantizes four neighbouring columns of one output row and writes them as one word.
struct Columns {
  bias: vec4<i32>,  // less zero point × sum of weights
  scale: Scale,
};
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(4) var<storage, read> columns: array<Columns>;

fn store(m: u32, n4: u32, column4: u32, acc: vec4<i32>, scale: Scale) {
  if (m >= params.m || n4 >= params.n4) {
    return;
  }
  out[m * params.out_stride + column4 + n4] = pack(requantize(acc, scale, params.out_zero, params.out_lo, params.out_hi));
}
