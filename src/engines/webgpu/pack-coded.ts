/**
 * Weights in their compact code, in the layouts of shaders/code: blocks of four k × four columns, [group][k/4][ceil(n/4)], as the dense
 * packing orders them. What a code cannot express in that layout is said by `undefined`, and the layer keeps expanded weights.
 */
import { NIBBLE_VALUES, MOST_VALUES, blocksOf, isByRows } from "../../graph/code.ts";
import type { CodebookCode, Float16Code, Int4Code, Int8Code, Shape, FloatCode } from "../../graph/ir.ts";
import { eachRow, kUnits } from "./pack.ts";
import type { GemmShape, SourceAt } from "./pack.ts";

export type CodedKind = "codebook4" | "codebook8" | "int4" | "int8" | "float16";

export interface PackedCode {
  readonly kind: CodedKind;
  /** Binding 3. */
  readonly codes: Uint32Array;
  /** Binding 5: a codebook's values, or scales [group][block of k][ceil(n/4)·4]. */
  readonly table?: Float32Array;
  /** int4, int8: units of four k that share a scale. */
  readonly scaleUnits?: number;
}

/** @param shape of the constant */
export function packCode(code: FloatCode, gemm: GemmShape, source: SourceAt, shape: Shape): PackedCode | undefined {
  if (!isByRows(code)) return undefined;
  switch (code.kind) {
    case "codebook":
      return packCodebook(code, gemm, source);
    case "float16":
      return packFloat16(code, gemm, source);
    case "int4":
      return packInt4(code, gemm, source, shape);
    case "int8":
      return packInt8(code, gemm, source);
  }
}

/** Runs whose tail reads a neighbour's values: the weights there must be zeros. */
function needsZeros(gemm: GemmShape): boolean {
  return gemm.run % 4 !== 0 && gemm.segmentsY * gemm.segmentsX > 1;
}

function packCodebook({ table, indices }: CodebookCode, gemm: GemmShape, source: SourceAt): PackedCode | undefined {
  if (!table.every((value) => Number.isFinite(value))) return undefined;
  let values = table;
  let zero = 0;
  if (needsZeros(gemm)) {
    zero = table.indexOf(0);
    if (zero < 0) {
      zero = table.length;
      if (zero >= MOST_VALUES) return undefined;
      values = Float32Array.of(...table, 0);
    }
  }
  const codeAt = (at: number): number => (at < 0 ? zero : indices[at]!);
  return values.length <= NIBBLE_VALUES
    ? { kind: "codebook4", codes: packNibbles(gemm, source, codeAt, zero), table: values }
    : { kind: "codebook8", codes: packBytes(gemm, source, codeAt, zero), table: values };
}

function packFloat16({ bits }: Float16Code, gemm: GemmShape, source: SourceAt): PackedCode | undefined {
  // WGSL lets an implementation assume that there are no infinities and NaNs.
  if (bits.some((word) => (word & 0x7c00) === 0x7c00)) return undefined;
  const halves = new Uint16Array(elements(gemm));
  eachWeight(gemm, source, (at, k, j, width) => {
    halves[k * width + j] = at < 0 ? 0 : bits[at]!;
  });
  return { kind: "float16", codes: interleaveRows(halves, gemm) };
}

/** [k][n] halves → [k/4][n/4][4 rows][4 columns] */
function interleaveRows(halves: Uint16Array, gemm: GemmShape): Uint32Array {
  const width = paddedColumns(gemm);
  const out = new Uint16Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const k = Math.floor(i / width);
    const j = i % width;
    out[((k >> 2) * (width >> 2) + (j >> 2)) * 16 + (k & 3) * 4 + (j & 3)] = halves[i]!;
  }
  return new Uint32Array(out.buffer);
}

function packInt4(code: Int4Code, gemm: GemmShape, source: SourceAt, shape: Shape): PackedCode | undefined {
  // A unit of four k has one scale: blocks must consist of units, in the order of the file.
  if (code.block % 4 !== 0 || needsZeros(gemm)) return undefined;
  const scaleUnits = code.block / 4;
  const { blocks } = blocksOf(code, shape);
  const width = paddedColumns(gemm);
  const rows = Math.ceil(kUnits(gemm) / scaleUnits);
  const table = new Float32Array(gemm.groups * rows * width);
  for (let o = 0; o < gemm.groups * gemm.groupOut; o++) {
    const base = Math.floor(o / gemm.groupOut) * rows * width + (o % gemm.groupOut);
    for (let b = 0; b < Math.min(rows, blocks); b++) table[base + b * width] = code.scales[o * blocks + b]!;
  }
  const codeAt = (at: number): number => (at < 0 ? 0 : code.codes[at]! & 15);
  return { kind: "int4", codes: packNibbles(gemm, source, codeAt, 0), table, scaleUnits };
}

/** One block over all k: padding inside a row does no harm. */
function packInt8({ codes, scales }: Int8Code, gemm: GemmShape, source: SourceAt): PackedCode {
  const width = paddedColumns(gemm);
  const table = new Float32Array(gemm.groups * width);
  for (let o = 0; o < gemm.groups * gemm.groupOut; o++) {
    table[Math.floor(o / gemm.groupOut) * width + (o % gemm.groupOut)] = scales[o]!;
  }
  const codeAt = (at: number): number => (at < 0 ? 0 : codes[at]! & 255);
  return { kind: "int8", codes: packBytes(gemm, source, codeAt, 0), table, scaleUnits: kUnits(gemm) };
}

function paddedColumns({ groupOut }: GemmShape): number {
  return Math.ceil(groupOut / 4) * 4;
}

/** Weights of all groups, padding included. */
function elements(gemm: GemmShape): number {
  return gemm.groups * kUnits(gemm) * 4 * paddedColumns(gemm);
}

/** Every weight's place in the data, its row over all groups, its column, and the columns of a group with padding. */
function eachWeight(gemm: GemmShape, source: SourceAt, visit: (at: number, k: number, j: number, width: number) => void): void {
  const width = paddedColumns(gemm);
  const depth = kUnits(gemm) * 4;
  for (let g = 0; g < gemm.groups; g++) {
    eachRow(gemm, (k, sy, sx, p) => {
      for (let j = 0; j < gemm.groupOut; j++) visit(source(g * gemm.groupOut + j, sy, sx, p), g * depth + k, j, width);
    });
  }
}

/** Two words a block: nibble (k & 3) × 4 + (j & 3). */
function packNibbles(gemm: GemmShape, source: SourceAt, codeAt: (at: number) => number, zero: number): Uint32Array {
  const words = new Uint32Array(elements(gemm) / 8).fill(zero * 0x11111111);
  eachWeight(gemm, source, (at, k, j, width) => {
    const word = ((k >> 2) * (width >> 2) + (j >> 2)) * 2 + ((k >> 1) & 1);
    const shift = ((k & 1) * 4 + (j & 3)) * 4;
    words[word] = (words[word]! & ~(15 << shift)) | (codeAt(at) << shift);
  });
  return words;
}

/** Four words a block, one a row. */
function packBytes(gemm: GemmShape, source: SourceAt, codeAt: (at: number) => number, zero: number): Uint32Array {
  const bytes = new Uint8Array(elements(gemm)).fill(zero);
  eachWeight(gemm, source, (at, k, j, width) => {
    bytes[((k >> 2) * (width >> 2) + (j >> 2)) * 16 + (k & 3) * 4 + (j & 3)] = codeAt(at);
  });
  return new Uint32Array(bytes.buffer);
}

/** Scale rows that a kernel's uniform names. */
export function scaleRows(gemm: GemmShape, scaleUnits: number): number {
  return Math.ceil(kUnits(gemm) / scaleUnits);
}
