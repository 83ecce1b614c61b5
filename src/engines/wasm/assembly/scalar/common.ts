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
