/**
 * Streams of the sparse tiles over the 8-bit dot product (tools/wasm-gen/sparse-dot.ts). A step multiplies up to four inputs of every output
 * of a list, all of which lie within 16 bytes.
 */
import { PANEL } from "./pack.ts";
import { liveIndices } from "./pack-sparse.ts";
import type { WeightMatrix } from "./pack.ts";

/** Inputs of one step and output, and the bytes among which they lie. */
const QUAD = 4;
const WINDOW_BYTES = 16;

/** Outputs of a list. */
const OUTPUTS = PANEL;

/** Whether the outputs of a list have the same inputs, or each its own, so that zeros may be anywhere. */
export type DotLists = "shared" | "own";
/** Count, bias, scales. */
const HEADER_WORDS = 4 + OUTPUTS * 2;

/**
 * Steps of a list, each from the first input that is left; it takes what fits.
 * @param live inputs of every output of a list, or of the list
 * @param byteOffset of input k from the start of a window, ascending
 * @param visit with the step's number, where its 16 bytes start, and its part of every list of inputs
 * @returns how many
 */
function walkSteps(
  live: readonly Int32Array[],
  byteOffset: (k: number) => number,
  visit?: (step: number, from: number, parts: readonly (readonly [first: number, end: number])[]) => void,
): number {
  const next = new Int32Array(live.length);
  for (let step = 0; ; step++) {
    let from = Infinity;
    for (let o = 0; o < live.length; o++) {
      const list = live[o]!;
      if (next[o]! < list.length) from = Math.min(from, byteOffset(list[next[o]!]!));
    }
    if (from === Infinity) return step;
    const before = visit === undefined ? next : next.slice();
    for (let o = 0; o < live.length; o++) {
      const list = live[o]!;
      const last = Math.min(list.length, next[o]! + QUAD);
      let end = next[o]!;
      while (end < last && byteOffset(list[end]!) < from + WINDOW_BYTES) end++;
      next[o] = end;
    }
    visit?.(
      step,
      from,
      live.map((_, o) => [before[o]!, next[o]!]),
    );
  }
}

/** Per output (or, where shared, per list) the inputs with a non-zero weight. */
function liveOf(matrix: WeightMatrix<Int16Array>, lists: DotLists): readonly (readonly Int32Array[])[] {
  const live = liveIndices(matrix, lists === "own" ? 1 : OUTPUTS);
  if (lists === "shared") return live.map((list) => [list]);
  return Array.from({ length: Math.ceil(matrix.n / OUTPUTS) }, (_, l) => live.slice(l * OUTPUTS, (l + 1) * OUTPUTS));
}

/** Places for weights in the steps of all lists, and how many of those hold one that is not skipped. */
export function countPlaces(
  matrix: WeightMatrix<Int16Array>,
  lists: DotLists,
  byteOffset: (k: number) => number,
): { readonly places: number; readonly live: number } {
  const all = liveOf(matrix, lists);
  const steps = all.reduce((sum, list) => sum + walkSteps(list, byteOffset), 0);
  const live = all.flat().reduce((sum, { length }) => sum + length, 0);
  return { places: steps * QUAD * OUTPUTS, live: lists === "own" ? live : live * OUTPUTS };
}

/**
 * @param matrix signed bytes
 * @param bias the input's zero point taken off
 * @param byteOffset of input k from the start of a window, ascending
 */
export function packSparseDot(
  matrix: WeightMatrix<Int16Array>,
  lists: DotLists,
  bias: Int32Array,
  scales: Float32Array,
  byteOffset: (k: number) => number,
): Uint32Array {
  const { data, offset, n, k } = matrix;
  const own = lists === "own";
  const [front, body] = own ? [1, OUTPUTS * 2] : [2, OUTPUTS];
  const all = liveOf(matrix, lists);
  const counts = all.map((live) => walkSteps(live, byteOffset));
  const wordsOf = (steps: number): number => HEADER_WORDS + Math.ceil((steps * front) / 4) * 4 + steps * body;
  const packed = new Uint32Array(counts.reduce((sum, steps) => sum + wordsOf(steps), 0));
  const ints = new Int32Array(packed.buffer);
  const floats = new Float32Array(packed.buffer);
  const bytes = new Int8Array(packed.buffer);
  let base = 0;
  all.forEach((live, list) => {
    const first = list * OUTPUTS;
    const lanes = Math.min(OUTPUTS, n - first);
    const steps = counts[list]!;
    packed[base] = steps;
    ints.set(bias.subarray(first, first + lanes), base + 4);
    floats.set(scales.subarray(first, first + lanes), base + 4 + OUTPUTS);
    const fronts = base + HEADER_WORDS;
    const bodies = fronts + Math.ceil((steps * front) / 4) * 4;
    walkSteps(live, byteOffset, (step, from, parts) => {
      packed[fronts + step * front] = from;
      const picks = own ? bodies + step * body : fronts + step * front + 1;
      const weights = bodies + (step + 1) * body - OUTPUTS;
      parts.forEach(([start, end], o) => {
        for (let e = start; e < end; e++) {
          const input = live[o]![e]!;
          bytes[(picks + o) * 4 + e - start] = byteOffset(input) - from;
          for (let lane = own ? o : 0; lane < (own ? o + 1 : lanes); lane++) {
            bytes[(weights + lane) * 4 + e - start] = data[offset + (first + lane) * k + input]!;
          }
        }
      });
    });
    base += wordsOf(steps);
  });
  return packed;
}
