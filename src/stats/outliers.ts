/** Tukey's fences: classification only. Outliers are counted and shown, never dropped: a slow run is a run that a user waits for. */
import { quantileOfSorted, sorted } from "./describe.ts";

export interface Outliers {
  /** Between 1.5 and 3 interquartile ranges outside the quartiles. */
  readonly mild: number;
  /** Beyond 3. */
  readonly severe: number;
}

export function classifyOutliers(samples: ArrayLike<number>): Outliers {
  if (samples.length === 0) return { mild: 0, severe: 0 };
  const values = sorted(samples);
  const q1 = quantileOfSorted(values, 0.25);
  const q3 = quantileOfSorted(values, 0.75);
  const iqr = q3 - q1;
  let mild = 0;
  let severe = 0;
  for (const x of values) {
    const out = Math.max(q1 - x, x - q3);
    if (out > 3 * iqr) severe++;
    else if (out > 1.5 * iqr) mild++;
  }
  return { mild, severe };
}
