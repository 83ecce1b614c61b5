/** Candidates of a float layer that transpose blocks of neighbouring pixels first, so that few outputs, or one, can share a list. */
import { MAX_ROW, packListsF32 } from "../../pack-lists.ts";
import type { ListFormat } from "../../pack-lists.ts";
import { liveIndices } from "../../pack-sparse.ts";
import type { Estimate } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { planLists } from "../layer.ts";
import { liveWork, matrixOf, sparseEstimate, tileWaste } from "../sparse.ts";
import type { SparseCost, Tile } from "../sparse.ts";
import { RATE } from "../split.ts";
import { activationArgs, biasOf, paddedInput } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

/** Row numbers count steps of so many bytes. */
const ROW_UNIT = 32;
/** Transposing works on 4 inputs at a time, and may write 3 rows further. */
const SPARE_ROWS = 3;

/**
 * @param block pixels of a block
 * @param tiles the kernel's tiles, largest first
 */
export function pixelTiled(
  kernel: string,
  format: ListFormat,
  block: number,
  cost: SparseCost,
  tiles: readonly Tile[],
): Candidate<FloatProblem> {
  const estimate = (problem: FloatProblem): Estimate | undefined => {
    if (problem.groups !== 1 || problem.k * format.stride > MAX_ROW) return undefined;
    return sparseEstimate(problem, format.outputs, cost, tileWaste(problem.windows.m, tiles));
  };
  return {
    kernel,
    requires: [],
    sparse: true,
    estimate,
    plan(context, problem) {
      const { m } = problem.windows;
      const matrix = matrixOf(problem);
      const packed = packListsF32(matrix, liveIndices(matrix, format.outputs), biasOf(problem), format);
      return planLists(context, problem, {
        kernel,
        rows: block,
        inputBytes: 4,
        outputBytes: 4,
        copy: paddedInput(context, problem),
        ownBytes: (problem.k + SPARE_ROWS) * format.stride * ROW_UNIT,
        lists: context.weights(packed),
        gather: (own) => [own],
        finish: activationArgs(context, problem.activation),
        cost: liveWork(m, problem, estimate(problem)!) / RATE.f32,
      });
    },
  };
}
