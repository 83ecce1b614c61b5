/** Dense candidates of a float layer: the 4×8 tile over a matrix, over a table of windows, and matrix × vector. */
import { PANEL, packDenseF32 } from "../../pack.ts";
import type { KernelCall, NodePlan, PlanContext } from "../../program.ts";
import { activationCode, floatPost } from "../../records.ts";
import type { Feature } from "../../features.ts";
import type { Estimate } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { RATE, splitProduct } from "../split.ts";
import type { OutputTiles, Range } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { paddedInput } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

/** How a tile finds its inputs: one row, rows at a stride, or a table of windows. */
export type Access = "vector" | "rows" | "windows";

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
  const [table, segments] = access === "windows" ? [context.table(windows.rows), context.table(windows.segments)] : [0, 0];
  const lda = windows.stride ?? 0;
  const mb = Math.ceil(rowBlock(m, k * 4) / tileRows) * tileRows;
  const panelBytes = (1 + k) * PANEL * 4;
  const tiles: OutputTiles = {
    m,
    n,
    tile: [tileRows, access === "vector" ? VECTOR_COLUMNS : PANEL],
    outputBytes: 4,
    input: m * k * 4,
    weights: n * k * 4,
    cost: (m * n * k) / RATE.f32,
  };
  const call = (base: number, g: number): KernelCall => {
    const args = (rows: Range, columns: Range): readonly number[] => {
      const from = base + g * run * 4;
      const w = packed[g]! + (columns.from / PANEL) * panelBytes;
      const to = output + rows.from * ldc + (g * n + columns.from) * 4;
      const width = columns.to - columns.from;
      if (access === "vector") return [from, k, w, to, width, act, post];
      const size = [w, to, ldc, rows.to - rows.from, width, mb, act, post];
      return access === "rows"
        ? [from + rows.from * lda, lda, k, ...size]
        : [from, table + rows.from * 4, segments, windows.segments.length, run, ...size];
    };
    return { kernel, args: args({ from: 0, to: m }, { from: 0, to: n }), split: splitProduct(tiles, args) };
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
