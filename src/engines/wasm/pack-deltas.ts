/**
 * Streams of the delta-coded sparse kernels (tools/wasm-gen/sparse-pixels.ts): every output has a list of its own, whose entries say how
 * many bytes further the next input's row of pixels lies (the first: from the start of the block) instead of which row it is, so that the
 * kernel's pointer only moves. Each entry holds its weights beside it: one stream to read. Inputs can be any number.
 */
import type { WeightMatrix } from "./pack.ts";

/**
 * Per output: [count u32][bias f32][count × (delta i32, weight f32)].
 * @param live per output, its inputs
 * @param rowBytes between the rows of neighbouring inputs
 */
export function packDeltasF32(
  matrix: WeightMatrix<Float32Array>,
  live: readonly Int32Array[],
  bias: Float32Array,
  rowBytes: number,
): Uint32Array {
  const words = live.reduce((sum, { length }) => sum + 2 + 2 * length, 0);
  const view = new DataView(new ArrayBuffer(words * 4));
  let at = 0;
  live.forEach((indices, o) => {
    view.setUint32(at, indices.length, true);
    view.setFloat32(at + 4, bias[o]!, true);
    at += 8;
    let before = 0;
    for (const k of indices) {
      view.setInt32(at, (k - before) * rowBytes, true);
      view.setFloat32(at + 4, matrix.data[matrix.offset + o * matrix.k + k]!, true);
      before = k;
      at += 8;
    }
  });
  return new Uint32Array(view.buffer);
}

/**
 * Per output: [pairs u32][bias i32][scale f32][pairs × (delta i32, delta i32, 2 weights i16)], two inputs a step for the int16 dot product.
 * @param live per output, its inputs; an odd number is filled up by its last with a weight of zero
 * @param rowBytes between the rows of neighbouring inputs
 */
export function packDeltasI8(
  matrix: WeightMatrix<Int16Array>,
  live: readonly Int32Array[],
  bias: Int32Array,
  scales: Float32Array,
  rowBytes: number,
): Uint32Array {
  const words = live.reduce((sum, { length }) => sum + 3 + 3 * Math.ceil(length / 2), 0);
  const view = new DataView(new ArrayBuffer(words * 4));
  let at = 0;
  live.forEach((indices, o) => {
    const pairs = Math.ceil(indices.length / 2);
    view.setUint32(at, pairs, true);
    view.setInt32(at + 4, bias[o]!, true);
    view.setFloat32(at + 8, scales[o]!, true);
    at += 12;
    let before = 0;
    for (let pair = 0; pair < pairs; pair++, at += 12) {
      for (const half of [0, 1]) {
        const k = indices[pair * 2 + half];
        if (k === undefined) continue;
        view.setInt32(at + half * 4, (k - before) * rowBytes, true);
        view.setInt16(at + 8 + half * 2, matrix.data[matrix.offset + o * matrix.k + k]!, true);
        before = k;
      }
    }
  });
  return new Uint32Array(view.buffer);
}
