/**
 * TFLite's requantization in fixed point, in both of its build modes: int32 accumulator × 31-bit multiplier × power of two. The engines here multiply in
 * float32 instead (src/graph/numerics.ts); this says what a TFLite runtime makes of the same accumulator, to tell rounding from a fault.
 * After lite/kernels/internal/quantization_util.cc and common.h.
 */
import { UsageError } from "../../errors.ts";

/** multiplier × 2^(shift - 31), multiplier 2^30 ≤ m < 2^31. */
export interface FixedPoint {
  readonly multiplier: number;
  /** Positive: to the left. */
  readonly shift: number;
}

const BITS = 31;
const INT32_MIN = -(2n ** 31n);
const INT32_MAX = 2n ** 31n - 1n;

/** @param real not negative, finite; below 2^-32 it becomes 0 @throws UsageError */
export function fixedPoint(real: number): FixedPoint {
  if (!(real >= 0 && Number.isFinite(real))) throw new UsageError(`fixed point: got ${real}, expected a finite number from 0 on`);
  if (real === 0) return { multiplier: 0, shift: 0 };
  let shift = Math.floor(Math.log2(real)) + 1;
  let fraction = real / 2 ** shift;
  // log2 rounds near powers of two.
  if (fraction >= 1) [fraction, shift] = [fraction / 2, shift + 1];
  if (fraction < 0.5) [fraction, shift] = [fraction * 2, shift - 1];
  let multiplier = Math.round(fraction * 2 ** BITS);
  if (multiplier === 2 ** BITS) [multiplier, shift] = [multiplier / 2, shift + 1];
  return shift < -BITS ? { multiplier: 0, shift: 0 } : { multiplier, shift };
}

/** The older mode: a doubling high multiply with ties away from zero, then a shift with ties away from zero. */
export function multiplyDoubleRounding(acc: number, { multiplier, shift }: FixedPoint): number {
  const product = (BigInt(acc) << BigInt(Math.max(shift, 0))) * BigInt(multiplier);
  const half = 2n ** 30n;
  // BigInt's division truncates, as C's.
  const high = Number((product + (product >= 0n ? half : 1n - half)) / 2n ** 31n);
  const right = Math.max(-shift, 0);
  const divisor = 2 ** right;
  const floor = Math.floor(high / divisor);
  const threshold = Math.floor((divisor - 1) / 2) + (high < 0 ? 1 : 0);
  return floor + (high - floor * divisor > threshold ? 1 : 0);
}

/** The newer mode (TFLITE_SINGLE_ROUNDING): the 64-bit product plus a half, shifted: ties towards +∞. Saturates to int32. */
export function multiplySingleRounding(acc: number, { multiplier, shift }: FixedPoint): number {
  const total = BigInt(BITS - shift);
  const rounded = (BigInt(acc) * BigInt(multiplier) + (1n << (total - 1n))) >> total;
  return Number(rounded < INT32_MIN ? INT32_MIN : rounded > INT32_MAX ? INT32_MAX : rounded);
}
