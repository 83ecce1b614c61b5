/** Dense candidates of an integer layer on plain SIMD: int16 pairs through the dot product. */
import { PANEL, packDenseI8 } from "../../pack.ts";
import type { Candidate } from "../candidates.ts";
import { placePanels, planTiles } from "../layer.ts";
import { RATE } from "../split.ts";
import { isPadded, rowBlock } from "../windows.ts";
import { OVERRUN_BYTES, biasOf, postOf, widenArgs, widenedInput } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

const ESTIMATE = { cost: 1, why: "dense weights" };
/** Of widened rows: beside a panel of weights they fit in a level-1 cache of 48 KiB, or stay near in a level-2 cache. */
const BLOCK_BYTES = 32768;

/** @param access rows are widened by the kernel itself, a block at a time; windows are read from a widened copy */
function pairs(kernel: string, access: "rows" | "windows"): Candidate<IntegerProblem> {
  return {
    kernel,
    requires: [],
    sparse: false,
    // Rows are read from the input itself, so there must be no padding between them.
    estimate: ({ windows, pads }) => ((windows.stride !== undefined && !isPadded(pads)) === (access === "rows") ? ESTIMATE : undefined),
    plan(context, problem) {
      const { windows, n, k, weights: data, finish } = problem;
      const { m, segments } = windows;
      const bias = biasOf(problem);
      const post = postOf(context, problem);
      const shared = {
        kernel,
        access,
        tile: [4, PANEL],
        outputBytes: 1,
        panels: placePanels(context, problem, (first, share) =>
          packDenseI8({ data, offset: first * k, n, k }, segments.length, share(bias), share(finish.scales)),
        ),
        operandBytes: [2, 2],
        rate: RATE.i8,
      } as const;
      if (access === "windows") {
        const copy = widenedInput(context, problem);
        return planTiles(context, problem, { ...shared, inputBytes: 2, lane: 2, copy, block: rowBlock(m, k * 2), finish: () => [post] });
      }
      const block = rowBlock(m, k * 2, BLOCK_BYTES);
      return planTiles(context, problem, {
        ...shared,
        inputBytes: 1,
        ownBytes: block * k * 2 + OVERRUN_BYTES,
        block,
        finish: (own) => [own, ...widenArgs(problem), post],
      });
    },
  };
}

export const DENSE_I8: readonly Candidate<IntegerProblem>[] = [
  pairs("i8_gemm_pairs_4x8__wasm_simd", "rows"),
  pairs("i8_conv_pairs_4x8__wasm_simd", "windows"),
];
