/** Block-sparse candidate of a float layer: 8 outputs share one list of non-zero inputs. */
import { packSparseF32, zeroBlockShare } from "../../pack-sparse.ts";
import { activationCode, floatPost } from "../../records.ts";
import type { Candidate } from "../candidates.ts";
import { percent, rowBlock } from "../windows.ts";
import { elementOffset, liveBlocksOf, paddedInput } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

const KERNEL = "f32_spmm_1x8_4x8__wasm_simd";

/** Time of a non-zero block relative to the dense tile's, on Node 20: one row alone has little to amortize the offsets over. */
const COST_PER_BLOCK = { rows: 1.22, singleRow: 1.67 };

export const BLOCK_SPARSE_F32: Candidate<FloatProblem> = {
  kernel: KERNEL,
  requires: [],
  sparse: true,
  estimate(problem) {
    if (problem.groups !== 1) return undefined;
    const zeros = zeroBlockShare(liveBlocksOf(problem), problem.k);
    if (zeros === 0) return undefined;
    const each = problem.windows.m === 1 ? COST_PER_BLOCK.singleRow : COST_PER_BLOCK.rows;
    return { cost: (1 - zeros) * each, why: `${percent(zeros)} of its 1×8 blocks are zero` };
  },
  plan(context, problem) {
    const { windows, n, k, weights, output } = problem;
    const { m } = windows;
    const act = activationCode(problem.activation);
    const post = context.table(floatPost(problem.activation));
    const bias = problem.bias ?? new Float32Array(n);
    const matrix = { data: weights, offset: 0, n, k };
    const packed = context.weights(packSparseF32(matrix, liveBlocksOf(problem), bias, (i) => elementOffset(windows, i)));
    const padded = paddedInput(context, problem);
    const table = context.table(windows.rows);
    const mb = rowBlock(m, k * 4);
    return {
      kernel: KERNEL,
      scratchBytes: padded?.bytes ?? 0,
      calls: (scratch) => {
        const from = padded === undefined ? problem.input : scratch;
        return [
          ...(padded === undefined ? [] : [padded.call(scratch)]),
          { kernel: KERNEL, args: [from, table, packed, output, n * 4, m, n, mb, act, post] },
        ];
      },
    };
  },
};
