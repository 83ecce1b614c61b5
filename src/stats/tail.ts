/**
 * Tail percentiles by MLPerf LoadGen's early stopping rule: with t of q samples above a candidate, the p-th percentile may be claimed
 * when P[at most t of q exceed it | true rate 1-p] ≤ 1 - 0.99. The estimate is then the slowest sample left after dropping the t-1
 * slowest. A percentile that the sample cannot support is not given at all.
 */
import { binomialCdf } from "./binomial.ts";
import { sorted } from "./describe.ts";

const CONFIDENCE = 0.99;

function supported(p: number, t: number, n: number): boolean {
  return binomialCdf(t, n, 1 - p) <= 1 - CONFIDENCE;
}

/** Samples that allow `t` over-latency ones at percentile p. */
export function leastSamples(p: number, t: number): number {
  let low = t;
  let high = Math.ceil((t + 10) / (1 - p));
  while (!supported(p, t, high)) high *= 2;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (supported(p, t, middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** The largest number of over-latency samples that n allow at percentile p; -1 when not even none suffice. */
export function mostOverLatency(p: number, n: number): number {
  if (!supported(p, 0, n)) return -1;
  let low = 0;
  let high = n;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (supported(p, middle, n)) low = middle;
    else high = middle;
  }
  return low;
}

/** Conservative estimate of percentile p (0.9, 0.99, …), or undefined below `leastSamples(p, 1)` samples. */
export function tailPercentile(samples: ArrayLike<number>, p: number): number | undefined {
  const t = mostOverLatency(p, samples.length);
  return t < 1 ? undefined : sorted(samples)[samples.length - t];
}
