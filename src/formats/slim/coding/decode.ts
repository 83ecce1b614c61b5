/**
 * Sections back to elements, from pieces as they arrive. Sizes are checked before memory is taken: every element that is stored takes at least
 * a bit, a distance reaches over 256 elements at most, so a file cannot claim more than a fixed multiple of its own length.
 */
import { FormatError } from "../../../errors.ts";
import { BitReader } from "./bits.ts";
import type { Decoding } from "./bits.ts";
import type { Layout } from "./section.ts";
import { decodeSymbols } from "./symbols.ts";

export interface SectionSize {
  /** Elements. */
  readonly count: number;
  /** Bytes of an element. */
  readonly width: number;
  /** Encoded. */
  readonly bytes: number;
}

/** @throws FormatError where so few bytes cannot hold so many elements */
export function checkSection(layout: Layout, { count, width, bytes }: SectionSize, where: string): void {
  const few = (what: string): FormatError =>
    new FormatError(`${where}: ${what} cannot be held by ${bytes} bytes of encoding ${layout.encoding}`);
  const elements = `${count} elements of ${width} bytes`;
  switch (layout.encoding) {
    case "raw":
      if (bytes !== count * width) throw few(elements);
      return;
    case "huffman":
      if (count * width > 8 * bytes) throw few(elements);
      return;
    case "gap": {
      const { entries, gapBits } = layout;
      if (entries * (1 + width) > 8 * bytes) throw few(`${entries} entries`);
      const reach = 2 ** gapBits;
      if (count < entries || count >= (entries + 1) * reach) {
        throw new FormatError(`${where}: ${entries} entries with distances up to ${reach} cannot stand for ${count} elements`);
      }
    }
  }
}

/** Takes a section's bytes in any pieces. */
export class SectionDecoder {
  readonly #reader = new BitReader();
  readonly #decoding: Decoding<Uint8Array>;
  readonly #where: string;
  readonly #bytes: number;
  #taken = 0;
  #elements: Uint8Array | undefined;

  /** @throws FormatError as `checkSection` */
  constructor(layout: Layout, size: SectionSize, where: string) {
    checkSection(layout, size, where);
    this.#where = where;
    this.#bytes = size.bytes;
    this.#decoding = decoding(this.#reader, layout, size, where);
    this.#advance();
  }

  /** @throws FormatError where the bytes are damaged */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#taken += chunk.length;
    if (this.#elements !== undefined || this.#taken > this.#bytes)
      throw new FormatError(`${this.#where}: more bytes than its elements take`);
    this.#reader.feed(chunk);
    this.#advance();
  }

  /** The elements, little endian, in a buffer of their own. @throws FormatError where bytes are missing */
  finish(): Uint8Array {
    if (this.#elements === undefined || this.#taken !== this.#bytes) throw new FormatError(`${this.#where}: ends before its elements do`);
    if (!this.#reader.isSpent) throw new FormatError(`${this.#where}: more bits than its elements take`);
    return this.#elements;
  }

  #advance(): void {
    const { done, value } = this.#decoding.next();
    if (done === true) this.#elements = value;
  }
}

/** A whole section at once. */
export function decodeSection(layout: Layout, size: SectionSize, data: Uint8Array, where: string): Uint8Array {
  const decoder = new SectionDecoder(layout, size, where);
  decoder.push(data);
  return decoder.finish();
}

function* decoding(reader: BitReader, layout: Layout, size: SectionSize, where: string): Decoding<Uint8Array> {
  const { count, width } = size;
  if (size.bytes > 0) yield; // Memory is taken when the first byte has come.
  switch (layout.encoding) {
    case "raw":
      return yield* decodeRaw(reader, count * width);
    case "huffman": {
      const elements = new Uint8Array(count * width);
      for (let p = 0; p < width; p++) yield* decodeSymbols(reader, elements, { start: p, stride: width, count }, where);
      return elements;
    }
    case "gap": {
      const { entries, fill } = layout;
      const gaps = new Uint8Array(entries);
      yield* decodeSymbols(reader, gaps, { start: 0, stride: 1, count: entries }, where);
      const values = new Uint8Array(entries * width);
      for (let p = 0; p < width; p++) yield* decodeSymbols(reader, values, { start: p, stride: width, count: entries }, where);
      return scatter(gaps, values, new Uint8Array(count * width).fill(fill), width, where);
    }
  }
}

function* decodeRaw(reader: BitReader, bytes: number): Decoding<Uint8Array> {
  const elements = new Uint8Array(bytes);
  for (let at = 0; at < bytes;) {
    const { chunk } = reader;
    if (reader.at === chunk.length) {
      yield;
      continue;
    }
    const piece = chunk.subarray(reader.at, reader.at + bytes - at);
    elements.set(piece, at);
    at += piece.length;
    reader.at += piece.length;
  }
  return elements;
}

/** @param gaps each distance less 1 */
function scatter(gaps: Uint8Array, values: Uint8Array, to: Uint8Array, width: number, where: string): Uint8Array {
  const count = to.length / width;
  let position = -1;
  for (let entry = 0; entry < gaps.length; entry++) {
    position += gaps[entry]! + 1;
    if (position >= count) throw new FormatError(`${where}: entry ${entry} lies at ${position}, expected less than ${count}`);
    if (width === 1) to[position] = values[entry]!;
    else for (let p = 0; p < width; p++) to[position * width + p] = values[entry * width + p]!;
  }
  return to;
}
