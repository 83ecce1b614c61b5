/** Ends of the scalar kernels. Parameter records as in ../common.ts, of which scalars read the first lane. */

/** Fused activations of float kernels; the numbers are shared with `ACTIVATION` in src/engines/wasm/codes.ts. */
const ACT_HARDSWISH: usize = 1;

/** `post`: [lo ×4][hi ×4] f32. Comparisons, not min and max: those would order NaNs and zeros, in many instructions. */
// @ts-ignore: decorator
@inline
export function activate(x: f32, act: usize, post: usize): f32 {
  if (act == ACT_HARDSWISH) {
    let gate = x * <f32>(1.0 / 6.0) + <f32>0.5;
    gate = gate < 0 ? 0 : gate;
    return x * (gate > 1 ? 1 : gate);
  }
  const lo = load<f32>(post);
  const hi = load<f32>(post, 16);
  x = x < lo ? lo : x;
  return x > hi ? hi : x;
}

/** An int32 sum to a byte of the output's grid. `post`: [lo - zero point f32][hi - zero point f32][zero point i32]. */
// @ts-ignore: decorator
@inline
export function requantize(sum: i32, scale: f32, post: usize): i32 {
  const lo = load<f32>(post);
  const hi = load<f32>(post, 4);
  let x = <f32>sum * scale;
  x = x < lo ? lo : x;
  x = x > hi ? hi : x;
  return <i32>nearest(x) + load<i32>(post, 8);
}

const INT32_MAX: i64 = 0x7fffffff;

/**
 * An int32 sum to a byte of the output's grid in fixed point (src/graph/fixed-point.ts): × multiplier × 2^(shift - 31).
 * `post`: [lo - zero point i32][hi - zero point i32][zero point i32][1 to round once, 0 to round twice].
 */
export function requantizeFixed(sum: i32, multiplier: i32, shift: i32, post: usize): i32 {
  const x = max<i64>(min<i64>(<i64>sum << <i64>max(shift, 0), INT32_MAX), -INT32_MAX - 1);
  const product = x * <i64>multiplier;
  const right: i64 = max(-shift, 0);
  let y: i64;
  if (load<i32>(post, 12)) {
    y = (product + (<i64>1 << (30 + right))) >> (31 + right);
  } else {
    const high = (product + (1 << 30)) >> 31;
    const mask = (<i64>1 << right) - 1;
    y = (high >> right) + <i64>((high & mask) > (mask >> 1) + <i64>(high < 0));
  }
  y = max<i64>(y, load<i32>(post));
  y = min<i64>(y, load<i32>(post, 4));
  return <i32>y + load<i32>(post, 8);
}
