// Depthwise convolution of bytes: four channels a word. The input's zero point is folded into the bias, padding reads it.
// #include common/bytes.wgsl
// #include common/requantize.wgsl
struct Channel {
  bias: vec4<i32>,
  scale: vec4<f32>,
};
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> w: array<u32>;
@group(0) @binding(4) var<storage, read> columns: array<Channel>;

fn channel_of(c: u32) -> Channel {
  return columns[c];
}

fn value(at: u32) -> vec4<f32> {
  return vec4<f32>(unpack(x[at]));
}

fn padding() -> vec4<f32> {
  return vec4<f32>(unpack(params.pad_word));
}

fn filter_at(tap: u32, c: u32) -> vec4<f32> {
  return vec4<f32>(unpack(w[tap * params.channels4 + c]));
}

fn start_of(channel: Channel) -> vec4<f32> {
  return vec4<f32>(0.0);
}

fn finish(sum: vec4<f32>, channel: Channel) -> u32 {
  return pack(requantize(vec4<i32>(sum) + channel.bias, channel.scale, params.out_zero, params.out_lo, params.out_hi));
}
