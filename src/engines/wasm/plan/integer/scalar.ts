/** Candidates of an integer layer without vector instructions: sums of products in doubles, two outputs each. */
import { scaleWords } from "../../../../graph/fixed-point.ts";
import type { FixedScales } from "../../../../graph/fixed-point.ts";
import type { IntegerFinish } from "../../../cpu/kernels/gemm_i8.ts";
import { SCALAR_PANEL, packDoubles } from "../../pack-scalar.ts";
import { fixedPost, scalarPost } from "../../records.ts";
import type { Candidate } from "../candidates.ts";
import { inputCopy } from "../copy.ts";
import { placePanels, planTiles } from "../layer.ts";
import { SCALAR_RATE } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { OVERRUN_BYTES, biasOf, widenArgs } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

/** Sums of one tile: 2 rows × 8 int32. */
const SUM_BYTES = 64;
const DOUBLE = 8;

/** Grid of the output, in the form that scalar kernels of either arithmetic take. */
export function scalarPostOf({ zeroPoint, lo, hi, fixed }: IntegerFinish): Int32Array {
  return fixed === undefined ? scalarPost(zeroPoint, lo, hi) : fixedPost(zeroPoint, lo, hi, fixed.rounding);
}

/** Why a layer in fixed point runs scalar kernels. */
export function fixedWhy({ rounding }: FixedScales): string {
  return `rounding=${rounding}: scalar kernels`;
}

const doubles = (kernel: string, why: (problem: IntegerProblem) => string): Candidate<IntegerProblem> => ({
  kernel,
  requires: [],
  sparse: false,
  estimate: (problem) => ({ cost: 1, why: why(problem) }),
  plan(context, problem) {
    const { windows, n, k, weights: data, finish } = problem;
    const bias = biasOf(problem);
    const scales = scaleWords(finish);
    const post = context.table(scalarPostOf(finish));
    return planTiles(context, problem, {
      kernel,
      access: "windows",
      tile: [2, SCALAR_PANEL.i8],
      inputBytes: DOUBLE,
      outputBytes: 1,
      copy: inputCopy(context, problem, {
        kernel: "f64_widen_rows__wasm_scalar",
        inputBytes: 1,
        outBytes: DOUBLE,
        overrun: 0,
        finish: widenArgs(problem),
        slack: OVERRUN_BYTES,
      }),
      ownBytes: SUM_BYTES,
      panels: placePanels(
        context,
        problem,
        (first, share) => packDoubles({ data, offset: first * k, n, k }, share(bias), scales, first),
        SCALAR_PANEL.i8,
      ),
      block: rowBlock(windows.m, k * DOUBLE),
      finish: (own) => [own, post],
      // Two weights share a double.
      operandBytes: [DOUBLE, DOUBLE / 2],
      rate: SCALAR_RATE.i8,
    });
  },
});

export const SCALAR_I8 = doubles("i8_conv_doubles_2x8__wasm_scalar", () => "simd=off");

/** Of a layer in fixed point, whether there are vector instructions or not. */
export const FIXED_I8 = doubles("i8_conv_fixed_2x8__wasm_scalar", ({ finish }) => fixedWhy(finish.fixed!));
