/** Least squares against hand-checked lines. */
import { describe, expect, it } from "vitest";
import { fitLine } from "../../src/stats/line.ts";

describe("fitLine", () => {
  it("finds a line that points lie on", () => {
    const { intercept, slope } = fitLine([0, 1, 2, 4, 8].map((x) => [x, 3 + 0.5 * x] as const));
    expect(intercept).toBeCloseTo(3, 12);
    expect(slope).toBeCloseTo(0.5, 12);
  });

  it("minimizes squares", () => {
    // By hand: mean x 1, mean y 2; covariance 3, variance 2.
    expect(
      fitLine([
        [0, 1],
        [1, 1],
        [2, 4],
      ]),
    ).toEqual({ intercept: 0.5, slope: 1.5 });
  });

  it("needs two different x", () => {
    expect(() => fitLine([])).toThrow();
    expect(() =>
      fitLine([
        [1, 2],
        [1, 3],
      ]),
    ).toThrow(/two different x/);
  });
});
