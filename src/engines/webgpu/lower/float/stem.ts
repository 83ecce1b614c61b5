/** Dense candidates for a first convolution of three channels. */
import { STEM_TILES, stemName } from "../../../../kernels/wgsl-stem.ts";
import type { StemTile } from "../../../../kernels/wgsl-stem.ts";
import type { Candidate } from "../candidates.ts";
import { dispatchStem, stemWork } from "../stem.ts";
import { biasOperand, floatDispatch } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

/**
 * Time relative to direct 4×4, where all columns are used: 0.21 and 0.24 of it for 96×96×3 and 48×192×3 to 8, 0.19 for 96×96×3 to 16, steps of two (least
 * times of 30 interleaved rounds, SwiftShader 5.0 in Dawn, 2 busy cores, 2026-11-30).
 */
const SOFTWARE_COST: Readonly<Record<StemTile["columns"], number>> = { 2: 0.24, 4: 0.2 };
/**
 * Of a dispatch, relative to the tile in workgroup memory, which multiplies 64 of k where there are 27, and 32 columns: an assumption that tuning
 * measures.
 */
const HARDWARE_COST: Readonly<Record<StemTile["columns"], number>> = { 2: 0.6, 4: 0.65 };

function stem(tile: StemTile): Candidate<FloatProblem> {
  const kernel = stemName("f32", tile);
  return {
    kernel,
    requires: [],
    sparse: false,
    algorithm: "direct",
    estimate({ gemm }, { software }) {
      const work = stemWork(gemm, tile);
      if (work === undefined) return undefined;
      const cost = software ? SOFTWARE_COST[tile.columns] * work.all : HARDWARE_COST[tile.columns] * work.dispatches * work.pixels;
      return { cost, why: "dense weights" };
    },
    lower(c, problem) {
      const { gemm, x } = problem;
      dispatchStem(c, gemm, tile, { kernel, ...floatDispatch(c, problem) }, c.operand(x), biasOperand(c, problem, 4));
    },
  };
}

export const STEM_F32: readonly Candidate<FloatProblem>[] = STEM_TILES.map(stem);
