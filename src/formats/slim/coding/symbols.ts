/**
 * A run of symbols 0..255 in a bit stream: 4 bits that say how, then the codes. 1..8: every symbol takes so many bits. 15: the lengths of a
 * canonical Huffman code come first. Whichever is shorter; a symbol takes at least a bit, so that no few bytes stand for many.
 */
import { FormatError } from "../../../errors.ts";
import type { BitReader, BitWriter, Decoding } from "./bits.ts";
import { canonicalCodes, codeLengths, decodeTable, lengthNibbles, readLengths, readSymbols, writeLengths } from "./huffman.ts";

const FORM_BITS = 4;
const HUFFMAN = 15;
const WIDEST = 8;

export interface SymbolPlan {
  /** Everything, form and code lengths included. */
  readonly bits: number;
  /** The codes alone. */
  readonly codeBits: number;
  /** Fixed width of the symbols that occur. */
  readonly width: number;
  /** Absent: fixed width. */
  readonly lengths?: Uint8Array;
}

/** @param counts of symbols 0..255 */
export function planSymbols(counts: ArrayLike<number>): SymbolPlan {
  let total = 0;
  let largest = 0;
  for (let s = 0; s < counts.length; s++) {
    total += counts[s]!;
    if (counts[s]! > 0) largest = s;
  }
  const width = Math.max(1, 32 - Math.clz32(largest));
  const fixed: SymbolPlan = { bits: FORM_BITS + width * total, codeBits: width * total, width };
  const lengths = codeLengths(counts);
  let codeBits = 0;
  for (let s = 0; s < counts.length; s++) codeBits += counts[s]! * lengths[s]!;
  const bits = FORM_BITS + 4 * lengthNibbles(lengths).length + codeBits;
  return bits < fixed.bits ? { bits, codeBits, width, lengths } : fixed;
}

/** @param symbols in any array, the `stride`-th from `start` on */
export function writeSymbols(writer: BitWriter, plan: SymbolPlan, symbols: Uint8Array, start = 0, stride = 1): void {
  const { lengths, width } = plan;
  if (lengths === undefined) {
    writer.write(width, FORM_BITS);
    for (let i = start; i < symbols.length; i += stride) writer.write(symbols[i]!, width);
    return;
  }
  writer.write(HUFFMAN, FORM_BITS);
  writeLengths(writer, lengths);
  const codes = canonicalCodes(lengths);
  for (let i = start; i < symbols.length; i += stride) {
    const symbol = symbols[i]!;
    writer.write(codes[symbol]!, lengths[symbol]!);
  }
}

/** @throws FormatError for a form that does not exist, damaged lengths, bits that begin no code */
export function* decodeSymbols(
  reader: BitReader,
  to: Uint8Array,
  place: { readonly start: number; readonly stride: number; readonly count: number },
  where: string,
): Decoding<void> {
  const form = yield* reader.read(FORM_BITS);
  if (form !== HUFFMAN && (form < 1 || form > WIDEST)) {
    throw new FormatError(`${where}: symbols in form ${form}, expected 1..${WIDEST} or ${HUFFMAN}`);
  }
  const lengths = form === HUFFMAN ? yield* readLengths(reader, where) : new Uint8Array(2 ** form).fill(form);
  yield* readSymbols(reader, decodeTable(lengths), to, place, where);
}
