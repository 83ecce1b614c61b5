/** Fixed-point requantization as engines compute it, against the definition in whole numbers of any size. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  fixedPoint,
  fixedScales,
  multiplyDoubleRounding,
  multiplySingleRounding,
  requantizeFixed,
  scaleWords,
} from "../../src/graph/fixed-point.ts";
import { requantize } from "../../src/graph/numerics.ts";
import type { Quantization, Rounding } from "../../src/graph/ir.ts";

const DEFINITIONS = { double: multiplyDoubleRounding, single: multiplySingleRounding } as const;
const ROUNDINGS: readonly Rounding[] = ["double", "single"];
const INT32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };

/** Accumulators of all sizes, with those at which something changes. */
const accumulator = fc.oneof(
  fc.integer(INT32),
  fc.integer({ min: -70_000, max: 70_000 }),
  fc
    .integer({ min: 0, max: 30 })
    .chain((bit) => fc.constantFrom(2 ** bit - 1, 2 ** bit, 2 ** bit + 1, -(2 ** bit) - 1, -(2 ** bit), 1 - 2 ** bit)),
  fc.constantFrom(INT32.min, INT32.max),
);
/** Scales of all sizes; powers of two make ties. */
const scale = fc.oneof(
  fc.integer({ min: -34, max: 20 }).map((power) => 2 ** power),
  fc.double({ min: 2 ** -34, max: 2 ** 20, noNaN: true }),
  fc.double({ min: 1e-5, max: 1, noNaN: true }),
);

const perTensor = (value: number): Quantization => ({ scales: Float32Array.of(value), zeroPoints: Int32Array.of(0) });

describe("requantizeFixed", () => {
  it.each(ROUNDINGS)("%s: is the definition, for every sum and scale", (rounding) => {
    fc.assert(
      fc.property(accumulator, scale, fc.integer({ min: -128, max: 127 }), (acc, real, zeroPoint) => {
        const { multiplier, shift } = fixedPoint(real);
        const exact = DEFINITIONS[rounding](acc, { multiplier, shift }) + zeroPoint;
        const got = requantizeFixed(acc, multiplier, Math.min(shift, 14), rounding, zeroPoint, -128, 127);
        expect(got).toBe(Math.min(Math.max(exact, -128), 127));
      }),
      { numRuns: 4000, seed: 5 },
    );
  });

  it("tells the three ways apart where a sum is a tie", () => {
    const ways = (acc: number): number[] => [
      requantize(acc, 0.25, 0, -128, 127),
      requantizeFixed(acc, 2 ** 30, -1, "double", 0, -128, 127),
      requantizeFixed(acc, 2 ** 30, -1, "single", 0, -128, 127),
    ];
    expect([1, 2, 6, 10].map(ways)).toEqual([
      [0, 1, 0],
      [0, 1, 1],
      [2, 2, 2],
      [2, 3, 3],
    ]);
    expect([-1, -2, -6, -10].map((acc) => ways(acc).map((q) => q + 0))).toEqual([
      [0, 0, 0],
      [0, -1, 0],
      [-2, -2, -1],
      [-2, -3, -2],
    ]);
  });
});

describe("fixedScales", () => {
  it("multiplies scales in float64, or in float32 where TFLite has one multiplier for a layer", () => {
    const [x, w, y] = [perTensor(0.1), perTensor(0.3), perTensor(0.7)];
    const [a, b, c] = [Math.fround(0.1), Math.fround(0.3), Math.fround(0.7)];
    const exact = fixedScales("double", x, w, y, 2, false);
    expect([...exact.multipliers]).toEqual(new Array(2).fill(fixedPoint((a * b) / c).multiplier));
    const single = fixedScales("double", x, w, y, 2, true);
    expect([...single.multipliers]).toEqual(new Array(2).fill(fixedPoint(Math.fround(a * b) / c).multiplier));
    expect(single.multipliers[0]).not.toBe(exact.multipliers[0]);
  });

  it("has one of each for a channel, and no shift to the left that a byte cannot feel", () => {
    const w: Quantization = { scales: Float32Array.of(2 ** -3, 2 ** 25), zeroPoints: new Int32Array(2), axis: 0 };
    const scales = fixedScales("single", perTensor(1), w, perTensor(1), 2, false);
    expect(scales).toEqual({ rounding: "single", multipliers: Int32Array.of(2 ** 30, 2 ** 30), shifts: Int32Array.of(-2, 14) });
    const { count, words } = scaleWords({ scales: new Float32Array(2), fixed: scales });
    expect([count, words(1)]).toEqual([2, [2 ** 30, 14]]);
  });

  it("gives float32 scales as their bits otherwise", () => {
    const { count, words } = scaleWords({ scales: Float32Array.of(3, 1) });
    expect([count, words(1)]).toEqual([1, [0x3f800000]]);
  });
});
