/** Candidates of a float layer that transpose blocks of neighbouring pixels first, so that few outputs, or one, can share a list. */
import { packDeltasF32 } from "../../pack-deltas.ts";
import type { WeightMatrix } from "../../pack.ts";
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

/** How the kernel's lists name their inputs, and the packing of such lists. */
export interface FloatLists {
  /** Outputs that share a list. */
  readonly outputs: 1 | 4;
  /** Between the rows of pixels of neighbouring inputs. */
  readonly rowBytes: number;
  /** Longest window that the lists can address. */
  readonly maxInputs: number;
  readonly pack: (matrix: WeightMatrix<Float32Array>, live: readonly Int32Array[], bias: Float32Array) => Uint32Array;
}

/** Row numbers count steps of so many bytes. */
const ROW_UNIT = 32;

/** Lists of 16-bit row numbers. */
export function rowLists(format: ListFormat & Pick<FloatLists, "outputs">): FloatLists {
  return {
    outputs: format.outputs,
    rowBytes: format.stride * ROW_UNIT,
    maxInputs: Math.floor(MAX_ROW / format.stride),
    pack: (matrix, live, bias) => packListsF32(matrix, live, bias, format),
  };
}

/** Lists of the distances between rows. */
export function deltaLists(rowBytes: number): FloatLists {
  return { outputs: 1, rowBytes, maxInputs: Infinity, pack: (matrix, live, bias) => packDeltasF32(matrix, live, bias, rowBytes) };
}

/** Transposing works on 4 inputs at a time, and may write 3 rows further. */
const SPARE_ROWS = 3;

/**
 * @param block pixels of a block
 * @param tiles the kernel's tiles, largest first
 */
export function pixelTiled(
  kernel: string,
  lists: FloatLists,
  block: number,
  cost: SparseCost,
  tiles: readonly Tile[],
): Candidate<FloatProblem> {
  const estimate = (problem: FloatProblem): Estimate | undefined => {
    if (problem.groups !== 1 || problem.k > lists.maxInputs) return undefined;
    return sparseEstimate(problem, lists.outputs, cost, tileWaste(problem.windows.m, tiles));
  };
  return {
    kernel,
    requires: [],
    sparse: true,
    estimate,
    plan(context, problem) {
      const { m } = problem.windows;
      const matrix = matrixOf(problem);
      const packed = lists.pack(matrix, liveIndices(matrix, lists.outputs), biasOf(problem));
      return planLists(context, problem, {
        kernel,
        rows: block,
        inputBytes: 4,
        outputBytes: 4,
        copy: paddedInput(context, problem),
        ownBytes: (problem.k + SPARE_ROWS) * lists.rowBytes,
        lists: context.weights(packed),
        gather: (own) => [own],
        finish: activationArgs(context, problem.activation),
        cost: liveWork(m, problem, estimate(problem)!) / RATE.f32,
      });
    },
  };
}
