/**
 * Streams of the sparse kernels whose lists hold 16-bit row numbers: pixel-tiled ones (tools/wasm-gen/sparse-pixels.ts) and one-row ones
 * (sparse-vector.ts). Per list of outputs: how many entries, the bias (and scales), the row numbers, the weights.
 */
import type { WeightMatrix } from "./pack.ts";

/** Row numbers have 16 bits. */
export const MAX_ROW = 65535;

export interface ListFormat {
  /** Outputs that share a list. */
  readonly outputs: 1 | 4 | 8;
  /** Entries come in steps of so many; the last step is filled up with weights of zero. */
  readonly step: number;
  /** Row number of input 1: inputs are so many units apart. */
  readonly stride: number;
}

/** Where the parts of one list lie, in bytes from its start. */
interface ListLayout {
  readonly entries: number;
  readonly bias: number;
  readonly scales: number;
  readonly rows: number;
  readonly values: number;
  readonly bytes: number;
}

const align = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

/** Lists of several outputs are read in whole vectors, so their parts start at multiples of 16 bytes. */
function layoutOf(live: number, { outputs, step }: ListFormat, elementBytes: 4 | 2): ListLayout {
  const entries = align(live, step);
  const alignment = outputs === 1 ? 4 : 16;
  const bias = alignment;
  const scales = bias + outputs * 4;
  const rows = elementBytes === 4 ? scales : scales + outputs * 4;
  const values = align(rows + entries * 2, alignment);
  return { entries, bias, scales, rows, values, bytes: align(values + entries * outputs * elementBytes, alignment) };
}

/** @param live per list, its inputs */
export function packListsF32(
  matrix: WeightMatrix<Float32Array>,
  live: readonly Int32Array[],
  bias: Float32Array,
  format: ListFormat,
): Uint32Array {
  return pack(live, format, 4, (view, at, layout, list, indices) => {
    for (let lane = 0; lane < format.outputs; lane++) {
      const o = list * format.outputs + lane;
      if (o >= matrix.n) break;
      view.setFloat32(at + layout.bias + lane * 4, bias[o]!, true);
      indices.forEach((k, e) => {
        view.setFloat32(at + layout.values + (e * format.outputs + lane) * 4, matrix.data[matrix.offset + o * matrix.k + k]!, true);
      });
    }
  });
}

/** Two entries a step, for the int16 dot product. */
export function packListsI8(
  matrix: WeightMatrix<Int16Array>,
  live: readonly Int32Array[],
  bias: Int32Array,
  scales: Float32Array,
  format: ListFormat,
): Uint32Array {
  return pack(live, { ...format, step: 2 }, 2, (view, at, layout, list, indices) => {
    view.setUint32(at, layout.entries / 2, true);
    for (let lane = 0; lane < format.outputs; lane++) {
      const o = list * format.outputs + lane;
      if (o >= matrix.n) break;
      view.setInt32(at + layout.bias + lane * 4, bias[o]!, true);
      view.setFloat32(at + layout.scales + lane * 4, scales[o]!, true);
      indices.forEach((k, e) => {
        const word = (e >> 1) * format.outputs + lane;
        view.setInt16(at + layout.values + word * 4 + (e & 1) * 2, matrix.data[matrix.offset + o * matrix.k + k]!, true);
      });
    }
  });
}

/** Counts and row numbers; `fill` writes the rest. */
function pack(
  live: readonly Int32Array[],
  format: ListFormat,
  elementBytes: 4 | 2,
  fill: (view: DataView, at: number, layout: ListLayout, list: number, indices: Int32Array) => void,
): Uint32Array {
  const layouts = live.map((indices) => layoutOf(indices.length, format, elementBytes));
  const packed = new Uint32Array(layouts.reduce((sum, { bytes }) => sum + bytes, 0) / 4);
  const view = new DataView(packed.buffer);
  let at = 0;
  live.forEach((indices, list) => {
    const layout = layouts[list]!;
    view.setUint32(at, layout.entries, true);
    for (let e = 0; e < layout.entries; e++) {
      // What fills the last step reads an input that the list reads anyway.
      const k = indices[Math.min(e, indices.length - 1)]!;
      view.setUint16(at + layout.rows + e * 2, k * format.stride, true);
    }
    fill(view, at, layout, list, indices);
    at += layout.bytes;
  });
  return packed;
}
