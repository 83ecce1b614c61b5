/**
 * Block-sparse candidates of a float layer: 8 outputs share one list of non-zero inputs (1×8 blocks, and vector-wise N:M, whose lists all
 * have one length), read where they lie; or 4 outputs, over blocks of 8 pixels.
 */
import { liveIndices, packSparseF32 } from "../../pack-sparse.ts";
import { activationCode, floatPost } from "../../records.ts";
import type { Candidate } from "../candidates.ts";
import { liveWork, matrixOf, sparseEstimate } from "../sparse.ts";
import type { SparseCost } from "../sparse.ts";
import { RATE, splitRows } from "../split.ts";
import type { Range } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { pixelTiled, rowLists } from "./pixels.ts";
import { elementOffset, paddedInput } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

const TILE_ROWS = 4;
const KERNEL = "f32_spmm_1x8_4x8__wasm_simd";

/** A single row has nothing to share a list with. */
const COST: Readonly<Record<"rows" | "singleRow", SparseCost>> = { rows: { each: 1.02, list: 3.8 }, singleRow: { each: 1.6, list: 3.8 } };

const BLOCKS_8: Candidate<FloatProblem> = {
  kernel: KERNEL,
  requires: [],
  sparse: true,
  estimate,
  plan(context, problem) {
    const { windows, n, k, weights, output } = problem;
    const { m } = windows;
    const act = activationCode(problem.activation);
    const post = context.table(floatPost(problem.activation));
    const bias = problem.bias ?? new Float32Array(n);
    const matrix = matrixOf({ weights, n, k });
    const packed = context.weights(packSparseF32(matrix, liveIndices(matrix), bias, (i) => elementOffset(windows, i)));
    const padded = paddedInput(context, problem);
    const table = context.table(windows.rows);
    const mb = rowBlock(m, k * 4);
    const cost = liveWork(m, problem, estimate(problem)!) / RATE.f32;
    return {
      kernel: KERNEL,
      scratchBytes: padded?.bytes ?? 0,
      calls: (scratch) => {
        const from = padded === undefined ? problem.input : scratch;
        const args = ({ from: first, to }: Range): readonly number[] => [
          ...[from, table + first * TILE_ROWS * 4, packed, output + first * TILE_ROWS * n * 4, n * 4],
          ...[Math.min(to * TILE_ROWS, m) - first * TILE_ROWS, n, mb, act, post],
        ];
        const units = Math.ceil(m / TILE_ROWS);
        return [
          ...(padded === undefined ? [] : [padded.call(scratch)]),
          { kernel: KERNEL, args: args({ from: 0, to: units }), split: splitRows(units, cost, args) },
        ];
      },
    };
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
