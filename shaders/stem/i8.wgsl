// Images and outputs of bytes, a pixel a word, multiplied in float32: sums of 27 products are far below 2^24, so exact. Units are words; padding
// reads the zero point.
// #include common/bytes.wgsl
// #include common/requantize.wgsl
// #include common/i8_store.wgsl
@group(0) @binding(2) var<storage, read> a: array<u32>;

override FIT_MN: bool = false;  // threads cover the output exactly

const PIXEL = 1;

fn pixel(line: i32, x: i32, inside: bool) -> vec3<f32> {
  let valid = inside & (x >= 0) & (x < params.line);
  return vec3<f32>(unpack(select(params.pad_word, a[u32(select(0, line + x, valid))], valid)).xyz);
}

fn ending_of(n4: u32) -> Columns {
  return columns[n4];
}

// Without the checks of common/i8_store.wgsl, which the caller has made: each branch is dear to compile.
fn store_sum(m: u32, n4: u32, sum: vec4<f32>, ending: Columns) {
  let acc = vec4<i32>(sum) + ending.bias;
  out[m * params.out_stride + n4] = pack(requantize(acc, ending.scale, params.out_zero, params.out_lo, params.out_hi));
}
