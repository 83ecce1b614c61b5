/** Dense candidates of a float layer: the 4×8 tile over a matrix, over a table of windows, and matrix × vector. */
import { packDenseF32 } from "../../pack.ts";
import type { KernelCall, NodePlan, PlanContext } from "../../program.ts";
import { activationCode, floatPost } from "../../records.ts";
import type { Feature } from "../../features.ts";
import type { Candidate, Estimate } from "../candidates.ts";
import { rowBlock } from "../windows.ts";
import { paddedInput } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

/** How a tile finds its inputs: one row, rows at a stride, or a table of windows. */
export type Access = "vector" | "rows" | "windows";

function accessOf({ windows }: FloatProblem): Access {
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
    sparse: false,
    estimate: (problem, features) => (accessOf(problem) === access ? estimate(problem, features) : undefined),
    plan: (context, problem) => planDense(kernel, access, tileRows, context, problem),
  };
}

function planDense(kernel: string, access: Access, tileRows: number, context: PlanContext, problem: FloatProblem): NodePlan {
  const { windows, groups, n, k, weights, output } = problem;
  const { m, run } = windows;
  const act = activationCode(problem.activation);
  const post = context.table(floatPost(problem.activation));
  const ldc = groups * n * 4;
  const bias = problem.bias ?? new Float32Array(groups * n);
  const padded = paddedInput(context, problem);
  const packed = Array.from({ length: groups }, (_, g) =>
    context.weights(packDenseF32({ data: weights, offset: g * n * k, n, k }, bias.subarray(g * n, (g + 1) * n))),
  );
  const where =
    access === "windows" ? [context.table(windows.rows), context.table(windows.segments), windows.segments.length] : [windows.stride ?? 0];
  const mb = Math.ceil(rowBlock(m, k * 4) / tileRows) * tileRows;
  const call = (base: number, g: number): KernelCall => {
    const from = base + g * run * 4;
    const to = output + g * n * 4;
    const w = packed[g]!;
    if (access === "vector") return { kernel, args: [from, k, w, to, n, act, post] };
    return { kernel, args: [from, ...where, access === "windows" ? run : k, w, to, ldc, m, n, mb, act, post] };
  };
  return {
    kernel,
    scratchBytes: padded?.bytes ?? 0,
    calls: (scratch) => [
      ...(padded === undefined ? [] : [padded.call(scratch)]),
      ...packed.map((_, g) => call(padded === undefined ? problem.input : scratch, g)),
    ],
  };
}

const simd = (kernel: string, access: Access): Candidate<FloatProblem> =>
  denseCandidate(kernel, access, 4, [], () => ({ cost: 1, why: "dense weights" }));

export const DENSE_F32: readonly Candidate<FloatProblem>[] = [
  simd("f32_gemv_packed_1x24__wasm_simd", "vector"),
  simd("f32_gemm_packed_4x8__wasm_simd", "rows"),
  simd("f32_conv_indirect_4x8__wasm_simd", "windows"),
];
