/** Gaps, Huffman codes and sections: the vectors of the paper, optimality, round trips in any pieces, and bytes that are no encoding. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mulberry32 } from "../../../src/data/random.ts";
import { FormatError } from "../../../src/errors.ts";
import { BitReader, BitWriter } from "../../../src/formats/slim/coding/bits.ts";
import { SectionDecoder, checkSection, decodeSection } from "../../../src/formats/slim/coding/decode.ts";
import { entryCount, relativePositions } from "../../../src/formats/slim/coding/gaps.ts";
import {
  LONGEST,
  canonicalCodes,
  codeLengths,
  decodeTable,
  lengthNibbles,
  readLengths,
  writeLengths,
} from "../../../src/formats/slim/coding/huffman.ts";
import { encodeSection } from "../../../src/formats/slim/coding/section.ts";
import { planSymbols, writeSymbols } from "../../../src/formats/slim/coding/symbols.ts";
import { crc32 } from "../../../src/formats/slim/crc32.ts";

/** Vitest compares typed arrays element by element, which takes longer than coding them. */
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

/** Bits of the best prefix code without a limit, by the textbook: merge the two lightest until one is left. */
function huffmanBits(counts: readonly number[]): number {
  const heap = counts.filter((c) => c > 0);
  let bits = heap.length === 1 ? heap[0]! : 0;
  while (heap.length > 1) {
    heap.sort((a, b) => b - a);
    const merged = heap.pop()! + heap.pop()!;
    bits += merged;
    heap.push(merged);
  }
  return bits;
}

describe("relativePositions", () => {
  it("codes the example of the paper: 3 bits, positions 1, 4, 15", () => {
    const { gaps, sources } = relativePositions([1, 4, 15], 3);
    expect([...gaps]).toEqual([1, 3, 8, 3]);
    expect([...sources]).toEqual([0, 1, -1, 2]);
  });

  it("reaches a distance of exactly 2^bits in one entry, one more in two", () => {
    expect([...relativePositions([8], 3).gaps]).toEqual([8]);
    expect([...relativePositions([9], 3).gaps]).toEqual([8, 1]);
    expect([...relativePositions([17], 3).gaps]).toEqual([8, 8, 1]);
  });

  it("fills up to the end, as far as whole distances fit", () => {
    expect([...relativePositions([2], 3, 18).gaps]).toEqual([2, 8, 8]);
    expect([...relativePositions([2], 3, 17).gaps]).toEqual([2, 8]);
    expect([...relativePositions([], 2, 4).gaps]).toEqual([4]);
    expect([...relativePositions([], 2, 3).gaps]).toEqual([]);
  });

  it("adds up to the positions, with as many entries as it says", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 3000 })), fc.integer({ min: 1, max: 8 }), (list, bits) => {
        const positions = list.sort((a, b) => a - b);
        const end = (positions.at(-1) ?? 0) + 500;
        const { gaps, sources } = relativePositions(positions, bits, end);
        expect(gaps).toHaveLength(entryCount(positions, bits, end));
        let at = 0;
        const reached: number[] = [];
        gaps.forEach((gap, i) => {
          expect(gap).toBeGreaterThanOrEqual(1);
          expect(gap).toBeLessThanOrEqual(2 ** bits);
          at += gap;
          if (sources[i]! >= 0) reached.push(at);
        });
        expect(reached).toEqual(positions);
        expect(end - at).toBeLessThan(2 ** bits);
      }),
    );
  });
});

describe("codeLengths", () => {
  it("gives the textbook's code", () => {
    expect([...codeLengths([45, 13, 12, 16, 9, 5])]).toEqual([1, 3, 3, 3, 4, 4]);
    expect([...codeLengths([0, 7, 0])]).toEqual([0, 1, 0]);
    expect([...codeLengths([0, 0])]).toEqual([0, 0]);
    expect([...codeLengths([1, 1, 1, 1])]).toEqual([2, 2, 2, 2]);
  });

  it("is a complete code, and as short as the unlimited one where that is within the limit", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 2, maxLength: 256 }), (counts) => {
        const lengths = codeLengths(counts);
        const used = counts.filter((c) => c > 0).length;
        counts.forEach((c, s) => {
          expect(lengths[s]! > 0).toBe(c > 0);
        });
        if (used >= 2) expect(sum(Array.from(lengths, (l) => (l === 0 ? 0 : 2 ** -l)))).toBe(1);
        expect(sum(counts.map((c, s) => c * lengths[s]!))).toBe(huffmanBits(counts));
      }),
    );
  });

  it("stays within the limit where the best code would not, and stays complete", () => {
    const counts = [1, 1];
    while (counts.length < 40) counts.push(counts.at(-1)! + counts.at(-2)!);
    const lengths = codeLengths(counts);
    expect(Math.max(...lengths)).toBe(LONGEST);
    expect(sum(Array.from(lengths, (l) => 2 ** -l))).toBe(1);
    expect(sum(counts.map((c, s) => c * lengths[s]!))).toBeGreaterThan(huffmanBits(counts));
  });

  it("gives canonical codes that the table reads back", () => {
    const lengths = codeLengths([45, 13, 12, 16, 9, 5]);
    const codes = canonicalCodes(lengths);
    expect([...codes].map((c, s) => c.toString(2).padStart(lengths[s]!, "0"))).toEqual(["0", "100", "101", "110", "1110", "1111"]);
    const { bits, entries } = decodeTable(lengths);
    expect(bits).toBe(4);
    expect(entries[0b1011]).toBe((2 << 4) | 3);
    expect(entries[0b1111]).toBe((5 << 4) | 4);
  });

  it("writes and reads lengths", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(30) }), {
          minLength: 256,
          maxLength: 256,
        }),
        (counts) => {
          if (counts.every((c) => c === 0)) return;
          const lengths = codeLengths(counts);
          const writer = new BitWriter(4 * lengthNibbles(lengths).length);
          writeLengths(writer, lengths);
          const reader = new BitReader();
          reader.feed(writer.finish());
          const { done, value } = readLengths(reader, "test").next();
          expect(done).toBe(true);
          expect(value).toEqual(lengths);
        },
      ),
    );
  });

  it("refuses lengths that are no code", () => {
    const refuse = (nibbles: readonly number[], text: RegExp): void => {
      const writer = new BitWriter(4 * nibbles.length);
      for (const nibble of nibbles) writer.write(nibble, 4);
      const reader = new BitReader();
      reader.feed(writer.finish());
      expect(() => readLengths(reader, "here").next()).toThrow(text);
    };
    refuse([0, 1, 1, 2], /here: code lengths use 3072\/4096/);
    refuse([0, 2, 1, 1, 1], /6144\/4096/);
    refuse([0, 0, 0], /0\/4096/);
    refuse([0, 3, 14, 1], /begin with a repetition/);
    refuse([0, 3, 2, 14, 5], /9 symbols, expected 4|symbols, expected 4/);
    refuse([0, 3, 15, 0, 0], /19 symbols, expected 4/);
  });
});

/** Elements as they occur: dense, with few values, sparse, constant. */
const material = fc.record({
  width: fc.constantFrom(1, 2, 4, 8),
  count: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constantFrom(255, 256, 257, 1009, 5003)),
  share: fc.constantFrom(0, 0.02, 0.1, 0.5, 1),
  values: fc.constantFrom(1, 2, 5, 16, 250),
  fill: fc.constantFrom(0, 0, 7, 255),
  seed: fc.nat(),
});

function elementsOf({ width, count, share, values, fill, seed }: typeof material extends fc.Arbitrary<infer T> ? T : never): Uint8Array {
  const random = mulberry32(seed);
  const bytes = new Uint8Array(count * width).fill(fill);
  for (let i = 0; i < count; i++) {
    if (random() < share) for (let p = 0; p < width; p++) bytes[i * width + p] = Math.floor(random() * random() * values);
  }
  return bytes;
}

describe("sections", () => {
  it("come back byte by byte, in whatever pieces they arrive, and are never longer than raw", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(material, fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1 }), (kind, pieces) => {
        const bytes = elementsOf(kind);
        const { layout, data, ...cost } = encodeSection(bytes, kind.width);
        seen.add(layout.encoding);
        expect(data.length).toBe(cost.bytes);
        expect(data.length).toBeLessThanOrEqual(bytes.length);
        const size = { count: kind.count, width: kind.width, bytes: data.length };
        expect(isSame(decodeSection(layout, size, data, "test"), bytes)).toBe(true);
        const decoder = new SectionDecoder(layout, size, "test");
        for (let at = 0, i = 0; at < data.length; i++) {
          const piece = data.subarray(at, at + pieces[i % pieces.length]!);
          decoder.push(piece);
          at += piece.length;
        }
        expect(isSame(decoder.finish(), bytes)).toBe(true);
      }),
      { numRuns: 300 },
    );
    expect([...seen].sort()).toEqual(["gap", "huffman", "raw"]);
  });

  it("come back from pieces of one byte", () => {
    fc.assert(
      fc.property(material, (kind) => {
        const bytes = elementsOf(kind);
        const { layout, data } = encodeSection(bytes, kind.width);
        const decoder = new SectionDecoder(layout, { count: kind.count, width: kind.width, bytes: data.length }, "test");
        for (const byte of data) decoder.push(Uint8Array.of(byte));
        expect(isSame(decoder.finish(), bytes)).toBe(true);
      }),
    );
  });

  it("take the encoding that suits", () => {
    const random = mulberry32(1);
    const noise = Uint8Array.from({ length: 4000 }, () => random() * 256);
    expect(encodeSection(noise, 1).layout.encoding).toBe("raw");
    const few = noise.map((v) => v & 7);
    expect(encodeSection(few, 1)).toMatchObject({ layout: { encoding: "huffman" }, valueBits: { plain: 3 } });
    const sparse = noise.map((v, i) => (i % 19 === 0 ? v : 3));
    expect(encodeSection(sparse, 1)).toMatchObject({ layout: { encoding: "gap", fill: 3 } });
    expect(encodeSection(new Uint8Array(0), 4)).toMatchObject({ layout: { encoding: "raw" }, bytes: 0 });
  });

  it("refuse counts that their bytes cannot hold, before taking memory", () => {
    const huge = { count: 2 ** 50, width: 1, bytes: 100 };
    expect(() => checkSection({ encoding: "raw" }, huge, "w")).toThrow(FormatError);
    expect(() => checkSection({ encoding: "huffman" }, huge, "w")).toThrow(
      "w: 1125899906842624 elements of 1 bytes cannot be held by 100 bytes",
    );
    const gap = { encoding: "gap", gapBits: 8, fill: 0 } as const;
    expect(() => checkSection({ ...gap, entries: 2 ** 40 }, huge, "w")).toThrow("1099511627776 entries cannot be held");
    expect(() => checkSection({ ...gap, entries: 400 }, huge, "w")).toThrow("cannot stand for 1125899906842624 elements");
    checkSection({ ...gap, entries: 400 }, { count: 400 * 256, width: 1, bytes: 100 }, "w");
  });

  it("refuse bits that are left over, entries beyond the end, bytes that are missing or too many", () => {
    const gaps = planSymbols(Uint32Array.of(0, 0, 0, 2));
    const values = planSymbols(Uint32Array.of(0, 2));
    const writer = new BitWriter(gaps.bits + values.bits);
    writeSymbols(writer, gaps, Uint8Array.of(3, 3));
    writeSymbols(writer, values, Uint8Array.of(1, 1));
    const data = writer.finish();
    const layout = { encoding: "gap", gapBits: 2, entries: 2, fill: 0 } as const;
    expect(() => decodeSection(layout, { count: 7, width: 1, bytes: data.length }, data, "w")).toThrow(
      "entry 1 lies at 7, expected less than 7",
    );
    expect([...decodeSection(layout, { count: 9, width: 1, bytes: data.length }, data, "w")]).toEqual([0, 0, 0, 1, 0, 0, 0, 1, 0]);
    const padded = Uint8Array.of(...data.subarray(0, -1), data.at(-1)! | 1);
    expect(() => decodeSection(layout, { count: 9, width: 1, bytes: padded.length }, padded, "w")).toThrow(/more bits/);
    const longer = Uint8Array.of(...data, 0);
    expect(() => decodeSection(layout, { count: 9, width: 1, bytes: longer.length }, longer, "w")).toThrow(/more bits/);
    expect(() => decodeSection(layout, { count: 9, width: 1, bytes: data.length }, data.subarray(1), "w")).toThrow(FormatError);
    const alone = new SectionDecoder({ encoding: "raw" }, { count: 2, width: 1, bytes: 2 }, "w");
    alone.push(Uint8Array.of(1, 2));
    expect(() => alone.push(Uint8Array.of(3))).toThrow("w: more bytes than its elements take");
  });

  it("survive any bytes: elements or a FormatError", () => {
    const layouts = fc.oneof(
      fc.constant({ encoding: "huffman" } as const),
      fc.record({ encoding: fc.constant("gap" as const), gapBits: fc.integer({ min: 1, max: 8 }), entries: fc.nat(60), fill: fc.nat(255) }),
    );
    fc.assert(
      fc.property(layouts, fc.uint8Array({ maxLength: 60 }), fc.nat(300), fc.constantFrom(1, 4), (layout, data, count, width) => {
        try {
          expect(decodeSection(layout, { count, width, bytes: data.length }, data, "w")).toHaveLength(count * width);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("crc32", () => {
  it("agrees with the published check value, in pieces too", () => {
    const bytes = new TextEncoder().encode("123456789");
    expect(crc32(bytes)).toBe(0xcb_f4_39_26);
    expect(crc32(bytes.subarray(4), crc32(bytes.subarray(0, 4)))).toBe(0xcb_f4_39_26);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });
});
