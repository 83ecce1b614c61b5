// int32 accumulators → int8 grid in fixed point: × multiplier × 2^(shift - 31), the product of 64 bits put together from parts of 16. Its
// 31 low bits go first, rounded up at a half unless a later shift holds the half of rounding once; then the shift to the right, a half away
// from zero (twice rounded) or up (once). The definition is src/graph/fixed-point.ts.
override ROUND_ONCE: u32 = 0u;

struct Scale {
  multiplier: vec4<i32>,  // 0, or 2^30 to 2^31 - 1
  shift: vec4<i32>,       // -31 to 14
};

// High 32 bits of the product of unsigned numbers.
fn high_product(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
  let low = vec4<u32>(0xffffu);
  let half = vec4<u32>(16u);
  let a0 = a & low;
  let a1 = a >> half;
  let b0 = b & low;
  let b1 = b >> half;
  let middle = a1 * b0 + ((a0 * b0) >> half);
  let other = a0 * b1 + (middle & low);
  return a1 * b1 + (middle >> half) + (other >> half);
}

fn requantize(acc: vec4<i32>, scale: Scale, zero: i32, lo: i32, hi: i32) -> vec4<i32> {
  let left = vec4<u32>(max(scale.shift, vec4<i32>(0)));
  let right = vec4<u32>(max(-scale.shift, vec4<i32>(0)));
  let limit = vec4<i32>(0x7fffffff) >> left;
  let x = clamp(acc, -limit - vec4<i32>(1), limit) << left;

  let a = bitcast<vec4<u32>>(x);
  let m = bitcast<vec4<u32>>(scale.multiplier);
  let low = a * m;
  let high = bitcast<vec4<i32>>(high_product(a, m)) - select(vec4<i32>(0), scale.multiplier, x < vec4<i32>(0));
  let no_shift = right == vec4<u32>(0u);
  let half = select(vec4<u32>(0u), vec4<u32>(0x40000000u), no_shift | vec4<bool>(ROUND_ONCE == 0u));
  let sum = low + half;
  let carried = high + select(vec4<i32>(0), vec4<i32>(1), sum < low);
  let y = (carried << vec4<u32>(1u)) | bitcast<vec4<i32>>(sum >> vec4<u32>(31u));

  let whole = y >> right;
  let last = (y >> (max(right, vec4<u32>(1u)) - vec4<u32>(1u))) & vec4<i32>(1);
  let mask = bitcast<vec4<i32>>((vec4<u32>(1u) << right) - vec4<u32>(1u));
  let threshold = (mask >> vec4<u32>(1u)) + select(vec4<i32>(0), vec4<i32>(1), y < vec4<i32>(0));
  let away = select(vec4<i32>(0), vec4<i32>(1), (y & mask) > threshold);
  let q = whole + select(select(away, last, ROUND_ONCE != 0u), vec4<i32>(0), no_shift);
  return clamp(q, vec4<i32>(lo - zero), vec4<i32>(hi - zero)) + vec4<i32>(zero);
}
