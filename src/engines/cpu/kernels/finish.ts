/**
 * The last step of a result: fused activation, requantization, bounds. A clamp that half of the values hit costs 8 ns a value when it
 * branches (mispredicted), so the lower bound 0 is taken by |v| and integers are clamped by their sign bits, 1.5 ns each (Node 20). The
 * upper bound of a float activation is seldom hit, hence well predicted, and stays a branch.
 */
import type { Activation } from "../../../graph/ir.ts";

/** Adding and taking away 1.5 × 2^52 rounds a double half to even, for |x| ≤ 2^51: `roundHalfEven` without branches. */
export const ROUND_MAGIC = 6755399441055744;

/** A fused activation in the form that loops take. */
export interface FloatFinish {
  readonly lo: number;
  readonly hi: number;
  readonly hardswish: boolean;
}

export function floatFinish(activation: Activation | undefined): FloatFinish {
  if (activation?.kind === "clamp") return { lo: activation.min, hi: activation.max, hardswish: false };
  return { lo: -Infinity, hi: Infinity, hardswish: activation !== undefined };
}

/** NaN passes through. */
export function finishValue(v: number, lo: number, hi: number, hardswish: boolean): number {
  return hardswish ? v * clampValue(v / 6 + 0.5, 0, 1) : clampValue(v, lo, hi);
}

/** v < lo ? lo : v > hi ? hi : v */
export function clampValue(v: number, lo: number, hi: number): number {
  if (lo !== 0) return v < lo ? lo : v > hi ? hi : v;
  const raised = 0.5 * (v + Math.abs(v));
  if (raised > hi) return hi;
  // Minus infinity and NaN end here, too rarely to be mispredicted.
  return raised === raised ? raised : v < 0 ? 0 : v;
}

/** The larger of two float32 values; exact. A NaN in `v` is ignored. */
export function largerOf(acc: number, v: number): number {
  const more = +(v > acc);
  const r = acc * (1 - more) + v * more;
  return r === r ? r : v > acc ? v : acc;
}

/** A fused activation to the letter, for slow paths. */
export function activate(v: number, activation: Activation | undefined): number {
  if (activation === undefined) return v;
  if (activation.kind === "hardswish") return v * Math.min(Math.max(v / 6 + 0.5, 0), 1);
  return v < activation.min ? activation.min : v > activation.max ? activation.max : v;
}

/** Largest scale for which a scaled int32 and its distance to the bounds stay in int32. */
export const NARROW_SCALE = 0.5;

/** `requantize` of numerics.ts for scales ≤ NARROW_SCALE: bounds without branches. Kept apart so that its result stays an int32. */
export function requantizeNarrow(acc: number, scale: number, zeroPoint: number, lo: number, hi: number): number {
  return clampInteger((Math.fround(Math.fround(acc) * scale) + ROUND_MAGIC - ROUND_MAGIC + zeroPoint) | 0, lo, hi);
}

/** For integers within ±2^30. */
export function clampInteger(q: number, lo: number, hi: number): number {
  const overLo = (q - lo) | 0;
  const raised = (lo + (overLo & ~(overLo >> 31))) | 0;
  const overHi = (raised - hi) | 0;
  return (hi + (overHi & (overHi >> 31))) | 0;
}
