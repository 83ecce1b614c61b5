/**
 * Block-sparse candidates of an integer layer: 8 outputs share one list of non-zero inputs (1×8 blocks, and vector-wise N:M), over blocks of
 * 4 interleaved pixels; or 4 outputs, over blocks of 8 pixels.
 */
import { liveIndices, packSparseI8 } from "../../pack-sparse.ts";
import type { NodePlan, PlanContext } from "../../program.ts";
import type { Estimate } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { planCalls, planLists } from "../layer.ts";
import { liveWork, matrixOf, sparseEstimate } from "../sparse.ts";
import type { SparseCost } from "../sparse.ts";
import { RATE } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { pixelTiledBytes, rowLists } from "./pixels.ts";
import { OVERRUN_BYTES, biasOf, borderedInput, postOf, widenArgs, widenedInput } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

const COST: Readonly<Record<"rows" | "vector", SparseCost>> = {
  rows: { each: 1.2, input: 2, list: 7.4 },
  vector: { each: 1.45, list: 24 },
};

function isVector({ windows }: IntegerProblem): boolean {
  return windows.m === 1 && windows.segments.length === 1;
}

function estimate(problem: IntegerProblem): Estimate | undefined {
  return problem.groups === 1 ? sparseEstimate(problem, 8, isVector(problem) ? COST.vector : COST.rows) : undefined;
}

function pack(context: PlanContext, problem: IntegerProblem, byteOffset: (i: number) => number): number {
  const matrix = matrixOf(problem);
  return context.weights(packSparseI8(matrix, liveIndices(matrix), biasOf(problem), problem.finish.scales, byteOffset));
}

const VECTOR = "i8_spmv_1x8_1x8__wasm_simd";
const MATRIX = "i8_spmm_1x8_4x8__wasm_simd";

export const BLOCK_SPARSE_I8: readonly Candidate<IntegerProblem>[] = [
  {
    kernel: VECTOR,
    requires: [],
    sparse: true,
    estimate: (problem) => (isVector(problem) ? estimate(problem) : undefined),
    plan: planVector,
  },
  {
    kernel: MATRIX,
    requires: [],
    sparse: true,
    estimate: (problem) => (isVector(problem) ? undefined : estimate(problem)),
    plan: planMatrix,
  },
  pixelTiledBytes(
    "i8_spmm_1x4_8x4__wasm_simd",
    rowLists({ outputs: 4, step: 2, stride: 1 }),
    { pixels: 8, sumBytes: 0 },
    { each: 1.36, input: 1, list: 9.5 },
    [{ rows: 8, work: 8 }],
  ),
];

function planVector(context: PlanContext, problem: IntegerProblem): NodePlan {
  const end = [pack(context, problem, (i) => i * 2), problem.output, problem.n, postOf(context, problem)];
  const copy = widenedInput(context, problem);
  return planCalls(context, problem.input, { kernel: VECTOR, copy }, (from) => [{ kernel: VECTOR, args: [from, ...end] }]);
}

function planMatrix(context: PlanContext, problem: IntegerProblem): NodePlan {
  const { windows, k } = problem;
  const { m } = windows;
  const block = rowBlock(m, k * 2, 65536);
  return planLists(context, problem, {
    kernel: MATRIX,
    rows: 4,
    inputBytes: 1,
    outputBytes: 1,
    copy: borderedInput(context, problem),
    // Each piece gathers into a block of its own.
    ownBytes: block * k * 2 + OVERRUN_BYTES,
    lists: pack(context, problem, (i) => i * 8),
    gather: (own) => [own],
    finish: [block, ...widenArgs(problem), postOf(context, problem)],
    cost: liveWork(m, problem, estimate(problem)!) / RATE.i8,
  });
}
