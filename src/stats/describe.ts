/** Location and spread of a sample. Inputs are never changed, and never empty where a number comes back. */
import { invariant } from "../errors.ts";

/** Ascending copy. */
export function sorted(samples: ArrayLike<number>): Float64Array {
  return Float64Array.from(samples).sort();
}

export function median(samples: ArrayLike<number>): number {
  return medianOfSorted(sorted(samples));
}

export function medianOfSorted(values: ArrayLike<number>): number {
  invariant(values.length > 0, "median of no samples");
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2;
}

export function mean(samples: ArrayLike<number>): number {
  invariant(samples.length > 0, "mean of no samples");
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += samples[i]!;
  return sum / samples.length;
}

/** Standard deviation with n - 1; undefined below two samples. */
export function standardDeviation(samples: ArrayLike<number>): number | undefined {
  if (samples.length < 2) return undefined;
  const center = mean(samples);
  let squares = 0;
  for (let i = 0; i < samples.length; i++) squares += (samples[i]! - center) ** 2;
  return Math.sqrt(squares / (samples.length - 1));
}

/** Median absolute deviation from the median, unscaled (× 1.4826 estimates a normal's standard deviation). */
export function medianAbsoluteDeviation(samples: ArrayLike<number>): number {
  const center = median(samples);
  return median(Float64Array.from(samples, (x) => Math.abs(x - center)));
}

/** Linear interpolation between order statistics (R's type 7): for describing a sample, not for tail claims (see `tail.ts`). */
export function quantileOfSorted(values: ArrayLike<number>, p: number): number {
  invariant(values.length > 0 && p >= 0 && p <= 1, "quantile of no samples or outside 0..1");
  const at = (values.length - 1) * p;
  const low = Math.floor(at);
  const a = values[low]!;
  const b = values[Math.min(low + 1, values.length - 1)]!;
  return a + (b - a) * (at - low);
}
