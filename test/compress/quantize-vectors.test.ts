/** What other toolkits make of the same numbers: TFLite's fixed-point requantization, TensorFlow's fake quantization, ONNX Runtime's ranges. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fakeQuantGradient, fakeQuantGrid, fakeQuantize } from "../../src/compress/quantize/fake-quant.ts";
import { fixedPoint, multiplyDoubleRounding, multiplySingleRounding } from "../../src/graph/fixed-point.ts";
import {
  INT8_FORM,
  activationParams,
  asymmetricParams,
  perTensorQuant,
  quantizeConstant,
  symmetricParams,
} from "../../src/compress/quantize/params.ts";
import { UsageError } from "../../src/errors.ts";
import { requantize, roundHalfEven } from "../../src/graph/numerics.ts";

describe("TFLite's fixed-point requantization", () => {
  it.each([
    [0.0003, 1319413953, -11],
    [0.25, 1073741824, -1],
    [0.7, 1503238554, 0],
    [1.5, 1610612736, 1],
    [1, 1073741824, 1],
    [0, 0, 0],
    [2 ** -40, 0, 0],
    [1 - 2 ** -40, 1073741824, 1],
  ])("%f is %i × 2^(%i - 31)", (real, multiplier, shift) => {
    expect(fixedPoint(real)).toEqual({ multiplier, shift });
  });

  it.each([
    [0.0003, 5000, 2, 1],
    [0.0003, -5000, -2, -1],
    [0.0003, 1666, 1, 0],
    [0.0003, 8333, 3, 2],
    [0.25, 1, 1, 0],
    [0.25, -1, 0, 0],
    [0.25, 6, 2, 2],
    [0.25, -6, -2, -1],
    [0.25, 10, 3, 3],
    [0.25, -10, -3, -2],
  ])("%f × %i: %i rounded twice, %i once", (real, acc, double, single) => {
    expect(multiplyDoubleRounding(acc, fixedPoint(real))).toBe(double);
    expect(multiplySingleRounding(acc, fixedPoint(real))).toBe(single);
  });

  it("differs by at most one from the float32 rule that the engines follow", () => {
    const accumulator = fc.integer({ min: -(2 ** 23), max: 2 ** 23 });
    fc.assert(
      fc.property(accumulator, fc.double({ min: 1e-6, max: 1e-3, noNaN: true }), (acc, real) => {
        const ours = requantize(acc, Math.fround(real), 0, -(2 ** 31), 2 ** 31 - 1);
        for (const other of [multiplyDoubleRounding, multiplySingleRounding]) {
          expect(Math.abs(other(acc, fixedPoint(real)) - ours)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("saturates, and rejects what is no scale", () => {
    expect(multiplySingleRounding(2 ** 31 - 1, fixedPoint(4))).toBe(2 ** 31 - 1);
    expect(multiplySingleRounding(-(2 ** 31), fixedPoint(4))).toBe(-(2 ** 31));
    for (const bad of [-1, Number.NaN, Infinity]) expect(() => fixedPoint(bad)).toThrow(UsageError);
  });
});

describe("TensorFlow's fake quantization", () => {
  it.each([
    [-1, 3, false, 0.0156862745, 64, -1.00392157, 2.99607843],
    [-0.1, 6, false, 0.0239215686, 4, -0.0956862745, 6.0043137],
    [-6, 6, true, 0.0472440945, 128, -6, 6],
  ])("nudges [%f, %f], narrow %s", (min, max, narrow, scale, zeroPoint, low, high) => {
    const grid = fakeQuantGrid({ min, max }, { narrow });
    expect(grid.zeroPoint).toBe(zeroPoint);
    expect(grid.scale).toBeCloseTo(scale, 9);
    expect(grid.min).toBeCloseTo(low, 7);
    expect(grid.max).toBeCloseTo(high, 6);
  });

  it("keeps zero, goes to the nearest step, and passes gradients inside the range only", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -10, max: 0, noNaN: true }),
        fc.double({ min: 0.01, max: 10, noNaN: true }),
        fc.double({ min: -12, max: 12, noNaN: true }),
        (min, max, x) => {
          const grid = fakeQuantGrid({ min, max });
          expect(Math.abs(fakeQuantize(0, grid))).toBeLessThan(1e-12);
          const y = fakeQuantize(x, grid);
          const inside = x >= grid.min && x <= grid.max;
          expect(fakeQuantGradient(x, grid)).toBe(inside ? "value" : x < grid.min ? "min" : "max");
          if (inside) expect(Math.abs(y - x)).toBeLessThanOrEqual(grid.scale / 2 + 1e-12);
          else expect(y).toBeCloseTo(x < grid.min ? grid.min : grid.max, 9);
        },
      ),
    );
    expect(() => fakeQuantGrid({ min: 1, max: 3 })).toThrow("range: got 1..3, expected one with 0 inside");
    expect(() => fakeQuantGrid({ min: 0, max: 0 })).toThrow(UsageError);
    expect(() => fakeQuantGrid({ min: -1, max: 1 }, { bits: 1 })).toThrow("bits: got 1, expected 2..16");
  });
});

describe("ONNX Runtime's ranges", () => {
  it("share one scale per tensor where it is asked for", () => {
    const { scale, zeroPoint } = symmetricParams({ min: -1, max: 0.5 });
    expect([scale, zeroPoint]).toEqual([1 / 127, 0]);
    expect([0.02, 0.01, -0.03].map((w) => roundHalfEven(w / scale))).toEqual([3, 1, -4]);
  });

  it.each([
    ["int8", -128, 127, 3 / 255, -128],
    ["uint8", 0, 255, 3 / 255, 0],
    ["int16", -32768, 32767, 3 / 65535, -32768],
    ["int4", -8, 7, 3 / 15, -8],
    ["uint4", 0, 15, 3 / 15, 0],
    ["int8 reduced", -64, 64, 3 / 128, -64],
    ["uint8 reduced", 0, 127, 3 / 127, 0],
    ["int4 reduced", -4, 3, 3 / 7, -4],
  ])("%s holds zero in the range [1, 3]", (_, qmin, qmax, scale, zeroPoint) => {
    expect(asymmetricParams({ min: 1, max: 3 }, qmin, qmax)).toEqual({ scale, zeroPoint });
  });

  it("gives a range below the smallest float scale 1", () => {
    expect(asymmetricParams({ min: 0, max: 1e-40 })).toEqual({ scale: 1, zeroPoint: 0 });
    expect(symmetricParams({ min: -1e-40, max: 0 })).toEqual({ scale: 1, zeroPoint: 0 });
  });
});

describe("rules that make a range a grid", () => {
  it("take onnxruntime's asymmetric vectors", () => {
    const params = activationParams({ min: -1, max: 3 }, "ort");
    expect(params.scale).toBeCloseTo(0.0156862745, 10);
    expect(params.zeroPoint).toBe(-64);
    expect([...quantizeConstant([-1, 0, 0.5, 3, 5], perTensorQuant(params), INT8_FORM)]).toEqual([-128, -64, -32, 127, 127]);
    expect(activationParams({ min: 1, max: 3 }, "ort")).toEqual({ scale: 3 / 255, zeroPoint: -128 });
  });

  it.each([
    [-1, 3, 64],
    [-0.1, 6, 4],
    [0, 6, 0],
    [1, 3, 0],
    [-3, -1, 255],
    [-6, 6, 128],
  ])("nudge [%f, %f] as TensorFlow does: code %i", (min, max, code) => {
    const { scale, zeroPoint } = activationParams({ min, max }, "tflite");
    expect(zeroPoint).toBe(code - 128);
    expect(scale).toBe((Math.max(max, 0) - Math.min(min, 0)) / 255);
    if (min <= 0 && max >= 0) expect(fakeQuantGrid({ min, max })).toMatchObject({ scale, zeroPoint: code });
  });

  it("differ where a zero point is a tie", () => {
    expect(activationParams({ min: -0.5, max: 254.5 }, "ort")).toEqual({ scale: 1, zeroPoint: -128 });
    expect(activationParams({ min: -0.5, max: 254.5 }, "tflite")).toEqual({ scale: 1, zeroPoint: -127 });
  });

  it("put zero in the middle of a symmetric grid", () => {
    expect(activationParams({ min: -1, max: 3 }, "symmetric")).toEqual({ scale: 3 / 127, zeroPoint: 0 });
    expect(symmetricParams({ min: -1, max: 3 }, -32767, 32767)).toEqual({ scale: 6 / 65534, zeroPoint: 0 });
    for (const rule of ["ort", "tflite", "symmetric"] as const)
      expect(activationParams({ min: 0, max: 0 }, rule)).toEqual({ scale: 1, zeroPoint: 0 });
  });
});
