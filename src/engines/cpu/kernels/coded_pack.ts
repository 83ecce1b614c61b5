/**
 * Weights kept in their compact code: panels [N / 4][K][4] of code words, two nibbles a byte where 4 bits are enough, and their decoders into the
 * [K][4] panel that the dense tile reads.
 */
import { NIBBLE_VALUES } from "../../../graph/code.ts";
import { fromFloat16Bits } from "../../../graph/float16.ts";
import type { CodebookCode, Float16Code, FloatCode, Int4Code, Int8Code, Int8CodebookCode } from "../../../graph/ir.ts";

interface Coded<T> {
  readonly n: number;
  readonly k: number;
  readonly bytes: number;
  /** Columns 4p … 4p + 3 of all k; columns beyond n hold anything. */
  decode(p: number, to: T): void;
}

export type CodedF32 = Coded<Float32Array>;
export type CodedI8 = Coded<Int8Array>;

export type CodedKind = "codebook4" | "codebook8" | "int4" | "int8" | "float16";

export function kindOf(code: FloatCode): CodedKind {
  return code.kind === "codebook" ? (code.table.length <= NIBBLE_VALUES ? "codebook4" : "codebook8") : code.kind;
}

/** @param first row of the code (rows of k) that is column 0 */
export function packCoded(code: FloatCode, first: number, n: number, k: number): CodedF32 {
  switch (code.kind) {
    case "codebook":
      return code.table.length <= NIBBLE_VALUES ? nibbleCodebook(code, first, n, k) : byteCodebook(code, first, n, k);
    case "int4":
      return int4(code, first, n, k);
    case "int8":
      return int8(code, first, n, k);
    case "float16":
      return float16(code, first, n, k);
  }
}

/** Calls `put(at, word)` for every weight, `at` its place in the panels. */
function forEachWord(words: ArrayLike<number>, first: number, n: number, k: number, put: (at: number, word: number) => void): void {
  for (let j = 0; j < n; j++) {
    const base = (j >> 2) * k * 4 + (j & 3);
    for (let i = 0; i < k; i++) put(base + i * 4, words[(first + j) * k + i]!);
  }
}

function packNibbles(words: ArrayLike<number>, first: number, n: number, k: number): Uint8Array {
  const packed = new Uint8Array(Math.ceil(n / 4) * k * 2);
  forEachWord(words, first, n, k, (at, word) => {
    packed[at >> 1] = packed[at >> 1]! | ((word & 15) << ((at & 1) * 4));
  });
  return packed;
}

function nibbleCodebook({ table, indices }: CodebookCode, first: number, n: number, k: number): CodedF32 {
  const packed = packNibbles(indices, first, n, k);
  return {
    n,
    k,
    bytes: packed.byteLength + table.byteLength,
    decode(p, to) {
      for (let at = p * k * 2, i = 0; i < k * 4; at += 2, i += 4) {
        const low = packed[at]!;
        const high = packed[at + 1]!;
        to[i] = table[low & 15]!;
        to[i + 1] = table[low >> 4]!;
        to[i + 2] = table[high & 15]!;
        to[i + 3] = table[high >> 4]!;
      }
    },
  };
}

/** As `packCoded`, of int8 weights with values of their own in each row. */
export function packCodedI8({ values, table, indices }: Int8CodebookCode, first: number, n: number, k: number): CodedI8 {
  const packed = packNibbles(indices, first, n, k);
  const own = table.slice(first * values, (first + n) * values);
  const last = (n - 1) * values;
  return {
    n,
    k,
    bytes: packed.byteLength + own.byteLength,
    decode(p, to) {
      const t0 = p * 4 * values;
      const t1 = Math.min(t0 + values, last);
      const t2 = Math.min(t0 + 2 * values, last);
      const t3 = Math.min(t0 + 3 * values, last);
      for (let at = p * k * 2, i = 0; i < k * 4; at += 2, i += 4) {
        const low = packed[at]!;
        const high = packed[at + 1]!;
        to[i] = own[t0 + (low & 15)]!;
        to[i + 1] = own[t1 + (low >> 4)]!;
        to[i + 2] = own[t2 + (high & 15)]!;
        to[i + 3] = own[t3 + (high >> 4)]!;
      }
    },
  };
}

function byteCodebook({ table, indices }: CodebookCode, first: number, n: number, k: number): CodedF32 {
  const packed = new Uint8Array(Math.ceil(n / 4) * k * 4);
  forEachWord(indices, first, n, k, (at, word) => (packed[at] = word));
  return {
    n,
    k,
    bytes: packed.byteLength + table.byteLength,
    decode(p, to) {
      for (let at = p * k * 4, i = 0; i < k * 4; at++, i++) to[i] = table[packed[at]!]!;
    },
  };
}

function int4({ codes, scales, block }: Int4Code, first: number, n: number, k: number): CodedF32 {
  const packed = packNibbles(codes, first, n, k);
  const blocks = Math.ceil(k / block);
  const own = scales.slice(first * blocks, (first + n) * blocks);
  return {
    n,
    k,
    bytes: packed.byteLength + own.byteLength,
    decode(p, to) {
      const column = p * 4;
      for (let b = 0; b < blocks; b++) {
        const s0 = own[column * blocks + b]!;
        const s1 = column + 1 < n ? own[(column + 1) * blocks + b]! : 0;
        const s2 = column + 2 < n ? own[(column + 2) * blocks + b]! : 0;
        const s3 = column + 3 < n ? own[(column + 3) * blocks + b]! : 0;
        const end = Math.min(k, (b + 1) * block) * 4;
        for (let i = b * block * 4, at = p * k * 2 + i / 2; i < end; i += 4, at += 2) {
          const low = packed[at]!;
          const high = packed[at + 1]!;
          // Shifts through bit 31 extend the sign of a nibble.
          to[i] = ((low << 28) >> 28) * s0;
          to[i + 1] = ((low << 24) >> 28) * s1;
          to[i + 2] = ((high << 28) >> 28) * s2;
          to[i + 3] = ((high << 24) >> 28) * s3;
        }
      }
    },
  };
}

function int8({ codes, scales }: Int8Code, first: number, n: number, k: number): CodedF32 {
  const packed = new Int8Array(Math.ceil(n / 4) * k * 4);
  forEachWord(codes, first, n, k, (at, word) => (packed[at] = word));
  const own = scales.slice(first, first + n);
  return {
    n,
    k,
    bytes: packed.byteLength + own.byteLength,
    decode(p, to) {
      const [s0, s1, s2, s3] = [own[p * 4]!, own[p * 4 + 1] ?? 0, own[p * 4 + 2] ?? 0, own[p * 4 + 3] ?? 0];
      for (let at = p * k * 4, i = 0; i < k * 4; at += 4, i += 4) {
        to[i] = packed[at]! * s0;
        to[i + 1] = packed[at + 1]! * s1;
        to[i + 2] = packed[at + 2]! * s2;
        to[i + 3] = packed[at + 3]! * s3;
      }
    },
  };
}

/** Moves the exponent of a float16, read as a float32's, to where it belongs; exact for zeros, subnormals and normals. */
const REBIAS = 2 ** 112;

function float16({ bits }: Float16Code, first: number, n: number, k: number): CodedF32 {
  const packed = new Uint16Array(Math.ceil(n / 4) * k * 4);
  forEachWord(bits, first, n, k, (at, word) => (packed[at] = word));
  const special = packed.some((word) => (word & 0x7c00) === 0x7c00);
  /** The bits of the last panel that was decoded into: it is always the same. */
  let words: Int32Array = new Int32Array(0);
  return {
    n,
    k,
    bytes: packed.byteLength,
    decode(p, to) {
      const start = p * k * 4;
      if (special) {
        for (let i = 0; i < k * 4; i++) to[i] = fromFloat16Bits(packed[start + i]!);
        return;
      }
      if (words.buffer !== to.buffer || words.byteOffset !== to.byteOffset) words = new Int32Array(to.buffer, to.byteOffset, k * 4);
      const target = words;
      for (let i = 0; i < k * 4; i++) {
        const word = packed[start + i]!;
        target[i] = ((word & 0x8000) << 16) | ((word & 0x7fff) << 13);
      }
      for (let i = 0; i < k * 4; i++) to[i] = to[i]! * REBIAS;
    },
  };
}
