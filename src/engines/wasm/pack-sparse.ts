/**
 * Streams of the sparse kernels: per list of outputs, the inputs with any non-zero weight, and their weights (tools/wasm-gen/sparse.ts,
 * sparse-pixels.ts and sparse-vector.ts). A kernel and its packer change together.
 */
import { PANEL } from "./pack.ts";
import type { WeightMatrix } from "./pack.ts";

type Matrix = WeightMatrix<Float32Array | Int16Array>;

/** Per `outputs` consecutive outputs, the indices k at which any of them has a non-zero weight. */
export function liveIndices({ data, offset, n, k }: Matrix, outputs = PANEL): readonly Int32Array[] {
  const live = new Int32Array(k);
  return Array.from({ length: Math.ceil(n / outputs) }, (_, list) => {
    const last = offset + Math.min(n, (list + 1) * outputs) * k;
    let count = 0;
    for (let i = 0; i < k; i++) {
      let at = offset + list * outputs * k + i;
      while (at < last && data[at] === 0) at += k;
      if (at < last) live[count++] = i;
    }
    return live.slice(0, count);
  });
}

/** Share of blocks of `outputs` consecutive outputs × 1 input that are all zero. */
export function zeroShare({ data, offset, n, k }: Matrix, outputs: number): number {
  let zeros = 0;
  for (let first = 0; first < n; first += outputs) {
    const last = offset + Math.min(n, first + outputs) * k;
    for (let i = 0; i < k; i++) {
      let at = offset + first * k + i;
      while (at < last && data[at] === 0) at += k;
      if (at >= last) zeros++;
    }
  }
  const blocks = Math.ceil(n / outputs) * k;
  return blocks === 0 ? 0 : zeros / blocks;
}

/** @param byteOffset of input k from the start of a row */
export function packSparseF32(
  matrix: WeightMatrix<Float32Array>,
  live: readonly Int32Array[],
  bias: Float32Array,
  byteOffset: (k: number) => number,
): Uint32Array {
  const words = live.map((indices) => 12 + Math.ceil(indices.length / 4) * 4 + indices.length * PANEL);
  const packed = new Uint32Array(words.reduce((sum, w) => sum + w, 0));
  const floats = new Float32Array(packed.buffer);
  let base = 0;
  live.forEach((indices, panel) => {
    packed[base] = indices.length;
    const values = base + 12 + Math.ceil(indices.length / 4) * 4;
    for (let lane = 0; lane < PANEL; lane++) {
      const o = panel * PANEL + lane;
      if (o >= matrix.n) break;
      floats[base + 4 + lane] = bias[o]!;
      indices.forEach((k, i) => (floats[values + i * PANEL + lane] = matrix.data[matrix.offset + o * matrix.k + k]!));
    }
    indices.forEach((k, i) => (packed[base + 12 + i] = byteOffset(k)));
    base += words[panel]!;
  });
  return packed;
}

/** Two inputs a step; an odd last one is paired with itself at weight 0. */
export function packSparseI8(
  matrix: WeightMatrix<Int16Array>,
  live: readonly Int32Array[],
  bias: Int32Array,
  scales: Float32Array,
  byteOffset: (k: number) => number,
): Uint32Array {
  const pairsOf = (indices: Int32Array): number => Math.ceil(indices.length / 2);
  const words = live.map((indices) => 20 + Math.ceil(pairsOf(indices) / 2) * 4 + pairsOf(indices) * PANEL);
  const packed = new Uint32Array(words.reduce((sum, w) => sum + w, 0));
  const ints = new Int32Array(packed.buffer);
  const floats = new Float32Array(packed.buffer);
  const halves = new Int16Array(packed.buffer);
  let base = 0;
  live.forEach((indices, panel) => {
    const pairs = pairsOf(indices);
    packed[base] = pairs;
    const values = base + 20 + Math.ceil(pairs / 2) * 4;
    for (let lane = 0; lane < PANEL; lane++) {
      const o = panel * PANEL + lane;
      if (o >= matrix.n) break;
      ints[base + 4 + lane] = bias[o]!;
      floats[base + 12 + lane] = scales[o]!;
      indices.forEach((k, i) => {
        halves[(values + (i >> 1) * PANEL + lane) * 2 + (i & 1)] = matrix.data[matrix.offset + o * matrix.k + k]!;
      });
    }
    for (let i = 0; i < pairs * 2; i++) packed[base + 20 + i] = byteOffset(indices[Math.min(i, indices.length - 1)]!);
    base += words[panel]!;
  });
  return packed;
}
