/** Dense candidates of an integer layer on plain SIMD: int16 pairs through the dot product. */
import { PANEL, packDenseI8 } from "../../pack.ts";
import type { KernelCall } from "../../program.ts";
import type { Candidate } from "../candidates.ts";
import { RATE, splitProduct } from "../split.ts";
import type { Range } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { biasOf, postOf, widenedInput } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

const ESTIMATE = { cost: 1, why: "dense weights" };

function pairs(kernel: string, access: "rows" | "windows"): Candidate<IntegerProblem> {
  return {
    kernel,
    requires: [],
    sparse: false,
    estimate: ({ windows }) => ((windows.stride === undefined) === (access === "windows") ? ESTIMATE : undefined),
    plan(context, problem) {
      const { windows, groups, n, k, weights, finish, output } = problem;
      const { m, run, segments } = windows;
      const post = postOf(context, problem);
      const bias = biasOf(problem);
      const packed = Array.from({ length: groups }, (_, g) => {
        const rows = [g * n, (g + 1) * n] as const;
        const matrix = { data: weights, offset: g * n * k, n, k };
        return context.weights(packDenseI8(matrix, segments.length, bias.subarray(...rows), finish.scales.subarray(...rows)));
      });
      const wide = widenedInput(context, problem);
      const mb = rowBlock(m, k * 2);
      const [table, shifts] = windows.stride === undefined ? [context.table(windows.rows), context.table(segments)] : [0, 0];
      const pairCount = Math.ceil(run / 2);
      const panelBytes = (2 + segments.length * pairCount) * PANEL * 4;
      const tiles = { m, n, tile: [4, PANEL], outputBytes: 1, input: m * k * 2, weights: n * k * 2, cost: (m * n * k) / RATE.i8 } as const;
      return {
        kernel,
        scratchBytes: wide.bytes,
        calls: (scratch) => [
          wide.call(scratch),
          ...packed.map((w, g): KernelCall => {
            const from = scratch + g * run * 2;
            const args = (rows: Range, columns: Range): readonly number[] => [
              ...(windows.stride === undefined
                ? [from, table + rows.from * 4, shifts, segments.length]
                : [from + rows.from * windows.stride, windows.stride]),
              ...[pairCount, w + (columns.from / PANEL) * panelBytes],
              ...[output + rows.from * groups * n + g * n + columns.from, groups * n],
              ...[rows.to - rows.from, columns.to - columns.from, mb, post],
            ];
            return { kernel, args: args({ from: 0, to: m }, { from: 0, to: n }), split: splitProduct(tiles, args) };
          }),
        ],
      };
    },
  };
}

export const DENSE_I8: readonly Candidate<IntegerProblem>[] = [
  pairs("i8_gemm_pairs_4x8__wasm_simd", "rows"),
  pairs("i8_conv_pairs_4x8__wasm_simd", "windows"),
];
