/**
 * Streams of the kernels that execute weights from their compact code (tools/wasm-gen/coded.ts): panels of 8 outputs for many rows of
 * inputs, up to three panels side by side for one row.
 */
import { NIBBLE_VALUES } from "../../graph/code.ts";
import type { FloatCode } from "../../graph/ir.ts";
import { PANEL } from "./pack.ts";

export type CodedKind = "codebook4" | "codebook8" | "int4" | "int8" | "float16";

/** n rows of k weights, from row `first` of a code of rows of k. */
export interface CodedMatrix {
  readonly code: FloatCode;
  readonly first: number;
  readonly n: number;
  readonly k: number;
}

export function kindOf(code: FloatCode): CodedKind {
  return code.kind === "codebook" ? (code.table.length <= NIBBLE_VALUES ? "codebook4" : "codebook8") : code.kind;
}

/** Panels side by side in a row stream. */
const SIDE_BY_SIDE = 3;
const BIAS_BYTES = PANEL * 4;

/** Inputs from `from` of a matrix that share scales, or all of them. */
interface Run {
  readonly from: number;
  readonly length: number;
  /** Scale of an output. */
  readonly scale?: (row: number) => number;
}

function runsOf({ code, k }: CodedMatrix): readonly Run[] {
  if (code.kind === "int8") return [{ from: 0, length: k, scale: (row) => code.scales[row]! }];
  if (code.kind !== "int4") return [{ from: 0, length: k }];
  const { block, scales } = code;
  const blocks = Math.ceil(k / block);
  return Array.from({ length: blocks }, (_, b) => ({
    from: b * block,
    length: Math.min(block, k - b * block),
    scale: (row: number) => scales[row * blocks + b]!,
  }));
}

/** Words of a code: indices, 4 or 8 bits of two's complement, or float16 bits. */
function wordsOf(code: FloatCode): (at: number) => number {
  switch (code.kind) {
    case "codebook":
      return (at) => code.indices[at]!;
    case "int4":
      return (at) => code.codes[at]! & 15;
    case "int8":
      return (at) => code.codes[at]! & 255;
    case "float16":
      return (at) => code.bits[at]!;
  }
}

function isBytes(kind: CodedKind): boolean {
  return kind === "codebook8" || kind === "int8";
}

/** One byte array under its views. */
class Stream {
  readonly bytes: Uint8Array;
  readonly floats: Float32Array;
  readonly halves: Uint16Array;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.floats = new Float32Array(this.bytes.buffer);
    this.halves = new Uint16Array(this.bytes.buffer);
  }
}

/** Bytes of one panel of `packPanels`. */
function panelBytes(matrix: CodedMatrix): number {
  const kind = kindOf(matrix.code);
  return runsOf(matrix).reduce((sum, run) => sum + (run.scale === undefined ? 0 : BIAS_BYTES) + runBytes(kind, run.length), BIAS_BYTES);
}

function runBytes(kind: CodedKind, length: number): number {
  if (isBytes(kind)) return length * PANEL;
  return kind === "float16" ? length * PANEL * 2 : Math.ceil(length / 4) * 16;
}

/** [N / 8] panels, zero beyond N. @param bias of the n outputs */
export function packPanels(matrix: CodedMatrix, bias: Float32Array): Uint8Array {
  const { code, first, n, k } = matrix;
  const kind = kindOf(code);
  const word = wordsOf(code);
  const bytes = panelBytes(matrix);
  const stream = new Stream(Math.ceil(n / PANEL) * bytes);
  const runs = runsOf(matrix);
  for (let o = 0; o < n; o++) {
    const lane = o % PANEL;
    let base = Math.floor(o / PANEL) * bytes;
    stream.floats[base / 4 + lane] = bias[o]!;
    base += BIAS_BYTES;
    for (const { from, length, scale } of runs) {
      if (scale !== undefined) {
        stream.floats[base / 4 + lane] = scale(first + o);
        base += BIAS_BYTES;
      }
      for (let i = 0; i < length; i++) {
        const w = word((first + o) * k + from + i);
        if (isBytes(kind)) stream.bytes[base + i * PANEL + lane] = w;
        else if (kind === "float16") stream.halves[base / 2 + i * PANEL + lane] = w;
        else {
          const at = base + (i >> 2) * 16 + (i & 1) * PANEL + lane;
          stream.bytes[at] = stream.bytes[at]! | (w << ((i & 2) * 2));
        }
      }
      base += runBytes(kind, length);
    }
  }
  return stream.bytes;
}

/** Bytes of `panels` panels side by side in `packRow`. */
function rowBytes(matrix: CodedMatrix, panels: number): number {
  const scales = runsOf(matrix).filter((run) => run.scale !== undefined).length;
  return panels * (BIAS_BYTES * (1 + scales) + matrix.k * rowStep(kindOf(matrix.code)));
}

function rowStep(kind: CodedKind): number {
  if (isBytes(kind)) return PANEL;
  return kind === "float16" ? PANEL * 2 : PANEL / 2;
}

/** Groups of three panels, the last of what is left. @param bias of the n outputs */
export function packRow(matrix: CodedMatrix, bias: Float32Array): Uint8Array {
  const { code, first, n, k } = matrix;
  const kind = kindOf(code);
  const word = wordsOf(code);
  const runs = runsOf(matrix);
  const all = Math.ceil(n / PANEL);
  const stream = new Stream(rowBytes(matrix, all));
  for (let o = 0; o < n; o++) {
    const group = Math.floor(o / PANEL / SIDE_BY_SIDE);
    const panels = Math.min(SIDE_BY_SIDE, all - group * SIDE_BY_SIDE);
    /** Among the outputs of the group. */
    const lane = o - group * SIDE_BY_SIDE * PANEL;
    const step = panels * rowStep(kind);
    let base = rowBytes(matrix, group * SIDE_BY_SIDE);
    stream.floats[base / 4 + lane] = bias[o]!;
    base += panels * BIAS_BYTES;
    for (const { from, length, scale } of runs) {
      if (scale !== undefined) {
        stream.floats[base / 4 + lane] = scale(first + o);
        base += panels * BIAS_BYTES;
      }
      for (let i = 0; i < length; i++) {
        const w = word((first + o) * k + from + i);
        if (isBytes(kind)) stream.bytes[base + i * step + lane] = w;
        else if (kind === "float16") stream.halves[(base + i * step) / 2 + lane] = w;
        else {
          const at = base + i * step + (lane >> 1);
          stream.bytes[at] = stream.bytes[at]! | (w << ((lane & 1) * 4));
        }
      }
      base += length * step;
    }
  }
  return stream.bytes;
}

/** Values of the 16 possible indices: of a codebook (zero beyond its end), or of int4's two's complement. */
export function nibbleValues(code: FloatCode): Float32Array {
  const values = new Float32Array(NIBBLE_VALUES);
  if (code.kind === "codebook") values.set(code.table);
  else for (let i = 0; i < NIBBLE_VALUES; i++) values[i] = i < 8 ? i : i - 16;
  return values;
}

/** Byte b of the 16 values in vector b, for the swizzles. */
export function bytePlanes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return Uint8Array.from(bytes, (_, i) => bytes[(i % NIBBLE_VALUES) * 4 + Math.floor(i / NIBBLE_VALUES)]!);
}

/** The two values of each byte of two indices, low one first. */
export function pairTable(values: Float32Array): Float32Array {
  return Float32Array.from({ length: 512 }, (_, i) => values[(i & 1) === 0 ? (i >> 1) & 15 : i >> 5]!);
}

/** Whether any word is an infinity or a NaN. */
export function hasSpecial(bits: Uint16Array): boolean {
  return bits.some((word) => (word & 0x7c00) === 0x7c00);
}
