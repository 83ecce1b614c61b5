/** Dense candidates of an integer layer on plain SIMD: int16 pairs through the dot product. */
import { packDenseI8 } from "../../pack.ts";
import type { KernelCall } from "../../program.ts";
import type { Candidate } from "../candidates.ts";
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
      const where =
        windows.stride === undefined ? [context.table(windows.rows), context.table(segments), segments.length] : [windows.stride];
      return {
        kernel,
        scratchBytes: wide.bytes,
        calls: (scratch) => [
          wide.call(scratch),
          ...packed.map((w, g): KernelCall => {
            const from = scratch + g * run * 2;
            return { kernel, args: [from, ...where, Math.ceil(run / 2), w, output + g * n, groups * n, m, n, mb, post] };
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
