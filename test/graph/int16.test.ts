/** The rules of int16 activations against exact arithmetic, and what layers are refused for. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, NodeWith, Quantization } from "../../src/graph/ir.ts";
import {
  INT16_BIAS_LIMIT,
  INT16_UNIT_SCALE,
  MOST_INT16_CLASSES,
  MOST_INT16_PRODUCTS,
  int16Layer,
  int16SoftmaxTables,
  int16Table,
} from "../../src/graph/int16.ts";
import { addParams, requantize } from "../../src/graph/numerics.ts";

const grid = (scale: number, zeroPoint = 0): Quantization => ({ scales: Float32Array.of(scale), zeroPoints: Int32Array.of(zeroPoint) });
const code = fc.integer({ min: -32768, max: 32767 });

describe("sums", () => {
  it("err by 2^-8 of a step at most beyond rounding to the nearest", () => {
    const acc = fc.integer({ min: -(2 ** 39), max: 2 ** 39 });
    const result = fc.double({ min: -32767, max: 32767, noNaN: true });
    fc.assert(
      fc.property(acc, result, (sum, target) => {
        const scale = Math.fround(Math.abs(target) / Math.max(1, Math.abs(sum)));
        fc.pre(scale > 2 ** -60);
        const exact = sum * scale;
        fc.pre(Math.abs(exact) <= 32767);
        expect(Math.abs(requantize(sum, scale, 0, -32768, 32767) - exact)).toBeLessThanOrEqual(0.5 + 2 ** -8);
      }),
      { numRuns: 2000 },
    );
  });

  it("split into high and low bytes stay inside int32, with the largest bias", () => {
    const [high, low] = [2 ** 7 * 2 ** 7 * MOST_INT16_PRODUCTS, 255 * 2 ** 7 * MOST_INT16_PRODUCTS + 255];
    expect(low).toBeLessThan(2 ** 31);
    expect(high + INT16_BIAS_LIMIT / 256 + low / 256).toBeLessThan(2 ** 31);
  });
});

describe("addition", () => {
  it("in halves of 32 bits is the exact shifted sum", () => {
    const scale = fc.float({ min: Math.fround(1e-5), max: 1, noNaN: true });
    fc.assert(
      fc.property(code, code, scale, scale, scale, fc.constantFrom(1 as const, -1 as const), (a, b, sa, sb, so, sign) => {
        const params = addParams(grid(sa), grid(sb), grid(so), sign);
        fc.pre(params !== undefined);
        const { multA, multB, bias, shift } = params;
        const low = (Math.imul(a & 255, multA) + Math.imul(b & 255, multB)) | 0;
        const high = (Math.imul(a >> 8, multA) + Math.imul(b >> 8, multB)) | 0;
        const halves = ((high + bias / 256 + (low >> 8)) | 0) >> (shift - 8);
        const exact = (BigInt(a) * BigInt(multA) + BigInt(b) * BigInt(multB) + BigInt(bias)) >> BigInt(shift);
        expect(BigInt(halves)).toBe(exact);
      }),
      { numRuns: 5000 },
    );
  });
});

describe("tables", () => {
  it("round every code to the nearest", () => {
    const table = int16Table({ fn: "tanh" }, grid(0.0002), grid(INT16_UNIT_SCALE));
    for (const q of [-32768, -1000, -1, 0, 1, 77, 32767])
      expect(Math.abs(table[q & 65535]! - Math.tanh(q * Math.fround(0.0002)) * 2 ** 15)).toBeLessThanOrEqual(q === 32767 ? 1 : 0.5);
  });

  it("of softmax multiply to exponentials within 2^-16, whose sums stay within 2^31", () => {
    const { coarse, fine } = int16SoftmaxTables(grid(0.0003), 1);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 65535 }), (d) => {
        const e = (coarse[d >> 8]! * fine[d & 255]!) >>> 11;
        expect(Math.abs(e / 2 ** 20 - Math.exp(-d * Math.fround(0.0003)))).toBeLessThan(2 ** -15);
      }),
    );
    expect(MOST_INT16_CLASSES * ((coarse[0]! * fine[0]!) >>> 11)).toBe(2 ** 31);
  });
});

describe("layers", () => {
  interface Spec {
    readonly x?: Quantization;
    readonly bias?: number;
    readonly k?: number;
    readonly zero?: number;
  }
  function layer({ x = grid(1), bias = 0, k = 2, zero = 0 }: Spec): ReturnType<typeof int16Layer> {
    const b = new GraphBuilder("layer");
    const input = b.input("x", "int16", [1, k], x);
    const w = b.constant("w", "int8", [1, k], new Int8Array(k), { quant: grid(1, zero) });
    const y = b.add(
      "Dense",
      "fc",
      [input, w, b.constant("b", "int64", [1], Float64Array.of(bias))],
      {},
      { dtype: "int16", quant: grid(1) },
    );
    const graph: Graph = b.finish([y]);
    return int16Layer(graph, graph.nodes[0] as NodeWith<"Dense">);
  }

  it.each([
    [{ x: grid(1, 3) }, /int16 to int16, expected int16 to int16 with one scale and zero point 0/],
    [{ bias: 2 ** 37 + 1 }, /a bias beyond 2\^37 steps/],
    [{ k: 65537 }, /sums of 65537 products under int16 activations, expected at most 65536/],
    [{ zero: 1 }, /weights of type int8 under int16 activations, expected an int8 constant with scales and zero point 0/],
  ] as const)("%j is refused", (spec, message) => {
    expect(layer(spec)).toMatch(message);
  });

  it("at the limits are taken", () => {
    expect(layer({ bias: -INT16_BIAS_LIMIT, k: 65536 })).toMatchObject({ hasBias: true, lo: -32768, hi: 32767 });
  });
});
