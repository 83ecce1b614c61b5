/** A straight line through points, by least squares. */
import { invariant } from "../errors.ts";
import { mean } from "./describe.ts";

export interface Line {
  readonly intercept: number;
  readonly slope: number;
}

/** Minimizes Σ (y - intercept - slope · x)². @param points of at least two different x */
export function fitLine(points: readonly (readonly [x: number, y: number])[]): Line {
  const centre = mean(points.map(([x]) => x));
  const level = mean(points.map(([, y]) => y));
  let covariance = 0;
  let variance = 0;
  for (const [x, y] of points) {
    covariance += (x - centre) * (y - level);
    variance += (x - centre) ** 2;
  }
  invariant(variance > 0, "a line needs two different x");
  const slope = covariance / variance;
  return { intercept: level - slope * centre, slope };
}
