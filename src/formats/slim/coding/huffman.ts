/**
 * Canonical Huffman codes of symbols 0..255, at most 12 bits long, so that one look into a table of 4096 entries decodes a symbol. Lengths
 * are the best under that limit; symbols that occur equally often are ordered by number, so equal counts give equal codes everywhere.
 */
import { FormatError } from "../../../errors.ts";
import type { BitReader, BitWriter, Decoding } from "./bits.ts";

export const LONGEST = 12;
const SYMBOLS = 256;

/** How the lengths are written, in nibbles: 0..12 is a length; the others are runs, whose size is in the nibbles behind. */
const ZEROS = 13;
const REPEAT = 14;
const MANY_ZEROS = 15;
const SHORT_RUN = 3;
const LONG_RUN = 19;

/**
 * @param counts how often each symbol occurs
 * @returns bits of each symbol's code; 0 for symbols that do not occur; 1 for a symbol that is alone
 */
export function codeLengths(counts: ArrayLike<number>): Uint8Array {
  const lengths = new Uint8Array(counts.length);
  const used: number[] = [];
  for (let s = 0; s < counts.length; s++) if (counts[s]! > 0) used.push(s);
  if (used.length === 1) lengths[used[0]!] = 1;
  if (used.length < 2) return lengths;
  used.sort((a, b) => counts[a]! - counts[b]! || a - b);

  const items = Float64Array.from(used, (symbol) => counts[symbol]!);
  const depths = treeDepths(items);
  const within = depths[0]! <= LONGEST ? depths : limitedDepths(items);
  used.forEach((symbol, i) => (lengths[symbol] = within[i]!));
  return lengths;
}

/**
 * Depths of the leaves in Huffman's tree; of equal weights leaves are merged before pairs, which keeps it flat.
 * @param items weights, ascending, at least 2
 */
function treeDepths(items: Float64Array): Uint8Array {
  const n = items.length;
  const weights = new Float64Array(2 * n - 1);
  const parents = new Int32Array(2 * n - 1);
  weights.set(items);
  let leaf = 0;
  let pair = n;
  for (let next = n; next < 2 * n - 1; next++) {
    for (let side = 0; side < 2; side++) {
      const lightest = leaf < n && (pair === next || weights[leaf]! <= weights[pair]!) ? leaf++ : pair++;
      weights[next]! += weights[lightest]!;
      parents[lightest] = next;
    }
  }
  const depths = new Uint8Array(2 * n - 1);
  for (let i = 2 * n - 3; i >= 0; i--) depths[i] = depths[parents[i]!]! + 1;
  return depths.subarray(0, n);
}

/** The best depths of at most `LONGEST`, by package-merge: a level holds the items and the pairs of the level before, by weight. */
function limitedDepths(items: Float64Array): Uint8Array {
  const levels: (readonly boolean[])[] = [];
  let pairs: number[] = [];
  for (let bit = 0; bit < LONGEST; bit++) {
    const weights: number[] = [];
    const isPair: boolean[] = [];
    for (let i = 0, p = 0; i < items.length || p < pairs.length;) {
      const takePair = i === items.length || (p < pairs.length && pairs[p]! < items[i]!);
      weights.push(takePair ? pairs[p++]! : items[i++]!);
      isPair.push(takePair);
    }
    levels.push(isPair);
    pairs = [];
    for (let i = 0; i + 1 < weights.length; i += 2) pairs.push(weights[i]! + weights[i + 1]!);
  }
  // The first 2n - 2 of the last level are chosen; every pair among them chooses two of the level before.
  const depths = new Uint8Array(items.length);
  let chosen = 2 * items.length - 2;
  for (const isPair of levels.reverse()) {
    let leaves = 0;
    for (let i = 0; i < chosen; i++) if (!isPair[i]!) depths[leaves++]!++;
    chosen = 2 * (chosen - leaves);
  }
  return depths;
}

/** The codes: shorter ones first, equal lengths in the order of symbols. */
export function canonicalCodes(lengths: Uint8Array): Uint16Array {
  const codes = new Uint16Array(lengths.length);
  let code = 0;
  for (let length = 1; length <= LONGEST; length++) {
    for (let s = 0; s < lengths.length; s++) if (lengths[s] === length) codes[s] = code++;
    code <<= 1;
  }
  return codes;
}

export interface DecodeTable {
  /** Bits that an index into `entries` has. */
  readonly bits: number;
  /** symbol × 16 + length; 0 where no code begins so. */
  readonly entries: Uint16Array;
}

export function decodeTable(lengths: Uint8Array): DecodeTable {
  const bits = lengths.reduce((longest, length) => Math.max(longest, length), 1);
  const entries = new Uint16Array(1 << bits);
  const codes = canonicalCodes(lengths);
  for (let s = 0; s < lengths.length; s++) {
    const length = lengths[s]!;
    if (length === 0) continue;
    const first = codes[s]! << (bits - length);
    entries.fill((s << 4) | length, first, first + (1 << (bits - length)));
  }
  return { bits, entries };
}

/** The lengths up to the last symbol that occurs as nibbles, the number of symbols in a byte before. */
export function lengthNibbles(lengths: Uint8Array): readonly number[] {
  let end = lengths.length;
  while (end > 1 && lengths[end - 1] === 0) end--;
  const nibbles = [(end - 1) >> 4, (end - 1) & 15];
  for (let i = 0; i < end;) {
    const value = lengths[i]!;
    let run = 1;
    while (i + run < end && lengths[i + run] === value) run++;
    if (value === 0 && run >= LONG_RUN) {
      run = Math.min(run, LONG_RUN + 255);
      nibbles.push(MANY_ZEROS, (run - LONG_RUN) >> 4, (run - LONG_RUN) & 15);
    } else if (value === 0 && run >= SHORT_RUN) {
      run = Math.min(run, SHORT_RUN + 15);
      nibbles.push(ZEROS, run - SHORT_RUN);
    } else if (run > SHORT_RUN) {
      run = Math.min(run - 1, SHORT_RUN + 15);
      nibbles.push(value, REPEAT, run - SHORT_RUN);
      run++;
    } else {
      run = 1;
      nibbles.push(value);
    }
    i += run;
  }
  return nibbles;
}

export function writeLengths(writer: BitWriter, lengths: Uint8Array): void {
  for (const nibble of lengthNibbles(lengths)) writer.write(nibble, 4);
}

/** @throws FormatError where runs leave the alphabet or the lengths are those of no code */
export function* readLengths(reader: BitReader, where: string): Decoding<Uint8Array> {
  const lengths = new Uint8Array(SYMBOLS);
  const end = (yield* reader.read(8)) + 1;
  let at = 0;
  const run = (value: number, count: number): void => {
    if (at + count > end) throw new FormatError(`${where}: code lengths of ${at + count} symbols, expected ${end}`);
    lengths.fill(value, at, at + count);
    at += count;
  };
  while (at < end) {
    const nibble = yield* reader.read(4);
    if (nibble <= LONGEST) run(nibble, 1);
    else if (nibble === ZEROS) run(0, SHORT_RUN + (yield* reader.read(4)));
    else if (nibble === MANY_ZEROS) run(0, LONG_RUN + (yield* reader.read(8)));
    else if (at === 0) throw new FormatError(`${where}: code lengths begin with a repetition`);
    else run(lengths[at - 1]!, SHORT_RUN + (yield* reader.read(4)));
  }
  let used = 0;
  let share = 0;
  for (const length of lengths) {
    if (length === 0) continue;
    used++;
    share += 2 ** (LONGEST - length);
  }
  const isAlone = used === 1 && share === 2 ** (LONGEST - 1);
  if (share !== 2 ** LONGEST && !isAlone) {
    throw new FormatError(`${where}: code lengths use ${share}/${2 ** LONGEST} of all codes, expected all of them`);
  }
  return lengths;
}

/**
 * Decodes `count` symbols to every `stride`-th byte of `to`.
 * @throws FormatError for bits that begin no code
 */
export function* readSymbols(
  reader: BitReader,
  table: DecodeTable,
  to: Uint8Array,
  place: { readonly start: number; readonly stride: number; readonly count: number },
  where: string,
): Decoding<void> {
  const { entries, bits: width } = table;
  const mask = (1 << width) - 1;
  const { stride } = place;
  const end = place.start + place.count * stride;
  let out = place.start;
  for (;;) {
    let { at, pending, bits } = reader;
    const { chunk } = reader;
    const { length } = chunk;
    let ended = false;
    while (out < end) {
      while (bits < width && at < length) {
        pending = (pending << 8) | chunk[at++]!;
        bits += 8;
      }
      const entry = entries[(bits >= width ? pending >>> (bits - width) : pending << (width - bits)) & mask]!;
      const used = entry & 15;
      if (used === 0 || used > bits) {
        if (bits >= width) throw new FormatError(`${where}: holds bits that begin no code`);
        ended = true;
        break;
      }
      bits -= used;
      to[out] = entry >>> 4;
      out += stride;
    }
    reader.at = at;
    reader.pending = pending;
    reader.bits = bits;
    if (!ended) return;
    yield;
  }
}
