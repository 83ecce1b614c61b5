/** Dense candidates for a first convolution: windows of three channels, few columns. */
import { STEM_TILES, stemName } from "../../../../kernels/wgsl-stem.ts";
import type { StemTile } from "../../../../kernels/wgsl-stem.ts";
import type { Candidate } from "../candidates.ts";
import type { GemmProblem } from "../problem.ts";
import { biasOperand, floatDispatch } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

const CHANNELS = 3;
/** Neighbouring pixels of a thread. */
const PIXELS = 4;
/**
 * Time relative to direct 4×4, where all columns are used: 96×96×3 to 8, 48×192×3 to 8, 96×96×3 to 16 and 224×224×3 to 32, steps of two (least times of
 * 30 interleaved rounds, SwiftShader 5.0 in Dawn, 2 busy cores, 2026-11-30).
 */
const SOFTWARE_COST = 0.2;
/**
 * Relative to the tile in workgroup memory, which multiplies 64 of k where there are 27, and 32 columns: an assumption that tuning measures. 32
 * columns are 128 sums a thread, and four times fewer threads than the tile has.
 */
const HARDWARE_COST: Readonly<Record<StemTile["columns"], number>> = { 2: 0.65, 4: 0.65, 8: 1.1 };

function stem(tile: StemTile): Candidate<FloatProblem> {
  const kernel = stemName(tile);
  const width = 4 * tile.columns;
  return {
    kernel,
    requires: [],
    sparse: false,
    algorithm: "direct",
    estimate({ gemm }, { software }) {
      const { groupOut } = gemm.shape;
      if (!takes(gemm, tile) || groupOut > width) return undefined;
      const waste = (width / (Math.ceil(groupOut / 4) * 4)) * ((Math.ceil(lineOf(gemm) / PIXELS) * PIXELS) / lineOf(gemm));
      return { cost: (software ? SOFTWARE_COST : HARDWARE_COST[tile.columns]) * waste, why: "dense weights" };
    },
    lower(c, problem) {
      const { gemm, x } = problem;
      const line = lineOf(gemm);
      c.flat({
        kernel,
        ...floatDispatch(c, problem),
        inputs: [c.operand(x), c.constant("weights", packStem(gemm, tile)), biasOperand(c, problem, width)],
        threads: (gemm.m / line) * Math.ceil(line / PIXELS),
        fit: line % PIXELS === 0 && gemm.shape.groupOut === width,
      });
    },
  };
}

/** Pixels of a line of the output. */
function lineOf({ geometry }: GemmProblem): number {
  return geometry[1]!;
}

function takes({ conv, shape, geometry }: GemmProblem, { size, stride }: StemTile): boolean {
  const { groups, segmentsY, segmentsX, run } = shape;
  if (!conv || groups !== 1 || segmentsY !== size || segmentsX !== 1 || run !== CHANNELS * size) return false;
  const [, , , , pixel, , strideY, strideX, , , dilationY] = geometry;
  return pixel === CHANNELS && strideY === stride && strideX === stride && dilationY === 1;
}

/** [kernel row][kernel column][channel][4·columns] */
function packStem({ shape, weight }: GemmProblem, { size, columns }: StemTile): Float32Array {
  const width = 4 * columns;
  const packed = new Float32Array(size * shape.run * width);
  for (let y = 0; y < size; y++)
    for (let p = 0; p < shape.run; p++)
      for (let o = 0; o < shape.groupOut; o++) packed[(y * shape.run + p) * width + o] = weight(o, y, 0, p);
  return packed;
}

export const STEM_F32: readonly Candidate<FloatProblem>[] = STEM_TILES.map(stem);
