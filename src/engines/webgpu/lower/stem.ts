/** First convolutions: windows of three channels, few columns. What the kernels of shaders/conv_stem_4xc.wgsl take, float or 8-bit. */
import type { StemTile } from "../../../kernels/wgsl-stem.ts";
import { u } from "../step.ts";
import type { Operand } from "../step.ts";
import type { Dispatch, Lowering } from "./context.ts";
import type { GemmProblem } from "./problem.ts";

const CHANNELS = 3;
/** Neighbouring pixels of a thread. */
const PIXELS = 4;
/** Columns beyond which a layer is none of those that these kernels are for, and dispatches become many. */
const MOST_COLUMNS = 64;

export interface StemWork {
  /** Dispatches, each of so many columns as a thread has. */
  readonly dispatches: number;
  /** Pixels computed relative to those needed, and all work likewise. */
  readonly pixels: number;
  readonly all: number;
}

/** Pixels of a line of the output. */
function lineOf({ geometry }: GemmProblem): number {
  return geometry[1]!;
}

/** What the kernel would compute; undefined where it cannot execute the problem. */
export function stemWork(gemm: GemmProblem, { size, stride, columns }: StemTile): StemWork | undefined {
  const { groups, groupOut, segmentsY, segmentsX, run, runWeights } = gemm.shape;
  const [, , , , pixel, , strideY, strideX, , , dilationY] = gemm.geometry;
  if (!gemm.conv || groups !== 1 || groupOut > MOST_COLUMNS || segmentsY !== size || segmentsX !== 1) return undefined;
  // A pixel is three values, or a word of bytes with a tail.
  if (runWeights !== CHANNELS * size || run !== (pixel === CHANNELS ? CHANNELS : 4) * size) return undefined;
  if (strideY !== stride || strideX !== stride || dilationY !== 1) return undefined;
  const n4 = Math.ceil(groupOut / 4);
  const dispatches = Math.ceil(n4 / columns);
  const pixels = (Math.ceil(lineOf(gemm) / PIXELS) * PIXELS) / lineOf(gemm);
  return { dispatches, pixels, all: (pixels * dispatches * columns) / n4 };
}

/** Of the columns from `first` on: [kernel row][kernel column][channel][4·columns] */
function packStem({ shape, weight }: GemmProblem, { size, columns }: StemTile, first: number): Float32Array {
  const width = 4 * columns;
  const pixel = shape.run / size;
  const packed = new Float32Array(size * size * CHANNELS * width);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      for (let i = 0; i < CHANNELS; i++)
        for (let o = first; o < Math.min(first + width, shape.groupOut); o++)
          packed[((y * size + x) * CHANNELS + i) * width + o - first] = weight(o, y, 0, x * pixel + i);
  return packed;
}

/** @param dispatch its params as of `gemmParams` @param last bias, or columns of bytes, of all outputs */
export function dispatchStem(
  c: Lowering,
  gemm: GemmProblem,
  tile: StemTile,
  dispatch: Omit<Dispatch, "groups" | "inputs">,
  a: Operand,
  last: Operand,
): void {
  const line = lineOf(gemm);
  const width = 4 * tile.columns;
  for (let first = 0; first < gemm.shape.groupOut; first += width) {
    c.flat({
      ...dispatch,
      params: [...dispatch.params, ...u(0, 0, first / 4)],
      inputs: [a, c.constant("weights", packStem(gemm, tile, first)), last],
      threads: (gemm.m / line) * Math.ceil(line / PIXELS),
      fit: line % PIXELS === 0 && gemm.shape.groupOut % 4 === 0 && first + width <= gemm.shape.groupOut,
    });
  }
}
