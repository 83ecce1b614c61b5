/**
 * Block-sparse candidates of an integer layer: 8 outputs share one list of non-zero inputs (1×8 blocks, and vector-wise N:M), over blocks of
 * 4 interleaved pixels; or 4 outputs, over blocks of 8 pixels.
 */
import { liveIndices, packSparseI8 } from "../../pack-sparse.ts";
import type { NodePlan, PlanContext } from "../../program.ts";
import type { Estimate } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { liveWork, matrixOf, sparseEstimate } from "../sparse.ts";
import type { SparseCost } from "../sparse.ts";
import { RATE, splitRows } from "../split.ts";
import type { Range } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { byteWindows } from "./byte-windows.ts";
import { pixelTiledBytes, rowLists } from "./pixels.ts";
import { OVERRUN_BYTES, biasOf, postOf, widenedInput } from "./problem.ts";
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
  const { n, k, weights, finish } = problem;
  const matrix = matrixOf({ weights, n, k });
  return context.weights(packSparseI8(matrix, liveIndices(matrix), biasOf(problem), finish.scales, byteOffset));
}

const TILE_ROWS = 4;
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
  const post = postOf(context, problem);
  const wide = widenedInput(context, problem);
  const w = pack(context, problem, (i) => i * 2);
  return {
    kernel: VECTOR,
    scratchBytes: wide.bytes,
    calls: (scratch) => [wide.call(scratch), { kernel: VECTOR, args: [scratch, w, problem.output, problem.n, post] }],
  };
}

function planMatrix(context: PlanContext, problem: IntegerProblem): NodePlan {
  const { windows, n, k, output, isSigned, inputZeroPoint } = problem;
  const { m, run, segments } = windows;
  const post = postOf(context, problem);
  const w = pack(context, problem, (i) => i * 8);
  const mb = rowBlock(m, k * 2, 65536);
  const bytes = byteWindows(context, problem, TILE_ROWS);
  // Each piece gathers into a block of its own.
  const blockBytes = mb * k * 2 + OVERRUN_BYTES;
  const time = liveWork(m, problem, estimate(problem)!) / RATE.i8;
  return {
    kernel: MATRIX,
    scratchBytes: bytes.copyBytes + blockBytes * context.maxPieces,
    calls: (scratch) => {
      const { from, calls } = bytes.input(scratch);
      const blocks = scratch + bytes.copyBytes;
      const args = ({ from: first, to }: Range, piece = 0): readonly number[] => [
        ...[from, bytes.rows + first * TILE_ROWS * 4, bytes.segments, segments.length, run, blocks + piece * blockBytes, w],
        ...[output + first * TILE_ROWS * n, n, Math.min(to * TILE_ROWS, m) - first * TILE_ROWS, n, mb],
        ...[inputZeroPoint, isSigned ? 1 : 0, post],
      ];
      const units = Math.ceil(m / TILE_ROWS);
      return [...calls, { kernel: MATRIX, args: args({ from: 0, to: units }), split: splitRows(units, time, args) }];
    },
  };
}
