/** Where a measured curve falls through 1 for good: from which share of zeros on a sparse kernel beats the dense one. */

export interface CurvePoint {
  readonly x: number;
  /** Time relative to what it is compared with: above 1 is a loss. */
  readonly ratio: number;
}

export type Crossing =
  /** The ratio is above 1 just below `x` and at most 1 at every point beyond. */
  | { readonly relation: "at"; readonly x: number }
  /** At most 1 from the lowest point on, which is `x`. */
  | { readonly relation: "below"; readonly x: number }
  /** Still above 1 at the highest point, which is `x`. */
  | { readonly relation: "above"; readonly x: number };

/**
 * Linear between points, which is right for a time that is a constant plus a cost for each non-zero. Where noise makes a curve cross more
 * than once, the last crossing counts. Undefined without points.
 */
export function lastCrossing(points: readonly CurvePoint[]): Crossing | undefined {
  const curve = [...points].sort((a, b) => a.x - b.x);
  const [first] = curve;
  const last = curve.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const at = curve.findLastIndex(({ ratio }) => ratio > 1);
  const lossy = curve[at];
  const paying = curve[at + 1];
  if (lossy === undefined) return { relation: "below", x: first.x };
  if (paying === undefined) return { relation: "above", x: last.x };
  return { relation: "at", x: lossy.x + ((lossy.ratio - 1) / (lossy.ratio - paying.ratio)) * (paying.x - lossy.x) };
}
