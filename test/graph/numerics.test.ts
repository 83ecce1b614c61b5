/** The shared integer arithmetic against hand-computed values and exact rational arithmetic. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  SOFTMAX_BITS,
  addParams,
  inverseScale,
  quantizeValue,
  quantizedClamp,
  requantizationScales,
  requantize,
  roundHalfEven,
  softmaxTable,
  unaryTable,
  unaryValue,
} from "../../src/graph/numerics.ts";
import { NARROW_SCALE, clampInteger, clampValue, finishValue, largerOf, requantizeNarrow } from "../../src/engines/cpu/kernels/finish.ts";
import type { Quantization, UnaryFn } from "../../src/graph/ir.ts";
import { roundEven } from "../naive/tensor.ts";

const grid = (scale: number, zeroPoint = 0): Quantization => ({ scales: Float32Array.of(scale), zeroPoints: Int32Array.of(zeroPoint) });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const smallScale = fc.float({ min: Math.fround(1e-8), max: NARROW_SCALE, noNaN: true });
const anyFloat = fc.float({ noNaN: false });

describe("rounding", () => {
  it("takes the even neighbour at ties", () => {
    expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5].map(roundHalfEven)).toEqual([-2, -2, 0, 0, 2, 2, 4].map((v) => v + 0));
  });

  it("takes the nearest elsewhere", () => {
    fc.assert(fc.property(fc.double({ min: -(2 ** 40), max: 2 ** 40, noNaN: true }), (x) => roundHalfEven(x) === roundEven(x)));
  });
});

describe("quantization", () => {
  // Ranges and codes of ONNX Runtime's asymmetric int8 on [-1, 3] and symmetric uint8 on [-1, 3].
  it("int8 of range [-1, 3]: scale 4/255, zero point -64", () => {
    const inverse = inverseScale(Math.fround(4 / 255));
    expect([-1, 0, 0.5, 3, 5].map((x) => quantizeValue(x, inverse, -64, -128, 127))).toEqual([-128, -64, -32, 127, 127]);
  });

  it("uint8 symmetric on [-3, 3]: scale 6/254, zero point 127", () => {
    const inverse = inverseScale(Math.fround(6 / 254));
    expect([-3, 0, 3, 4].map((x) => quantizeValue(x, inverse, 127, 0, 255))).toEqual([0, 127, 254, 255]);
  });

  it("per-channel weights: 63.5 steps go to 64, 31.75 to 32, 42.33 to 42", () => {
    const inverse = inverseScale(Math.fround(1 / 127));
    const second = inverseScale(Math.fround(0.03 / 127));
    expect([0.5, -1, 0.25].map((x) => quantizeValue(x, inverse, 0, -127, 127))).toEqual([64, -127, 32]);
    expect([0.02, 0.01, -0.03].map((x) => quantizeValue(x, second, 0, -127, 127))).toEqual([85, 42, -127]);
  });
});

describe("requantization", () => {
  it("rounds the scaled accumulator half to even, adds the zero point and clamps", () => {
    const quarter = [1, -1, 6, -6, 10, -10].map((acc) => requantize(acc, 0.25, 0, -128, 127));
    expect(quarter).toEqual([0, 0, 2, -2, 2, -2].map((v) => v + 0));
    expect(requantize(2 ** 31 - 1, 0.5, 0, -128, 127)).toBe(127);
    expect(requantize(100, 1, -100, -128, 127)).toBe(0);
  });

  it("scales by fround(fround(s_in × s_w) / s_out), per tensor and per axis", () => {
    const perAxis = { scales: Float32Array.of(0.1, 0.2), zeroPoints: new Int32Array(2), axis: 0 };
    const f = Math.fround;
    expect([...requantizationScales(grid(0.3), perAxis, grid(0.7), 2)]).toEqual([
      f(f(f(0.3) * f(0.1)) / f(0.7)),
      f(f(f(0.3) * f(0.2)) / f(0.7)),
    ]);
    expect([...requantizationScales(grid(0.5), grid(0.5), grid(0.25), 3)]).toEqual([1, 1, 1]);
  });

  it("without branches is the same to the bit", () => {
    fc.assert(
      fc.property(int32, smallScale, fc.integer({ min: -128, max: 127 }), (acc, scale, zeroPoint) => {
        for (const [lo, hi] of [
          [-128, 127],
          [-10, 20],
          [zeroPoint, 127],
        ] as const) {
          expect(requantizeNarrow(acc, scale, zeroPoint, lo, hi)).toBe(requantize(acc, scale, zeroPoint, lo, hi) + 0);
        }
      }),
    );
    for (const acc of [2 ** 31 - 1, -(2 ** 31)]) {
      expect(requantizeNarrow(acc, NARROW_SCALE, 255, 0, 255)).toBe(requantize(acc, NARROW_SCALE, 255, 0, 255));
    }
  });
});

describe("clamps without branches", () => {
  it("equal the plain ones", () => {
    fc.assert(
      fc.property(anyFloat, fc.constantFrom(0, -1, -Infinity, 0.5), fc.constantFrom(6, 1, Infinity), (v, lo, hi) => {
        const plain = v < lo ? lo : v > hi ? hi : v;
        expect(clampValue(v, lo, hi) + 0).toBe(plain + 0);
        expect(finishValue(v, lo, hi, false) + 0).toBe(plain + 0);
      }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: -(2 ** 30), max: 2 ** 30 }),
        fc.integer({ min: -128, max: 0 }),
        fc.integer({ min: 1, max: 255 }),
        (q, lo, hi) => {
          expect(clampInteger(q, lo, hi)).toBe(Math.min(Math.max(q, lo), hi));
        },
      ),
    );
  });

  it("the larger of two floats", () => {
    fc.assert(
      fc.property(anyFloat, anyFloat, (acc, v) => {
        expect(largerOf(acc, v) + 0).toBe((v > acc ? v : acc) + 0);
      }),
    );
  });
});

describe("addition", () => {
  it("has a 21-bit larger multiplier and a half-unit bias", () => {
    expect(addParams(grid(1), grid(0.5), grid(1), 1)).toEqual({ multA: 2 ** 20, multB: 2 ** 19, bias: 2 ** 19, shift: 20, zeroPoint: 0 });
    expect(addParams(grid(1, 3), grid(1, 5), grid(2, 7), -1)).toEqual({
      multA: 2 ** 20,
      multB: -(2 ** 20),
      bias: 2 ** 20 - 3 * 2 ** 20 + 5 * 2 ** 20,
      shift: 21,
      zeroPoint: 7,
    });
  });

  it("stays inside int32 at the extremes of every accepted ratio", () => {
    for (let exponent = -10; exponent <= 7; exponent++) {
      for (const fraction of [1, 1.5, 2 - 2 ** -23]) {
        for (const zeroPoint of [-128, 0, 127]) {
          const scale = fraction * 2 ** exponent;
          for (const sign of [1, -1] as const) {
            const p = addParams(grid(scale, zeroPoint), grid(scale, zeroPoint), grid(1), sign)!;
            for (const a of [-128, 127]) {
              for (const b of [-128, 127]) {
                const sum = p.bias + a * p.multA + b * p.multB;
                expect(Math.abs(sum)).toBeLessThan(2 ** 31);
                expect(p.shift).toBeLessThanOrEqual(30);
              }
            }
          }
        }
      }
    }
  });

  it("refuses ratios that 20 bits do not carry", () => {
    expect(addParams(grid(256), grid(1), grid(1), 1)).toBeUndefined();
    expect(addParams(grid(2 ** -11), grid(2 ** -11), grid(1), 1)).toBeUndefined();
    expect(addParams(grid(255), grid(1), grid(1), 1)).toBeDefined();
  });

  it("is within one step of the real sum", () => {
    const scale = fc.float({ min: Math.fround(0.01), max: Math.fround(10), noNaN: true });
    const byte = fc.integer({ min: -128, max: 127 });
    fc.assert(
      fc.property(scale, scale, scale, byte, byte, (sa, sb, so, a, b) => {
        const p = addParams(grid(sa), grid(sb), grid(so), 1);
        if (p === undefined) return;
        const q = (p.bias + a * p.multA + b * p.multB) >> p.shift;
        expect(Math.abs(q - (a * sa + b * sb) / so)).toBeLessThanOrEqual(0.5 + 0.01);
      }),
    );
  });
});

describe("tables", () => {
  it("clamp an activation to the output grid", () => {
    expect(quantizedClamp({ kind: "clamp", min: 0, max: 6 }, grid(0.5, -10), "int8")).toEqual([-10, 2]);
    expect(quantizedClamp({ kind: "clamp", min: 0, max: Infinity }, grid(0.5, -10), "int8")).toEqual([-10, 127]);
    expect(quantizedClamp(undefined, grid(1), "uint8")).toEqual([0, 255]);
  });

  it("index by the byte, signed or not", () => {
    const signed = unaryTable({ fn: "neg" }, grid(1), "int8", grid(1), "int8");
    expect([signed[0], signed[1], signed[127], signed[128], signed[255]]).toEqual([0, -1, -127, 127, 1]);
    const unsigned = unaryTable({ fn: "relu" }, grid(1, 128), "uint8", grid(1, 0), "uint8");
    expect([unsigned[0], unsigned[128], unsigned[255]]).toEqual([0, 0, 127]);
  });

  it("hold softmax exponentials whose sums fit in uint32 for 4,095 equal classes", () => {
    const table = softmaxTable(grid(Math.fround(Math.log(2))), 1);
    expect([table[0], table[1], table[20]]).toEqual([2 ** SOFTMAX_BITS, 2 ** (SOFTMAX_BITS - 1), 1]);
    expect(4095 * table[0]!).toBeLessThan(2 ** 32);
    expect(table[0]! * 256 + Math.floor((4095 * table[0]!) / 2)).toBeLessThan(2 ** 32);
  });
});

describe("unary values", () => {
  it("are what the functions are", () => {
    const at = (fn: UnaryFn, x: number): number => unaryValue({ fn }, x);
    expect(at("erf", 0.5)).toBeCloseTo(0.5204998778130465, 14);
    expect(at("erf", 2.6)).toBeCloseTo(0.9997639655834707, 14);
    expect(at("erf", -1)).toBeCloseTo(-0.8427007929497149, 14);
    expect(at("hardswish", 1.5)).toBe(1.125);
    expect(at("sigmoid", 0)).toBe(0.5);
    expect(unaryValue({ fn: "leakyrelu", alpha: 0.25 }, -4)).toBe(-1);
  });
});
