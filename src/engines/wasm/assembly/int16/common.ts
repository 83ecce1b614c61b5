/**
 * int16 activations with int8 weights, widened to int16, by the rules of src/graph/int16.ts. A product has up to 2^22, so int32 lanes hold 255 pairs of
 * them; then they are added to doubles, which stay exact, and whose demotion to float32 rounds half to even, once.
 *
 * `post` of layers, pools and maps is [lo f32 ×4][hi f32 ×4].
 */
import { storeBytes } from "../common";

/** 255 × 2 × 2^22 < 2^31 */
export const MOST_PAIRS: usize = 255;

/** Stores the first `count` (1..7, or more for all 8) int16. */
export function storeHalves(to: usize, x: v128, count: usize): void {
  if (count >= 8) {
    v128.store(to, x);
    return;
  }
  storeBytes(to, i64x2.extract_lane(x, 0), min<usize>(count, 4) * 2);
  if (count > 4) storeBytes(to + 8, i64x2.extract_lane(x, 1), (count - 4) * 2);
}

/** Four floats → integers within `post`, half to even. */
// @ts-ignore: decorator
@inline
export function toGrid4(x: v128, post: usize): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.pmin(f32x4.pmax(f32x4.nearest(x), v128.load(post)), v128.load(post, 16)));
}

/** Doubles 0..3 as floats, each rounded once. */
// @ts-ignore: decorator
@inline
export function demote4(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2);
}

// @ts-ignore: decorator
@inline
export function low2(x: v128): v128 {
  return f64x2.convert_low_i32x4_s(x);
}

// @ts-ignore: decorator
@inline
export function high2(x: v128): v128 {
  return f64x2.convert_low_i32x4_s(v128.shuffle<i64>(x, x, 1, 1));
}

/** sums [8 f64] += eight int32 */
// @ts-ignore: decorator
@inline
export function spill(sums: usize, a: v128, b: v128): void {
  v128.store(sums, f64x2.add(v128.load(sums), low2(a)));
  v128.store(sums, f64x2.add(v128.load(sums, 16), high2(a)), 16);
  v128.store(sums, f64x2.add(v128.load(sums, 32), low2(b)), 32);
  v128.store(sums, f64x2.add(v128.load(sums, 48), high2(b)), 48);
}

/** Eight sums, scaled, on the output's grid. */
export function requantizeRow(c: usize, sums: usize, scales: usize, columns: usize, post: usize): void {
  const lo = f32x4.mul(demote4(v128.load(sums), v128.load(sums, 16)), v128.load(scales));
  const hi = f32x4.mul(demote4(v128.load(sums, 32), v128.load(sums, 48)), v128.load(scales, 16));
  storeHalves(c, i16x8.narrow_i32x4_s(toGrid4(lo, post), toGrid4(hi, post)), columns);
}

/** Eight outputs: int32 sums and the panel's biases, scaled, on the output's grid. */
// @ts-ignore: decorator
@inline
export function finishChannels(c: usize, lo: v128, hi: v128, panel: usize, count: usize, post: usize): void {
  const a = demote4(f64x2.add(v128.load(panel), low2(lo)), f64x2.add(v128.load(panel, 16), high2(lo)));
  const b = demote4(f64x2.add(v128.load(panel, 32), low2(hi)), f64x2.add(v128.load(panel, 48), high2(hi)));
  const x = f32x4.mul(a, v128.load(panel, 64));
  const y = f32x4.mul(b, v128.load(panel, 80));
  storeHalves(c, i16x8.narrow_i32x4_s(toGrid4(x, post), toGrid4(y, post)), count);
}

/** sums [8 f64] = biases */
export function begin(sums: usize, panel: usize): void {
  for (let at: usize = 0; at < 64; at += 16) v128.store(sums + at, v128.load(panel + at));
}
