/** Dense candidates of a float layer: the 4×8 tile over a matrix, over a table of windows, and matrix × vector. */
import { PANEL, packDenseF32 } from "../../pack.ts";
import type { Feature } from "../../features.ts";
import type { Estimate } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { placePanels, planTiles } from "../layer.ts";
import type { Access } from "../layer.ts";
import { RATE } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { biasOf, finishArgs, paddedInput } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

/** Columns that the matrix × vector kernel takes at once. */
const VECTOR_COLUMNS = 24;

export function accessOf({ windows }: FloatProblem): Access {
  if (windows.stride === undefined) return "windows";
  return windows.m === 1 ? "vector" : "rows";
}

/** @param tileRows rows of the kernel's whole tile */
export function denseCandidate(
  kernel: string,
  access: Access,
  tileRows: number,
  requires: readonly Feature[],
  estimate: (problem: FloatProblem, features: ReadonlySet<Feature>) => Estimate,
): Candidate<FloatProblem> {
  return {
    kernel,
    requires,
    addsResidual: true,
    sparse: false,
    estimate: (problem, features) => (accessOf(problem) === access ? estimate(problem, features) : undefined),
    plan(context, problem) {
      const { windows, n, k, weights: data } = problem;
      const bias = biasOf(problem);
      const finish = finishArgs(context, problem);
      return planTiles(context, problem, {
        kernel,
        access,
        tile: [tileRows, access === "vector" ? VECTOR_COLUMNS : PANEL],
        inputBytes: 4,
        outputBytes: 4,
        copy: paddedInput(context, problem),
        panels: placePanels(context, problem, (first, share) => packDenseF32({ data, offset: first * k, n, k }, share(bias))),
        block: Math.ceil(rowBlock(windows.m, k * 4) / tileRows) * tileRows,
        finish: () => finish,
        operandBytes: [4, 4],
        rate: RATE.f32,
      });
    },
  };
}

const simd = (kernel: string, access: Access): Candidate<FloatProblem> =>
  denseCandidate(kernel, access, 4, [], () => ({ cost: 1, why: "dense weights" }));

export const DENSE_F32: readonly Candidate<FloatProblem>[] = [
  simd("f32_gemv_packed_1x24__wasm_simd", "vector"),
  simd("f32_gemm_packed_4x8__wasm_simd", "rows"),
  simd("f32_conv_indirect_4x8__wasm_simd", "windows"),
];
