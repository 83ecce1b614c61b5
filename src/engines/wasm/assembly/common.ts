/**
 * Shared pieces of the kernels. All code here runs on raw pointers into imported memory: no managed objects, no allocation, no
 * run-time. Every tensor has slack behind it, so loads may run past an end; stores never do. Integer arguments only: float
 * parameters live in memory as splatted vectors ("post" records, written by the packers in src/engines/wasm/).
 */

/** Fused activations of float kernels; the numbers are shared with `ACTIVATION` in src/engines/wasm/post.ts. */
export const ACT_HARDSWISH: usize = 1;
/** Beside either: a residual is added before. */
export const ACT_RESIDUAL: usize = 2;

/** x * clamp(x / 6 + 1/2, 0, 1) */
// @ts-ignore: decorator
@inline
export function hardswish4(x: v128): v128 {
  const gate = f32x4.add(f32x4.mul(x, f32x4.splat(1.0 / 6.0)), f32x4.splat(0.5));
  return f32x4.mul(x, f32x4.pmin(f32x4.pmax(gate, f32x4.splat(0)), f32x4.splat(1)));
}

/** To the bounds at `post` [lo x4][hi x4]. pmin/pmax are one instruction each; min/max would order NaNs and zeros. */
// @ts-ignore: decorator
@inline
export function clamp4(x: v128, post: usize): v128 {
  return f32x4.pmin(f32x4.pmax(x, v128.load(post)), v128.load(post, 16));
}

/** The fused activation of a float kernel. */
// @ts-ignore: decorator
@inline
export function activate4(x: v128, act: usize, post: usize): v128 {
  if (act == ACT_HARDSWISH) return hardswish4(x);
  return clamp4(x, post);
}

/** Stores the first `count` (1..3, or more for all 4) floats. */
export function storeFloats(to: usize, x: v128, count: usize): void {
  if (count >= 4) {
    v128.store(to, x);
    return;
  }
  if (count & 2) {
    v128.store64_lane(to, x, 0);
    to += 8;
    x = v128.shuffle<i64>(x, x, 1, 1);
  }
  if (count & 1) v128.store32_lane(to, x, 0);
}

/** Stores the first `count` (1..8) bytes of a 64-bit value. */
export function storeBytes(to: usize, x: u64, count: usize): void {
  if (count >= 8) {
    store<u64>(to, x);
    return;
  }
  if (count & 4) {
    store<u32>(to, <u32>x);
    to += 4;
    x >>= 32;
  }
  if (count & 2) {
    store<u16>(to, <u16>x);
    to += 2;
    x >>= 16;
  }
  if (count & 1) store<u8>(to, <u8>x);
}

/**
 * int32 accumulators → integers of the output type, still 32 bits wide. `post` is [lo - zp x4 f32][hi - zp x4 f32][MAGIC - zp x4 i32].
 * Adding 1.5 * 2^23 rounds half to even and leaves the integer in the low mantissa bits; the clamp comes first, and since its bounds are
 * integers that equals rounding first.
 */
// @ts-ignore: decorator
@inline
export function requantize4(acc: v128, scale: v128, post: usize): v128 {
  return roundToGrid4(f32x4.mul(f32x4.convert_i32x4_s(acc), scale), post);
}

// @ts-ignore: decorator
@inline
export function roundToGrid4(x: v128, post: usize): v128 {
  x = f32x4.pmin(f32x4.pmax(x, v128.load(post)), v128.load(post, 16));
  return i32x4.sub(f32x4.add(x, f32x4.splat(12582912.0)), v128.load(post, 32));
}

/** Low bytes of eight 32-bit lanes as one u64: the same for signed and unsigned outputs, since values are already clamped. */
// @ts-ignore: decorator
@inline
export function lowBytes8(a: v128, b: v128): u64 {
  return i64x2.extract_lane(i8x16.shuffle(a, b, 0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28), 0);
}

/**
 * int32 accumulators → integers on the output's grid as signed bytes, not yet clamped. Only for accumulators whose scaled value stays
 * within 2^22, which planners prove from the weights. `post` continues: [MAGIC - zp as signed byte x4] at 48.
 */
// @ts-ignore: decorator
@inline
export function scale4(acc: v128, scale: v128, post: usize): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(acc), scale), f32x4.splat(12582912.0)), v128.load(post, 48));
}

/** Signed bytes to [lo x16] at 64 and [hi x16] at 80; the bytes at 96 turn int8 into uint8. */
// @ts-ignore: decorator
@inline
export function clampBytes16(bytes: v128, post: usize): v128 {
  return v128.xor(i8x16.min_s(i8x16.max_s(bytes, v128.load(post, 64)), v128.load(post, 80)), v128.load(post, 96));
}

/** Sixteen integers → bytes, saturated, then clamped. */
// @ts-ignore: decorator
@inline
export function pack16(a: v128, b: v128, c: v128, d: v128, post: usize): v128 {
  return clampBytes16(i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)), post);
}
