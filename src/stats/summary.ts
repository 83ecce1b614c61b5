/** Everything that a record says about a list of times. */
import { mean, medianAbsoluteDeviation, medianOfSorted, sorted, standardDeviation } from "./describe.ts";
import { medianInterval } from "./interval.ts";
import { tailPercentile } from "./tail.ts";

export interface Summary {
  readonly samples: readonly number[];
  readonly n: number;
  readonly median: number;
  readonly ci95?: readonly [number, number];
  readonly mean: number;
  readonly sd?: number;
  readonly mad: number;
  readonly min: number;
  readonly max: number;
  readonly p90?: number;
  readonly p99?: number;
}

/** @param samples at least one; what too few of them do not support is left out */
export function summarize(samples: readonly number[]): Summary {
  const values = sorted(samples);
  const interval = medianInterval(samples);
  const sd = standardDeviation(samples);
  const p90 = tailPercentile(samples, 0.9);
  const p99 = tailPercentile(samples, 0.99);
  return {
    samples,
    n: samples.length,
    median: medianOfSorted(values),
    ...(interval && { ci95: [interval.low, interval.high] as const }),
    mean: mean(samples),
    ...(sd !== undefined && { sd }),
    mad: medianAbsoluteDeviation(samples),
    min: values[0]!,
    max: values.at(-1)!,
    ...(p90 !== undefined && { p90 }),
    ...(p99 !== undefined && { p99 }),
  };
}
