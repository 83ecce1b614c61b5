/** Dense candidates for a first convolution of three channels of bytes: a pixel is a word, products are in float32 and exact. */
import { invariant } from "../../../../errors.ts";
import { STEM_TILES, stemName } from "../../../../kernels/wgsl-stem.ts";
import type { StemTile } from "../../../../kernels/wgsl-stem.ts";
import type { Candidate } from "../candidates.ts";
import { gemmParams } from "../problem.ts";
import { dispatchStem, stemWork } from "../stem.ts";
import { columnsOperand } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

/** Relative to direct 4×4 by dot products: 0.18 to 0.3 (the same runs as of float32, lower/float/stem.ts). */
const SOFTWARE_COST: Readonly<Record<StemTile["columns"], number>> = { 2: 0.3, 4: 0.25 };
/**
 * Of a dispatch, relative to the tile of 32 × 32 in workgroup memory, which takes 16 dot products of four bytes and 32 columns where this takes 27
 * products an output: an assumption that tuning measures.
 */
const HARDWARE_COST: Readonly<Record<StemTile["columns"], number>> = { 2: 0.65, 4: 1.1 };

function stem(tile: StemTile): Candidate<IntegerProblem> {
  const kernel = stemName("i8", tile);
  return {
    kernel,
    requires: [],
    sparse: false,
    algorithm: "direct",
    estimate({ gemm }, { software }) {
      const work = gemm && stemWork(gemm, tile);
      if (work === undefined) return undefined;
      const cost = software ? SOFTWARE_COST[tile.columns] * work.all : HARDWARE_COST[tile.columns] * work.dispatches * work.pixels;
      return { cost, why: "dense weights" };
    },
    lower(c, problem) {
      const { gemm, finish, out: output } = problem;
      invariant(gemm !== undefined, "lowering of a problem that was not estimated");
      const params = gemmParams(gemm, undefined, finish);
      dispatchStem(c, gemm, tile, { kernel, params, output }, problem.input(c), columnsOperand(c, gemm, problem, 4));
    },
  };
}

export const STEM_I8: readonly Candidate<IntegerProblem>[] = STEM_TILES.map(stem);
