// int32 accumulators → int8 grid: one float32 product, round half to even, zero point, clamp; the same bits on every engine. The clamp
// before the conversion only keeps it in range: beyond it every result saturates anyway.
alias Scale = vec4<f32>;

fn requantize(acc: vec4<i32>, scale: Scale, zero: i32, lo: i32, hi: i32) -> vec4<i32> {
  let r = clamp(round(vec4<f32>(acc) * scale), vec4<f32>(-65536.0), vec4<f32>(65536.0));
  return clamp(vec4<i32>(r) + vec4<i32>(zero), vec4<i32>(lo), vec4<i32>(hi));
}
