/**
 * Bit streams, the first bit of a byte its highest. A reader takes its bytes in pieces as they arrive: decoders are generators that yield
 * wherever they need more, so the inner loops know nothing of pieces.
 */

/** Yields for every further piece that it needs. */
export type Decoding<T> = Generator<undefined, T, undefined>;

export class BitWriter {
  readonly #bytes: Uint8Array;
  #at = 0;
  #pending = 0;
  #count = 0;

  /** @param bits exactly as many as will be written */
  constructor(bits: number) {
    this.#bytes = new Uint8Array(Math.ceil(bits / 8));
  }

  /** @param length 0..24 */
  write(value: number, length: number): void {
    this.#pending = (this.#pending << length) | value;
    this.#count += length;
    while (this.#count >= 8) {
      this.#count -= 8;
      this.#bytes[this.#at++] = this.#pending >>> this.#count;
    }
    this.#pending &= (1 << this.#count) - 1;
  }

  /** The last byte is filled up with zeros. */
  finish(): Uint8Array {
    if (this.#count > 0) this.#bytes[this.#at++] = this.#pending << (8 - this.#count);
    this.#count = 0;
    return this.#bytes.subarray(0, this.#at);
  }
}

/** The loops of decoders work on copies of these fields and write them back before they yield. */
export class BitReader {
  chunk: Uint8Array = new Uint8Array(0);
  /** Next byte of the chunk. */
  at = 0;
  /** The lowest `bits` bits of `pending` are yet to be read. */
  pending = 0;
  bits = 0;

  /** The piece before must have been used up, which is when decoders yield. */
  feed(chunk: Uint8Array): void {
    this.chunk = chunk;
    this.at = 0;
  }

  /** @param length 1..24 */
  *read(length: number): Decoding<number> {
    while (this.bits < length) {
      while (this.at === this.chunk.length) yield;
      this.pending = (this.pending << 8) | this.chunk[this.at++]!;
      this.bits += 8;
    }
    this.bits -= length;
    return (this.pending >>> this.bits) & ((1 << length) - 1);
  }

  /** Whether all bytes of the chunk are used and what is left of the last one is zeros. */
  get isSpent(): boolean {
    return this.at === this.chunk.length && this.bits < 8 && (this.pending & ((1 << this.bits) - 1)) === 0;
  }
}
