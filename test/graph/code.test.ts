/** Compact codes: what they decode to, and that validation notices every way in which one can be wrong. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { codeBytes, decode, movedColumns, permuteCode, permuteColumns } from "../../src/graph/code.ts";
import type { DType, TypedArray } from "../../src/graph/dtype.ts";
import { fromFloat16Bits, toFloat16Bits } from "../../src/graph/float16.ts";
import type { FloatCode, Graph, Int8CodebookCode, Quantization, WeightCode } from "../../src/graph/ir.ts";
import { permuteData } from "../../src/graph/permute.ts";
import { deserializeGraph, serializeGraph } from "../../src/graph/serialize.ts";
import { validateGraph } from "../../src/graph/validate.ts";

const SHAPE = [2, 5];

function graphOf(code: WeightCode, data: TypedArray = decode(code, SHAPE)): Graph {
  const builder = new GraphBuilder("coded");
  const x = builder.input("x", "float32", [1, 5]);
  const w = builder.constant("w", "float32", SHAPE, data, { code });
  return builder.finish([builder.add("Dense", "fc", [x, w], {})]);
}

const CODEBOOK = { kind: "codebook", table: Float32Array.of(-1.5, 0, 0.25), indices: Uint8Array.of(0, 1, 2, 2, 1, 0, 0, 1, 2, 1) } as const;
const INT4 = {
  kind: "int4",
  block: 3,
  scales: Float32Array.of(0.5, 0.1, 1, 2),
  codes: Int8Array.of(-7, 3, 0, 1, 7, 2, -1, 5, -8, 4),
} as const;
const INT8 = {
  kind: "int8",
  axis: 0,
  scales: Float32Array.of(0.5, 0.1),
  codes: Int8Array.of(-127, 3, 0, 1, 7, 127, -1, 5, -128, 4),
} as const;
const FLOAT16 = { kind: "float16", bits: Uint16Array.of(0x3c00, 0xbc00, 0, 0x8000, 1, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x03ff) } as const;
const CODES: readonly FloatCode[] = [CODEBOOK, INT4, INT8, FLOAT16];

describe("decode", () => {
  it("looks a codebook up", () => {
    expect([...decode(CODEBOOK, SHAPE)]).toEqual([-1.5, 0, 0.25, 0.25, 0, -1.5, -1.5, 0, 0.25, 0]);
  });

  it("scales int4 codes block by block along each row, the last block shorter", () => {
    const expected = [-3.5, 1.5, 0, 0.1, 0.7, 2, -1, 5, -16, 8];
    expect([...decode(INT4, SHAPE)]).toEqual(expected.map(Math.fround).map((v, i) => (i === 4 ? Math.fround(7 * Math.fround(0.1)) : v)));
  });

  it("scales int8 codes channel by channel", () => {
    const tenth = Math.fround(0.1);
    expect([...decode(INT8, SHAPE)]).toEqual([-63.5, 1.5, 0, 0.5, 3.5, ...[127, -1, 5, -128, 4].map((code) => Math.fround(code * tenth))]);
    const columns = { ...INT8, axis: 1, scales: Float32Array.of(1, 2, 3, 4, 5) };
    expect([...decode(columns, SHAPE)]).toEqual([-127, 6, 0, 4, 35, 127, -2, 15, -512, 20]);
  });

  it("widens float16, special values included", () => {
    expect([...decode(FLOAT16, SHAPE)]).toEqual([1, -1, 0, -0, 2 ** -24, 65504, Infinity, -Infinity, NaN, 1023 * 2 ** -24]);
  });
});

describe("a codebook of int8 values", () => {
  const code: Int8CodebookCode = {
    kind: "int8Codebook",
    values: 3,
    table: Int8Array.of(-127, 0, 25, -63, 0, 12),
    indices: Uint8Array.of(0, 1, 2, 2, 1, 0, 0, 1, 2, 1),
  };
  const quant = (scales: readonly number[], axis?: number): Quantization => ({
    scales: Float32Array.from(scales),
    zeroPoints: new Int32Array(scales.length),
    ...(axis !== undefined && { axis }),
  });
  const graphOf = (of: Int8CodebookCode, data: TypedArray = decode(code, SHAPE), dtype: DType = "int8"): Graph => {
    const builder = new GraphBuilder("coded");
    const x = builder.input("x", "int8", [1, 5], quant([0.1]));
    const w = builder.constant("w", dtype, SHAPE, data, { code: of, quant: quant([0.01, 0.02], 0) });
    return builder.finish([builder.add("Dense", "fc", [x, w], {}, { dtype: "int8", quant: quant([0.2]) })]);
  };

  it("looks each row up in its own values, and takes half a byte an element", () => {
    expect(decode(code, SHAPE)).toEqual(Int8Array.of(-127, 0, 25, 25, 0, -63, -63, 0, 12, 0));
    expect(codeBytes(code)).toBe(6 + 5);
  });

  it("is valid and survives serialization", () => {
    const back = deserializeGraph(serializeGraph(graphOf(code)), "test");
    expect(back).toEqual(graphOf(code));
    validateGraph(back);
  });

  it("is refused when it is damaged, or stands for something else", () => {
    const other = decode(code, SHAPE);
    other[7] = 1;
    expect(() => validateGraph(graphOf(code, other))).toThrow(/^tensor "w": its compact code decodes element 7 to 0, but its data hold 1/);
    expect(() => validateGraph(graphOf({ ...code, values: 2 }))).toThrow(/6 values, expected 4/);
    expect(() => validateGraph(graphOf({ ...code, values: 17 }))).toThrow(/17 values a row, expected 1..16/);
    expect(() => validateGraph(graphOf({ ...code, indices: code.indices.map(() => 3) }))).toThrow(/index 3 at 0, expected less than 3/);
    expect(() => validateGraph(graphOf({ ...code, indices: new Uint8Array(9) }))).toThrow(/9 indices, expected 10/);
    const wide = Int16Array.from(decode(code, SHAPE));
    expect(() => validateGraph(graphOf(code, wide, "int16"))).toThrow(/stands for int8 values, but the tensor is int16/);
  });

  it("has a form for moved columns, none for a transposed matrix", () => {
    expect(permuteCode(code, SHAPE, [1, 0])).toBeUndefined();
    const columns = Int32Array.of(4, 3, 2, 1, 0);
    expect(decode(permuteColumns(code, columns)!, SHAPE)).toEqual(movedColumns(decode(code, SHAPE), columns));
  });
});

describe("float16", () => {
  it("returns every one of its 65536 values, NaNs as a NaN", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = fromFloat16Bits(bits);
      if (Number.isNaN(value)) expect(toFloat16Bits(value)).toBe(0x7e00);
      else if (toFloat16Bits(value) !== bits) expect(toFloat16Bits(value), value.toString()).toBe(bits);
    }
  });

  it("rounds half to even, at the border of subnormals and of infinity too", () => {
    const cases: readonly (readonly [number, number])[] = [
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [1 + 2 ** -11 + 2 ** -30, 0x3c01],
      [2 - 2 ** -11, 0x4000],
      [2 ** -25, 0],
      [3 * 2 ** -25, 2],
      [-(2 ** -25), 0x8000],
      [2 ** -14 - 2 ** -25, 0x0400],
      [65519.99, 0x7bff],
      [65520, 0x7c00],
      [-65520, 0xfc00],
      [Infinity, 0x7c00],
    ];
    for (const [value, bits] of cases) expect(toFloat16Bits(value), value.toString()).toBe(bits);
  });

  it("is the nearest: no neighbour is closer", () => {
    fc.assert(
      fc.property(fc.double({ min: -65504, max: 65504, noNaN: true }), (x) => {
        const bits = toFloat16Bits(x);
        const error = Math.abs(fromFloat16Bits(bits) - x);
        for (const near of [bits - 1, bits + 1]) {
          if ((near & 0x7fff) > 0x7bff || near < 0 || (near & 0x8000) !== (bits & 0x8000)) continue;
          expect(error).toBeLessThanOrEqual(Math.abs(fromFloat16Bits(near) - x));
        }
      }),
    );
  });
});

describe("a graph with codes", () => {
  it.each(CODES)("is valid and survives serialization: $kind", (code) => {
    const graph = graphOf(code);
    validateGraph(graph);
    const back = deserializeGraph(serializeGraph(graph), "test");
    expect(back).toEqual(graph);
    validateGraph(back);
  });

  it.each(CODES)("is refused when one value of the data differs: $kind", (code) => {
    const data = decode(code, SHAPE);
    data[7] = 0.125;
    expect(() => validateGraph(graphOf(code, data))).toThrow(/^tensor "w": its compact code decodes element 7 to /);
  });

  it("is refused when a code is damaged", () => {
    const data = decode(CODEBOOK, SHAPE);
    const four = decode(INT4, SHAPE);
    const refused: readonly (readonly [WeightCode, Float32Array, RegExp])[] = [
      [{ ...CODEBOOK, indices: CODEBOOK.indices.map((v, i) => (i === 3 ? 3 : v)) }, data, /index 3 at 3, expected less than 3/],
      [{ ...CODEBOOK, indices: CODEBOOK.indices.map((v, i) => (i === 3 ? 1 : v)) }, data, /decodes element 3 to 0, but its data hold 0.25/],
      [{ ...CODEBOOK, table: new Float32Array(0) }, data, /table of 0 values/],
      [{ ...CODEBOOK, table: new Float32Array(257) }, data, /table of 257 values/],
      [{ ...CODEBOOK, indices: new Uint8Array(9) }, data, /9 indices, expected 10/],
      [{ ...INT4, block: 0 }, four, /blocks of 0 elements/],
      [{ ...INT4, block: 5 }, four, /4 scales, expected 2/],
      [{ ...INT4, codes: INT4.codes.map((v, i) => (i === 0 ? 8 : v)) }, four, /code 8 at 0/],
      [{ ...INT4, scales: INT4.scales.map((v) => v * 2) }, four, /decodes element 0/],
      [{ ...INT8, axis: 2 }, decode(INT8, SHAPE), /scales along axis 2, expected one of 2 axes/],
      [{ ...INT8, scales: INT8.scales.subarray(1) }, decode(INT8, SHAPE), /1 scales, expected 2/],
      [{ ...INT8, codes: INT8.codes.subarray(1) }, decode(INT8, SHAPE), /9 codes, expected 10/],
      [
        { ...FLOAT16, bits: FLOAT16.bits.map((v, i) => (i === 3 ? 0 : v)) },
        decode(FLOAT16, SHAPE),
        /decodes element 3 to 0, but its data hold 0/,
      ],
    ];
    for (const [code, values, message] of refused) {
      expect(() => validateGraph(graphOf(code, values))).toThrow(FormatError);
      expect(() => validateGraph(graphOf(code, values))).toThrow(message);
    }
  });

  it("is refused where the tensor is not float32", () => {
    const graph = graphOf(CODEBOOK);
    const tensors = new Map(graph.tensors).set("w", { name: "w", dtype: "int8", shape: SHAPE, data: new Int8Array(10), code: CODEBOOK });
    expect(() => validateGraph({ ...graph, tensors })).toThrow(/stands for float32 values, but the tensor is int8/);
  });

  it("is a FormatError when the file names an unknown code", () => {
    const bytes = serializeGraph(graphOf(CODEBOOK));
    const text = new TextDecoder("latin1").decode(bytes).replace('"codebook"', '"cookbook"');
    expect(() =>
      deserializeGraph(
        Uint8Array.from(text, (c) => c.charCodeAt(0)),
        "test",
      ),
    ).toThrow(FormatError);
  });
});

describe("codeBytes", () => {
  it("counts nibbles, bytes, tables and scales", () => {
    expect(CODES.map(codeBytes)).toEqual([3 * 4 + 5, 4 * 4 + 5, 2 * 4 + 10, 20]);
    expect(codeBytes({ kind: "codebook", table: new Float32Array(17), indices: new Uint8Array(10) })).toBe(17 * 4 + 10);
  });
});

describe("permuteCode", () => {
  it("decodes to the permuted data, or is refused for blocks along rows", () => {
    for (const code of [CODEBOOK, INT8, FLOAT16]) {
      const permuted = permuteCode(code, SHAPE, [1, 0]);
      expect(decode(permuted!, [5, 2])).toEqual(permuteData(decode(code, SHAPE), "float32", SHAPE, [1, 0]));
    }
    expect(permuteCode(INT4, SHAPE, [1, 0])).toBeUndefined();
  });
});
