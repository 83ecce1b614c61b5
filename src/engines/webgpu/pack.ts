/**
 * Weights in the layouts of the WGSL GEMM kernels. k is ordered (kernel row, segment, channel): a *run* of consecutive input values is
 * padded to a multiple of four, so that a kernel reads whole vec4s (or words) without crossing into the next run.
 */
import type { ScaleWords } from "../../graph/fixed-point.ts";

/** One convolution (or dense layer: one tap, everything in one run) as a matrix product. */
export interface GemmShape {
  readonly groups: number;
  /** Output channels of one group. */
  readonly groupOut: number;
  /** Kernel rows. */
  readonly segmentsY: number;
  /** Runs of a kernel row: 1 when columns and channels form one run. */
  readonly segmentsX: number;
  /** Values of a run; of bytes with the tails of pixels that are not a multiple of four, when columns are merged. */
  readonly run: number;
  /** Values of a run that are weights and not such tails. */
  readonly runWeights: number;
}

export function runUnits(shape: GemmShape): number {
  return Math.ceil(shape.run / 4);
}

/** Units of four along k. */
export function kUnits(shape: GemmShape): number {
  return shape.segmentsY * shape.segmentsX * runUnits(shape);
}

/** Weight of output channel o (over all groups) at kernel row, segment and position in the run. */
export type WeightAt = (o: number, segmentY: number, segmentX: number, position: number) => number;

/** Where that weight lies in the constant's data; -1 for padding. */
export type SourceAt = WeightAt;

/** Encodes where an input value lies relative to its window (or row); undefined when it does not fit. */
export type PositionAt = (segmentY: number, segmentX: number, position: number) => number | undefined;

/** Every row of the packed weights that is not padding. */
export function eachRow(shape: GemmShape, visit: (k: number, segmentY: number, segmentX: number, position: number) => void): void {
  const padded = runUnits(shape) * 4;
  let first = 0;
  for (let sy = 0; sy < shape.segmentsY; sy++) {
    for (let sx = 0; sx < shape.segmentsX; sx++, first += padded) {
      for (let p = 0; p < shape.run; p++) visit(first + p, sy, sx, p);
    }
  }
}

/** [group][k][ceil(n/4)·4] float32 */
export function packFloatGemm(shape: GemmShape, weight: WeightAt): Float32Array {
  const n = Math.ceil(shape.groupOut / 4) * 4;
  const k = kUnits(shape) * 4;
  const packed = new Float32Array(shape.groups * k * n);
  for (let g = 0; g < shape.groups; g++) {
    eachRow(shape, (row, sy, sx, p) => {
      for (let j = 0; j < shape.groupOut; j++) packed[(g * k + row) * n + j] = weight(g * shape.groupOut + j, sy, sx, p);
    });
  }
  return packed;
}

/** [group][k/4][ceil(n/4)·4] words: four consecutive k of one column */
export function packIntegerGemm(shape: GemmShape, weight: WeightAt): Uint32Array {
  const n = Math.ceil(shape.groupOut / 4) * 4;
  const k4 = kUnits(shape);
  const bytes = new Int8Array(shape.groups * k4 * n * 4);
  for (let g = 0; g < shape.groups; g++) {
    eachRow(shape, (row, sy, sx, p) => {
      const at = (g * k4 + (row >> 2)) * n * 4 + (row & 3);
      for (let j = 0; j < shape.groupOut; j++) bytes[at + j * 4] = weight(g * shape.groupOut + j, sy, sx, p);
    });
  }
  return new Uint32Array(bytes.buffer);
}

/** [group][ceil(n/4)·4][k/4] words: a column's k side by side */
export function packIntegerRows(shape: GemmShape, weight: WeightAt): Uint32Array {
  const n = Math.ceil(shape.groupOut / 4) * 4;
  const k = kUnits(shape) * 4;
  const bytes = new Int8Array(shape.groups * n * k);
  for (let g = 0; g < shape.groups; g++) {
    eachRow(shape, (row, sy, sx, p) => {
      for (let j = 0; j < shape.groupOut; j++) bytes[(g * n + j) * k + row] = weight(g * shape.groupOut + j, sy, sx, p);
    });
  }
  return new Uint32Array(bytes.buffer);
}

/** Per group, padded to a multiple of `tile` with zeros. */
export function padPerGroup(values: Float32Array, groups: number, tile: number): Float32Array {
  const groupOut = values.length / groups;
  const padded = Math.ceil(groupOut / tile) * tile;
  const out = new Float32Array(groups * padded);
  for (let g = 0; g < groups; g++) out.set(values.subarray(g * groupOut, (g + 1) * groupOut), g * padded);
  return out;
}

/** `Columns` of common/i8_store.wgsl: by four output channels, vec4 of bias then of each word of the scale; per group padded to `tile`. */
export function packColumns(bias: Int32Array, scales: ScaleWords, groups: number, tile: number): Uint32Array {
  const groupOut = bias.length / groups;
  const padded = Math.ceil(groupOut / tile) * tile;
  const words = 1 + scales.count;
  const packed = new Int32Array(groups * padded * words);
  for (let g = 0; g < groups; g++) {
    for (let j = 0; j < groupOut; j++) {
      const at = ((g * padded + j) >> 2) * 4 * words + (j & 3);
      const channel = g * groupOut + j;
      packed[at] = bias[channel]!;
      scales.words(channel).forEach((word, i) => (packed[at + 4 * (1 + i)] = word));
    }
  }
  return new Uint32Array(packed.buffer);
}
