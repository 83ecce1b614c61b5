/** Tensors survive the way into GPU buffers and back; bytes lie as documented. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromStored, storedBytes, storedSteps, storedWords, toStored } from "../../../src/engines/webgpu/storage.ts";
import { UnsupportedError } from "../../../src/errors.ts";
import { createArray, elementCount } from "../../../src/graph/dtype.ts";
import type { DType } from "../../../src/graph/dtype.ts";

const TYPES: readonly DType[] = ["float32", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "bool"];

describe("toStored and fromStored", () => {
  it("are inverse for every type and shape", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...TYPES),
        fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
        fc.integer(),
        (dtype, shape, seed) => {
          const tensor = { name: "t", dtype, shape };
          const data = createArray(dtype, elementCount(shape));
          const view = new Uint8Array(data.buffer);
          if (dtype === "int64" || dtype === "float32") for (let i = 0; i < data.length; i++) data[i] = ((seed + i * 7919) % 4001) - 2000;
          else if (dtype === "bool") for (let i = 0; i < data.length; i++) data[i] = (seed >> (i % 31)) & 1;
          else for (let i = 0; i < view.length; i++) view[i] = seed + i * 37;
          const stored = toStored(tensor, data);
          expect(stored.byteLength).toBe(storedWords(tensor) * 4);
          expect(storedBytes(tensor) % 16).toBe(0);
          const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength).slice().buffer;
          expect(fromStored(tensor, bytes)).toEqual(data);
        },
      ),
      { seed: 1234, numRuns: 300 },
    );
  });

  it("starts a word with every row of bytes, and stores uint8 less 128", () => {
    const words = toStored({ name: "t", dtype: "uint8", shape: [2, 3] }, Uint8Array.of(128, 129, 255, 0, 127, 130)) as Uint32Array;
    expect([...new Int8Array(words.buffer)]).toEqual([0, 1, 127, 0, -128, -1, 2, 0]);
  });

  it("steps over the tails of rows", () => {
    expect(storedSteps("i8", [2, 5, 6])).toEqual([40, 8, 1]);
    expect(storedSteps("f32", [2, 5, 6])).toEqual([30, 6, 1]);
    expect(storedSteps("i8", [])).toEqual([]);
  });

  it("refuses int64 beyond int32", () => {
    expect(() => toStored({ name: "t", dtype: "int64", shape: [1] }, Float64Array.of(2 ** 31))).toThrow(UnsupportedError);
  });
});
