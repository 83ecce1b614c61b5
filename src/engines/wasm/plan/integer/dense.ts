/** Dense candidates of an integer layer on plain SIMD: int16 pairs through the dot product. */
import { PANEL, packDenseI8 } from "../../pack.ts";
import type { KernelCall, NodePlan, PlanContext } from "../../program.ts";
import type { Candidate } from "../candidates.ts";
import { RATE, splitProduct } from "../split.ts";
import type { OutputTiles, Range } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { OVERRUN_BYTES, biasOf, postOf, widenedInput } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

const ESTIMATE = { cost: 1, why: "dense weights" };
/** Of widened rows: beside a panel of weights they fit in a level-1 cache of 48 KiB, or stay near in a level-2 cache. */
const BLOCK_BYTES = 32768;

function pairs(
  kernel: string,
  access: "rows" | "windows",
  plan: (context: PlanContext, problem: IntegerProblem, weights: readonly number[]) => Omit<NodePlan, "kernel">,
): Candidate<IntegerProblem> {
  return {
    kernel,
    requires: [],
    sparse: false,
    // Rows are read from the input itself, so there must be no padding between them.
    estimate: ({ windows: { stride, padded } }) =>
      (stride !== undefined && padded === undefined) === (access === "rows") ? ESTIMATE : undefined,
    plan(context, problem) {
      const { windows, groups, n, k, weights, finish } = problem;
      const bias = biasOf(problem);
      const packed = Array.from({ length: groups }, (_, g) => {
        const rows = [g * n, (g + 1) * n] as const;
        const matrix = { data: weights, offset: g * n * k, n, k };
        return context.weights(packDenseI8(matrix, windows.segments.length, bias.subarray(...rows), finish.scales.subarray(...rows)));
      });
      return { kernel, ...plan(context, problem, packed) };
    },
  };
}

function tilesOf({ windows: { m }, n, k }: IntegerProblem): OutputTiles {
  return { m, n, tile: [4, PANEL], outputBytes: 1, input: m * k * 2, weights: n * k * 2, cost: (m * n * k) / RATE.i8 };
}

function panelBytes({ windows: { run, segments } }: IntegerProblem): number {
  return (2 + segments.length * Math.ceil(run / 2)) * PANEL * 4;
}

const ROWS = "i8_gemm_pairs_4x8__wasm_simd";
const WINDOWS = "i8_conv_pairs_4x8__wasm_simd";

const planRows: Parameters<typeof pairs>[2] = (context, problem, weights) => {
  const { windows, groups, n, k, input, output, inputZeroPoint, isSigned } = problem;
  const { m } = windows;
  const post = postOf(context, problem);
  const mb = rowBlock(m, k * 2, BLOCK_BYTES);
  const blockBytes = mb * k * 2 + OVERRUN_BYTES;
  // The windows are planned for int16; bytes lie at half the distance.
  const lda = windows.stride! / 2;
  return {
    scratchBytes: blockBytes * context.maxPieces,
    calls: (scratch) =>
      weights.map((w, g): KernelCall => {
        const args = (rows: Range, columns: Range, piece: number): readonly number[] => [
          ...[input + g * k + rows.from * lda, lda, k, w + (columns.from / PANEL) * panelBytes(problem)],
          ...[output + rows.from * groups * n + g * n + columns.from, groups * n, rows.to - rows.from, columns.to - columns.from],
          ...[mb, scratch + piece * blockBytes, inputZeroPoint, isSigned ? 1 : 0, post],
        ];
        return { kernel: ROWS, args: args({ from: 0, to: m }, { from: 0, to: n }, 0), split: splitProduct(tilesOf(problem), args) };
      }),
  };
};

const planWindows: Parameters<typeof pairs>[2] = (context, problem, weights) => {
  const { windows, groups, n, k, output } = problem;
  const { m, run, segments } = windows;
  const post = postOf(context, problem);
  const wide = widenedInput(context, problem);
  const mb = rowBlock(m, k * 2);
  const [table, shifts] = [context.table(windows.rows), context.table(segments)];
  return {
    scratchBytes: wide.bytes,
    calls: (scratch) => [
      wide.call(scratch),
      ...weights.map((w, g): KernelCall => {
        const args = (rows: Range, columns: Range): readonly number[] => [
          ...[scratch + g * run * 2, table + rows.from * 4, shifts, segments.length, Math.ceil(run / 2)],
          ...[w + (columns.from / PANEL) * panelBytes(problem), output + rows.from * groups * n + g * n + columns.from, groups * n],
          ...[rows.to - rows.from, columns.to - columns.from, mb, post],
        ];
        return { kernel: WINDOWS, args: args({ from: 0, to: m }, { from: 0, to: n }), split: splitProduct(tilesOf(problem), args) };
      }),
    ],
  };
};

export const DENSE_I8: readonly Candidate<IntegerProblem>[] = [pairs(ROWS, "rows", planRows), pairs(WINDOWS, "windows", planWindows)];
