/** The candidate of an integer layer without vector instructions: sums of products in doubles, two outputs each. */
import { SCALAR_PANEL, packDoubles } from "../../pack-scalar.ts";
import { scalarPost } from "../../records.ts";
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

export const SCALAR_I8: Candidate<IntegerProblem> = {
  kernel: "i8_conv_doubles_2x8__wasm_scalar",
  requires: [],
  sparse: false,
  estimate: () => ({ cost: 1, why: "simd=off" }),
  plan(context, problem) {
    const { windows, n, k, weights: data, finish } = problem;
    const bias = biasOf(problem);
    const post = context.table(scalarPost(finish.zeroPoint, finish.lo, finish.hi));
    return planTiles(context, problem, {
      kernel: this.kernel,
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
        (first, share) => packDoubles({ data, offset: first * k, n, k }, share(bias), share(finish.scales)),
        SCALAR_PANEL.i8,
      ),
      block: rowBlock(windows.m, k * DOUBLE),
      finish: (own) => [own, post],
      // Two weights share a double.
      operandBytes: [DOUBLE, DOUBLE / 2],
      rate: SCALAR_RATE.i8,
    });
  },
};
