/** Candidates of a float layer with one row of inputs in one run (a dense layer, batch 1). */
import { MAX_ROW, packListsF32 } from "../../pack-lists.ts";
import type { ListFormat } from "../../pack-lists.ts";
import { liveIndices } from "../../pack-sparse.ts";
import type { Candidate } from "../candidates.ts";
import { matrixOf, sparseEstimate } from "../sparse.ts";
import type { SparseCost } from "../sparse.ts";
import { isPadded } from "../windows.ts";
import { activationArgs, biasOf } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

export function vectorLists(kernel: string, format: ListFormat, cost: SparseCost): Candidate<FloatProblem> {
  return {
    kernel,
    requires: [],
    sparse: true,
    estimate(problem) {
      const { groups, windows, pads, k } = problem;
      if (groups !== 1 || windows.m !== 1 || windows.stride === undefined || isPadded(pads) || k > MAX_ROW) return undefined;
      return sparseEstimate(problem, format.outputs, cost);
    },
    plan(context, problem) {
      const { n, input, output } = problem;
      const matrix = matrixOf(problem);
      const packed = context.weights(packListsF32(matrix, liveIndices(matrix, format.outputs), biasOf(problem), format));
      const args = [input, packed, output, n, ...activationArgs(context, problem.activation)];
      return { kernel, calls: () => [{ kernel, args }] };
    },
  };
}

export const VECTOR_BLOCKS_F32: readonly Candidate<FloatProblem>[] = [
  vectorLists("f32_spmv_1x8_1x8__wasm_simd", { outputs: 8, step: 2, stride: 1 }, { each: 1.26, list: 12 }),
  vectorLists("f32_spmv_1x4_1x4__wasm_simd", { outputs: 4, step: 4, stride: 1 }, { each: 1.72, list: 16 }),
];
