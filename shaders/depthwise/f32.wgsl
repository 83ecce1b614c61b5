// Depthwise convolution of float32: four channels a vec4, channels a multiple of four.
// #include common/activation.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

override ACTIVATION: u32 = 0u;  // kind, decided when the pipeline is made (common/f32_finish.wgsl)

struct Channel {
  bias: vec4<f32>,
};

fn channel_of(c: u32) -> Channel {
  return Channel(bias[c]);
}

fn value(at: u32) -> vec4<f32> {
  return x[at];
}

fn padding() -> vec4<f32> {
  return vec4<f32>(0.0);
}

fn filter_at(tap: u32, c: u32) -> vec4<f32> {
  return w[tap * params.channels4 + c];
}

fn start_of(channel: Channel) -> vec4<f32> {
  return channel.bias;
}

fn finish(sum: vec4<f32>, channel: Channel) -> vec4<f32> {
  return activate(sum, ACTIVATION, params.lo, params.hi);
}
