/**
 * An array of numbers as bytes, in the shortest of three encodings. `raw`: little endian. `huffman`: the bytes of equal significance
 * together, each such plane as a run of symbols; for 8-bit elements that is a code for the elements. `gap`: only elements that differ from the
 * most frequent byte (8-bit elements) or are not 0 (wider ones), each with its distance from the one before.
 */
import { BitWriter } from "./bits.ts";
import { entryCount, relativePositions } from "./gaps.ts";
import { planSymbols, writeSymbols } from "./symbols.ts";
import type { SymbolPlan } from "./symbols.ts";

export type Layout =
  | { readonly encoding: "raw" | "huffman" }
  | {
      readonly encoding: "gap";
      readonly gapBits: number;
      /** Elements that are written, fillers included. */
      readonly entries: number;
      /** The byte that all others consist of. */
      readonly fill: number;
    };

/** Widths of distances that are tried. */
const GAP_BITS = { least: 2, most: 8 } as const;
/** Below this share of left-out elements distances cannot pay. */
const LEAST_LEFT_OUT = 0.2;

/** What an encoding takes, for tables as in the Deep Compression paper: bits of an entry before and after Huffman coding. */
export interface SectionCost {
  readonly layout: Layout;
  readonly bytes: number;
  /** Elements whose value is written: all, or the entries of `gap`. */
  readonly entries: number;
  readonly valueBits: { readonly plain: number; readonly coded: number };
  readonly indexBits?: { readonly plain: number; readonly coded: number };
}

interface Plan extends SectionCost {
  readonly encode: () => Uint8Array;
}

/**
 * @param bytes the elements, little endian, `width` bytes each
 * @returns the shortest encoding; among equals the simplest
 */
export function encodeSection(bytes: Uint8Array, width: number): SectionCost & { readonly data: Uint8Array } {
  let best: Plan = rawPlan(bytes, width);
  if (bytes.length > 0) {
    for (const plan of [huffmanPlan(bytes, width), gapPlan(bytes, width)]) if (plan !== undefined && plan.bytes < best.bytes) best = plan;
  }
  const { encode, ...cost } = best;
  return { ...cost, data: encode() };
}

function rawPlan(bytes: Uint8Array, width: number): Plan {
  const bits = 8 * width;
  return {
    layout: { encoding: "raw" },
    bytes: bytes.length,
    entries: bytes.length / width,
    valueBits: { plain: bits, coded: bits },
    encode: () => bytes,
  };
}

function huffmanPlan(bytes: Uint8Array, width: number): Plan {
  const planes = planCounts(planesOf(bytes, width));
  const bits = sumOf(planes, (plane) => plane.bits);
  const entries = bytes.length / width;
  return {
    layout: { encoding: "huffman" },
    bytes: Math.ceil(bits / 8),
    entries,
    valueBits: valueBitsOf(planes, entries, width),
    encode: () => {
      const writer = new BitWriter(bits);
      planes.forEach((plane, p) => {
        writeSymbols(writer, plane, bytes, p, width);
      });
      return writer.finish();
    },
  };
}

function gapPlan(bytes: Uint8Array, width: number): Plan | undefined {
  const count = bytes.length / width;
  const fill = width === 1 ? mostFrequent(bytes) : 0;
  const positions = differing(bytes, width, fill);
  if (count - positions.length < LEAST_LEFT_OUT * count) return undefined;
  const kept = gather(bytes, width, positions);
  const keptCounts = planesOf(kept, width);
  let best: { bits: number; gapBits: number; entries: number; index: SymbolPlan; values: readonly SymbolPlan[] } | undefined;
  for (let gapBits: number = GAP_BITS.least; gapBits <= GAP_BITS.most; gapBits++) {
    const entries = entryCount(positions, gapBits, count);
    const index = planSymbols(gapCounts(positions, gapBits, count));
    const values = planCounts(
      keptCounts.map((counts) => {
        const all = counts.slice();
        all[fill]! += entries - positions.length;
        return all;
      }),
    );
    const bits = index.bits + sumOf(values, (plane) => plane.bits);
    if (best === undefined || bits < best.bits) best = { bits, gapBits, entries, index, values };
  }
  const { bits, gapBits, entries, index, values } = best!;
  if (entries === 0) return undefined;
  return {
    layout: { encoding: "gap", gapBits, entries, fill },
    bytes: Math.ceil(bits / 8),
    entries,
    valueBits: valueBitsOf(values, entries, width),
    indexBits: { plain: gapBits, coded: index.codeBits / entries },
    encode: () => {
      const { gaps, sources } = relativePositions(positions, gapBits, count);
      const writer = new BitWriter(bits);
      writeSymbols(
        writer,
        index,
        Uint8Array.from(gaps, (gap) => gap - 1),
      );
      const all = new Uint8Array(entries * width).fill(fill);
      sources.forEach((source, entry) => {
        if (source >= 0) all.set(kept.subarray(source * width, (source + 1) * width), entry * width);
      });
      values.forEach((plane, p) => {
        writeSymbols(writer, plane, all, p, width);
      });
      return writer.finish();
    },
  };
}

/** How often each byte occurs in each plane. */
function planesOf(bytes: Uint8Array, width: number): readonly Uint32Array[] {
  const planes: Uint32Array[] = [];
  for (let p = 0; p < width; p++) {
    const counts = new Uint32Array(256);
    for (let i = p; i < bytes.length; i += width) counts[bytes[i]!]!++;
    planes.push(counts);
  }
  return planes;
}

function planCounts(planes: readonly Uint32Array[]): readonly SymbolPlan[] {
  return planes.map(planSymbols);
}

function gapCounts(positions: Int32Array, bits: number, end: number): Uint32Array {
  const counts = new Uint32Array(256);
  const most = 2 ** bits;
  let last = 0;
  for (const position of positions) {
    const distance = position - last - 1;
    counts[most - 1]! += distance >> bits;
    counts[distance & (most - 1)]!++;
    last = position;
  }
  counts[most - 1]! += (end - last) >> bits;
  return counts;
}

function mostFrequent(bytes: Uint8Array): number {
  const counts = planesOf(bytes, 1)[0]!;
  return counts.indexOf(counts.reduce((most, count) => Math.max(most, count), 0));
}

/** Elements with a byte that is not `fill`, counted from 1. */
function differing(bytes: Uint8Array, width: number, fill: number): Int32Array {
  const found = new Int32Array(bytes.length / width);
  let count = 0;
  for (let i = 0; i < found.length; i++) {
    for (let p = 0; p < width; p++) {
      if (bytes[i * width + p] === fill) continue;
      found[count++] = i + 1;
      break;
    }
  }
  return found.subarray(0, count);
}

function gather(bytes: Uint8Array, width: number, positions: Int32Array): Uint8Array {
  const kept = new Uint8Array(positions.length * width);
  for (let i = 0; i < positions.length; i++) {
    const from = (positions[i]! - 1) * width;
    for (let p = 0; p < width; p++) kept[i * width + p] = bytes[from + p]!;
  }
  return kept;
}

function valueBitsOf(planes: readonly SymbolPlan[], entries: number, width: number): SectionCost["valueBits"] {
  return {
    plain: width === 1 ? planes[0]!.width : 8 * width,
    coded: sumOf(planes, (plane) => plane.codeBits) / entries,
  };
}

function sumOf<T>(list: readonly T[], value: (item: T) => number): number {
  return list.reduce((total, item) => total + value(item), 0);
}
