/**
 * Interval of the median from order statistics: no assumption about the distribution, which latency (skewed, often with two modes)
 * would break. For x(1) ≤ … ≤ x(n) it is [x(l), x(n+1-l)] with the largest l whose coverage Σ_{k=l}^{n-l} C(n,k)/2^n reaches the
 * confidence (David and Nagaraja, "Order Statistics", 7.1).
 */
import { binomialCdf } from "./binomial.ts";
import { medianOfSorted, sorted } from "./describe.ts";

export interface MedianInterval {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** True coverage, at least the confidence asked for. */
  readonly coverage: number;
}

/** 1-based ranks [l, n+1-l] and their coverage; undefined where even the extremes do not reach the confidence (n < 6 at 95 %). */
export function medianRanks(
  n: number,
  confidence = 0.95,
): { readonly low: number; readonly high: number; readonly coverage: number } | undefined {
  const coverage = (l: number): number => 1 - 2 * binomialCdf(l - 1, n, 0.5);
  if (n < 2 || coverage(1) < confidence) return undefined;
  let low = 1;
  let above = (n >> 1) + 1;
  while (above - low > 1) {
    const middle = (low + above) >> 1;
    if (coverage(middle) >= confidence) low = middle;
    else above = middle;
  }
  return { low, high: n + 1 - low, coverage: coverage(low) };
}

/** Undefined where the sample is too small for the confidence. */
export function medianInterval(samples: ArrayLike<number>, confidence = 0.95): MedianInterval | undefined {
  const ranks = medianRanks(samples.length, confidence);
  if (ranks === undefined) return undefined;
  const values = sorted(samples);
  return { median: medianOfSorted(values), low: values[ranks.low - 1]!, high: values[ranks.high - 1]!, coverage: ranks.coverage };
}
