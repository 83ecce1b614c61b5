import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { FormatError, SlimbenchError, UnsupportedError } from "../../src/errors.ts";
import { readNpy, writeNpy } from "../../src/formats/npy.ts";
import { DTYPES, createArray, elementCount } from "../../src/graph/dtype.ts";

/** A file as numpy writes it: version 1 with this dictionary, then these bytes. */
function npy(dictionary: string, data: ArrayBufferView | readonly number[], version = 1): Uint8Array {
  const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : Uint8Array.from(data);
  const header = new TextEncoder().encode(`${dictionary}\n`);
  const prefix = version === 1 ? 10 : 12;
  const file = new Uint8Array(prefix + header.length + bytes.length);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  new DataView(file.buffer).setUint16(8, header.length, true);
  file.set(header, prefix);
  file.set(bytes, prefix + header.length);
  return file;
}

describe("readNpy", () => {
  it("reads what numpy.save writes for np.array([[1, 2], [3, 4]], dtype='<f4')", () => {
    const file = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", Float32Array.of(1, 2, 3, 4));
    expect(readNpy(file, "a.npy")).toEqual({ dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
  });

  it("turns column-major arrays around", () => {
    const file = npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 1), }", [1, 4, 2, 5, 3, 6]);
    expect([...readNpy(file, "a").data]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("reads big-endian numbers", () => {
    expect([...readNpy(npy("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }", [1, 2, 255, 254]), "a").data]).toEqual([258, -2]);
  });

  it("reads version 2, scalars, booleans and unsigned 64-bit integers", () => {
    expect(readNpy(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", Float64Array.of(0.5), 2), "a")).toEqual({
      dtype: "float64",
      shape: [],
      data: Float64Array.of(0.5),
    });
    expect([...readNpy(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", [0, 1, 7]), "a").data]).toEqual([0, 1, 1]);
    const wide = readNpy(npy("{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }", BigUint64Array.of(2n ** 40n)), "a");
    expect(wide).toEqual({ dtype: "int64", shape: [1], data: Float64Array.of(2 ** 40) });
  });

  it.each([
    ["no magic", new TextEncoder().encode("hello world, this is text"), FormatError, /^a\.npy: not a \.npy file/],
    ["empty", new Uint8Array(0), FormatError, /not a \.npy file/],
    ["version 3", npy("{}", [], 3), UnsupportedError, /\.npy version 3\.0, expected 1 or 2/],
    [
      "too few bytes",
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", [0, 0, 0, 0]),
      FormatError,
      /4 bytes of data, expected 8 for <f4 \[2\]/,
    ],
    [
      "too many bytes",
      npy("{'descr': '|i1', 'fortran_order': False, 'shape': (1,), }", [1, 2]),
      FormatError,
      /2 bytes of data, expected 1/,
    ],
    [
      "a huge shape",
      npy("{'descr': '|i1', 'fortran_order': False, 'shape': (999999999999,), }", [1]),
      FormatError,
      /expected 999999999999/,
    ],
    [
      "an unsafe shape",
      npy("{'descr': '|i1', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", [1]),
      FormatError,
      /shape \(/,
    ],
    ["a negative dimension", npy("{'descr': '|i1', 'fortran_order': False, 'shape': (-1,), }", [1]), FormatError, /shape \(-1,\)/],
    ["a complex type", npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", []), UnsupportedError, /element type "<c8"/],
    ["a structured type", npy("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,), }", []), UnsupportedError, /structured/],
    ["a missing key", npy("{'descr': '<f4', 'shape': (1,), }", []), FormatError, /lacks descr, fortran_order or shape/],
    [
      "an integer beyond 2^53",
      npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", BigInt64Array.of(2n ** 60n)),
      FormatError,
      /beyond 2\^53/,
    ],
  ] as const)("refuses %s", (_, file, kind, message) => {
    expect(() => readNpy(file, "a.npy")).toThrow(kind);
    expect(() => readNpy(file, "a.npy")).toThrow(message);
  });

  it("refuses a header that is longer than the file", () => {
    const file = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", [0, 0, 0, 0]);
    new DataView(file.buffer).setUint16(8, 60000, true);
    expect(() => readNpy(file, "a.npy")).toThrow(/the header states 60000 bytes/);
  });
});

describe("writeNpy", () => {
  it("aligns the data to 64 bytes and ends the header with a line feed, as numpy expects", () => {
    const file = writeNpy({ dtype: "int8", shape: [3], data: Int8Array.of(1, 2, 3) });
    expect(file.length).toBe(128 + 3);
    expect(new TextDecoder("latin1").decode(file.subarray(10, 128))).toMatch(
      /^\{'descr': '\|i1', 'fortran_order': False, 'shape': \(3,\), \} +\n$/,
    );
  });

  it("refuses data of another length than the shape", () => {
    expect(() => writeNpy({ dtype: "int8", shape: [3], data: Int8Array.of(1) })).toThrow("1 elements, expected 3");
  });

  it("round trips every type", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...DTYPES),
        fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
        fc.integer(),
        (dtype, shape, seed) => {
          const data = createArray(dtype, elementCount(shape));
          for (let i = 0; i < data.length; i++) data[i] = dtype === "bool" ? i & 1 : Math.imul(seed, i + 1) >> 3;
          expect(readNpy(writeNpy({ dtype, shape, data }), "a")).toEqual({ dtype, shape, data });
        },
      ),
      { seed: 11 },
    );
  });

  it("mutated files end in one of our errors or in an array of the stated size", () => {
    const file = writeNpy({ dtype: "float32", shape: [2, 3], data: new Float32Array(6) });
    let refused = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }), (edits) => {
        const bytes = file.slice();
        for (const [at, value] of edits) bytes[at] = value;
        try {
          const { shape, data } = readNpy(bytes, "a");
          expect(data.length).toBe(elementCount(shape));
        } catch (error) {
          expect(error).toBeInstanceOf(SlimbenchError);
          refused++;
        }
      }),
      { seed: 12, numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(100);
  });
});
