import { describe, expect, it } from "vitest";
import { lastCrossing } from "../../src/stats/crossing.ts";

const curve = (...points: readonly (readonly [number, number])[]): readonly { x: number; ratio: number }[] =>
  points.map(([x, ratio]) => ({ x, ratio }));

describe("lastCrossing", () => {
  it("interpolates between a loss and a gain", () => {
    // 1.2 at 10 %, 0.8 at 30 %: half way.
    expect(lastCrossing(curve([0.1, 1.2], [0.3, 0.8], [0.5, 0.6]))).toEqual({ relation: "at", x: expect.closeTo(0.2, 12) as number });
    expect(lastCrossing(curve([0, 1.5], [1, 0.5]))).toEqual({ relation: "at", x: 0.5 });
  });

  it("takes the last crossing of a noisy curve", () => {
    expect(lastCrossing(curve([0.1, 0.9], [0.2, 1.1], [0.4, 0.9]))).toEqual({ relation: "at", x: expect.closeTo(0.3, 12) as number });
  });

  it("says when it is beyond either end", () => {
    expect(lastCrossing(curve([0.1, 0.9], [0.5, 0.4]))).toEqual({ relation: "below", x: 0.1 });
    expect(lastCrossing(curve([0.1, 3], [0.95, 1.01]))).toEqual({ relation: "above", x: 0.95 });
    expect(lastCrossing(curve([0.5, 2]))).toEqual({ relation: "above", x: 0.5 });
  });

  it("counts equal time as no loss", () => {
    expect(lastCrossing(curve([0.1, 1.5], [0.5, 1], [0.9, 0.2]))).toEqual({ relation: "at", x: 0.5 });
  });

  it("needs no order, and has nothing to say about nothing", () => {
    expect(lastCrossing(curve([1, 0.5], [0, 1.5]))).toEqual({ relation: "at", x: 0.5 });
    expect(lastCrossing([])).toBeUndefined();
  });
});
