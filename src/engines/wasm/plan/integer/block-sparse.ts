/** Block-sparse candidates of an integer layer: 8 outputs share one list of non-zero inputs, read as blocks of 4 interleaved pixels. */
import { packSparseI8, zeroBlockShare } from "../../pack-sparse.ts";
import type { NodePlan, PlanContext } from "../../program.ts";
import { padRecord } from "../../records.ts";
import type { Candidate, Estimate } from "../candidates.ts";
import { percent, rowBlock } from "../windows.ts";
import { OVERRUN_BYTES, biasOf, liveBlocksOf, postOf, widenedInput } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

/** Time of a non-zero block relative to the dense tile's, on Node 20. */
const COST_PER_BLOCK = 1.33;

function isVector({ windows }: IntegerProblem): boolean {
  return windows.m === 1 && windows.segments.length === 1;
}

function estimate(problem: IntegerProblem): Estimate | undefined {
  if (problem.groups !== 1) return undefined;
  const zeros = zeroBlockShare(liveBlocksOf(problem), problem.k);
  return zeros === 0 ? undefined : { cost: (1 - zeros) * COST_PER_BLOCK, why: `${percent(zeros)} of its 1×8 blocks are zero` };
}

function pack(context: PlanContext, problem: IntegerProblem, byteOffset: (i: number) => number): number {
  const { n, k, weights, finish } = problem;
  const matrix = { data: weights, offset: 0, n, k };
  return context.weights(packSparseI8(matrix, liveBlocksOf(problem), biasOf(problem), finish.scales, byteOffset));
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
  const { windows, n, k, output, input, pads, isSigned, inputZeroPoint } = problem;
  const { m, run } = windows;
  const post = postOf(context, problem);
  const w = pack(context, problem, (i) => i * 8);
  // This tile reads bytes: the windows, planned for int16, at half the distance.
  const halve = (offsets: Int32Array): number => context.table(offsets.map((offset) => offset / 2));
  const rows = halve(windows.rows);
  const segments = halve(windows.segments);
  const mb = rowBlock(m, k * 2, 65536);
  const [batch = 1, h = 1, width = 1, c = 1] = problem.shape;
  const record = windows.padded === undefined ? undefined : context.table(padRecord([batch, h, width, c], pads, 1));
  const copyBytes =
    windows.padded === undefined ? 0 : Math.ceil((windows.padded.reduce((size, d) => size * d, 1) + OVERRUN_BYTES) / 64) * 64;
  return {
    kernel: MATRIX,
    scratchBytes: copyBytes + mb * k * 2 + OVERRUN_BYTES,
    calls: (scratch) => {
      const from = record === undefined ? input : scratch;
      const blocks = scratch + copyBytes;
      return [
        ...(record === undefined ? [] : [{ kernel: "any_pad_rows__wasm_simd", args: [input, scratch, record, inputZeroPoint] }]),
        {
          kernel: MATRIX,
          args: [
            ...[from, rows, segments, windows.segments.length, run, blocks, w, output, n, m, n, mb],
            ...[inputZeroPoint, isSigned ? 1 : 0, post],
          ],
        },
      ];
    },
  };
}
