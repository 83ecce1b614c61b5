/**
 * Block-sparse candidates of a float layer: 8 outputs share one list of non-zero inputs (1×8 blocks, and vector-wise N:M, whose lists all
 * have one length), read where they lie; or 4 outputs, over blocks of 8 pixels.
 */
import { liveIndices, packSparseF32 } from "../../pack-sparse.ts";
import type { Candidate } from "../candidates.ts";
import { planLists } from "../layer.ts";
import { liveWork, matrixOf, sparseEstimate } from "../sparse.ts";
import type { SparseCost } from "../sparse.ts";
import { RATE } from "../split.ts";
import { elementOffset, rowBlock } from "../windows.ts";
import { pixelTiled, rowLists } from "./pixels.ts";
import { activationArgs, biasOf, paddedInput } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

/** A single row has nothing to share a list with. */
const COST: Readonly<Record<"rows" | "singleRow", SparseCost>> = { rows: { each: 1.02, list: 3.8 }, singleRow: { each: 1.6, list: 3.8 } };

const BLOCKS_8: Candidate<FloatProblem> = {
  kernel: "f32_spmm_1x8_4x8__wasm_simd",
  requires: [],
  sparse: true,
  estimate,
  plan(context, problem) {
    const { windows, k } = problem;
    const { m } = windows;
    const matrix = matrixOf(problem);
    const packed = packSparseF32(matrix, liveIndices(matrix), biasOf(problem), (i) => elementOffset(windows, i) * 4);
    return planLists(context, problem, {
      kernel: this.kernel,
      rows: 4,
      inputBytes: 4,
      outputBytes: 4,
      copy: paddedInput(context, problem),
      lists: context.weights(packed),
      finish: [rowBlock(m, k * 4), ...activationArgs(context, problem.activation)],
      cost: liveWork(m, problem, estimate(problem)!) / RATE.f32,
    });
  },
};

function estimate(problem: FloatProblem): ReturnType<Candidate<FloatProblem>["estimate"]> {
  if (problem.groups !== 1) return undefined;
  return sparseEstimate(problem, 8, problem.windows.m === 1 ? COST.singleRow : COST.rows);
}

export const BLOCK_SPARSE_F32: readonly Candidate<FloatProblem>[] = [
  BLOCKS_8,
  pixelTiled("f32_spmm_1x4_8x4__wasm_simd", rowLists({ outputs: 4, step: 1, stride: 1 }), 8, { each: 0.97, input: 2.9, list: 2.6 }, [
    { rows: 8, work: 8 },
    { rows: 4, work: 5.6 },
  ]),
];
