/** Ratios of measured quantities and their means. */
import { invariant } from "../errors.ts";

export interface Ratio {
  readonly value: number;
  /** Standard uncertainty; absent where one of the inputs has none. */
  readonly sd?: number;
}

export interface Measured {
  readonly value: number;
  readonly sd?: number | undefined;
}

/** a / b with first-order error propagation for independent errors: r · sqrt((σa/a)² + (σb/b)²). Undefined for b = 0. */
export function ratio(a: Measured, b: Measured): Ratio | undefined {
  if (b.value === 0) return undefined;
  const value = a.value / b.value;
  if (a.sd === undefined || b.sd === undefined || a.value === 0) return { value };
  return { value, sd: Math.abs(value) * Math.hypot(a.sd / a.value, b.sd / b.value) };
}

/** For ratios within one metric and one target only; never across metrics. */
export function geometricMean(ratios: readonly number[]): number {
  invariant(ratios.length > 0 && ratios.every((r) => r > 0), "geometric mean needs positive numbers");
  return Math.exp(ratios.reduce((sum, r) => sum + Math.log(r), 0) / ratios.length);
}
