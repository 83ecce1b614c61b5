/** The candidate of a float layer without vector instructions. */
import { SCALAR_PANEL, packScalarF32 } from "../../pack-scalar.ts";
import type { Candidate } from "../candidates.ts";
import { placePanels, planTiles } from "../layer.ts";
import { SCALAR_RATE } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { activationArgs, biasOf, paddedInput } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

export const SCALAR_F32: Candidate<FloatProblem> = {
  kernel: "f32_conv_indirect_2x4__wasm_scalar",
  requires: [],
  sparse: false,
  estimate: () => ({ cost: 1, why: "simd=off" }),
  plan(context, problem) {
    const { windows, n, k, weights: data } = problem;
    const bias = biasOf(problem);
    const finish = activationArgs(context, problem.activation);
    return planTiles(context, problem, {
      kernel: this.kernel,
      access: "windows",
      tile: [2, SCALAR_PANEL.f32],
      inputBytes: 4,
      outputBytes: 4,
      copy: paddedInput(context, problem),
      panels: placePanels(
        context,
        problem,
        (first, share) => packScalarF32({ data, offset: first * k, n, k }, share(bias)),
        SCALAR_PANEL.f32,
      ),
      block: rowBlock(windows.m, k * 4),
      finish: () => finish,
      operandBytes: [4, 4],
      rate: SCALAR_RATE.f32,
    });
  },
};
