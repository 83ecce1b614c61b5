/**
 * Candidates of an integer layer that transpose blocks of neighbouring pixels first, so that few outputs, or one, can share a list. Inputs
 * keep their zero point, which the bias takes off: Σ w (x - z) = Σ w x - z Σ w, the same int32.
 */
import { packDeltasI8 } from "../../pack-deltas.ts";
import type { WeightMatrix } from "../../pack.ts";
import { MAX_ROW, packListsI8 } from "../../pack-lists.ts";
import type { ListFormat } from "../../pack-lists.ts";
import { liveIndices } from "../../pack-sparse.ts";
import type { Estimate } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { align, planLists } from "../layer.ts";
import { liveWork, matrixOf, sparseEstimate, tileWaste } from "../sparse.ts";
import type { SparseCost, Tile } from "../sparse.ts";
import { RATE } from "../split.ts";
import { biasWithout, borderedInput, postOf } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

/** How the kernel's lists name their inputs, and the packing of such lists. */
export interface IntegerLists {
  /** Outputs that share a list. */
  readonly outputs: 1 | 4;
  /** Between the rows of pixels of neighbouring inputs. */
  readonly rowBytes: number;
  /** Longest window that the lists can address. */
  readonly maxInputs: number;
  readonly pack: (matrix: WeightMatrix<Int16Array>, live: readonly Int32Array[], bias: Int32Array, scales: Float32Array) => Uint32Array;
}

/** Row numbers count steps of so many bytes. */
const ROW_UNIT = 16;

/** Lists of 16-bit row numbers. */
export function rowLists(format: ListFormat & Pick<IntegerLists, "outputs">): IntegerLists {
  return {
    outputs: format.outputs,
    rowBytes: format.stride * ROW_UNIT,
    maxInputs: Math.floor(MAX_ROW / format.stride),
    pack: (matrix, live, bias, scales) => packListsI8(matrix, live, bias, scales, format),
  };
}

/** Lists of the distances between rows. */
export function deltaLists(rowBytes: number): IntegerLists {
  return {
    outputs: 1,
    rowBytes,
    maxInputs: Infinity,
    pack: (matrix, live, bias, scales) => packDeltasI8(matrix, live, bias, scales, rowBytes),
  };
}

/** Windows are gathered 8 pixels × 8 inputs at a time, which may write 7 rows further. */
const GATHER = 8;

/** A block: its pixels, and the bytes of sums that are collected behind it before they are stored. */
interface Block {
  readonly pixels: number;
  readonly sumBytes: number;
}

/** @param tiles the kernel's tiles, largest first */
export function pixelTiledBytes(
  kernel: string,
  lists: IntegerLists,
  { pixels, sumBytes }: Block,
  cost: SparseCost,
  tiles: readonly Tile[],
): Candidate<IntegerProblem> {
  const estimate = (problem: IntegerProblem): Estimate | undefined => {
    if (problem.groups !== 1 || problem.k > lists.maxInputs) return undefined;
    return sparseEstimate(problem, lists.outputs, cost, tileWaste(problem.windows.m, tiles));
  };
  return {
    kernel,
    requires: [],
    sparse: true,
    estimate,
    plan(context, problem) {
      const { windows, k, inputZeroPoint, isSigned, finish } = problem;
      const { m } = windows;
      const matrix = matrixOf(problem);
      const live = liveIndices(matrix, lists.outputs);
      const packed = lists.pack(matrix, live, biasWithout(problem, inputZeroPoint), finish.scales);
      const rowsBytes = (k + GATHER - 1) * lists.rowBytes;
      return planLists(context, problem, {
        kernel,
        rows: pixels,
        tableRows: GATHER,
        inputBytes: 1,
        outputBytes: 1,
        copy: borderedInput(context, problem),
        ownBytes: align(rowsBytes + sumBytes),
        lists: context.weights(packed),
        gather: (own) => (sumBytes === 0 ? [own] : [own + rowsBytes, own]),
        finish: [isSigned ? 1 : 0, postOf(context, problem)],
        cost: liveWork(m, problem, estimate(problem)!) / RATE.i8,
      });
    },
  };
}
