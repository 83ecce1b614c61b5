/** Float convolution, dense layer and product with constant weights: packed dense tiles or the block-sparse tile, whichever pays. */
import type { Activation } from "../../../graph/ir.ts";
import { packDenseF32 } from "../pack.ts";
import type { WeightMatrix } from "../pack.ts";
import { liveIndices, packSparseF32, zeroBlockShare } from "../pack-sparse.ts";
import type { KernelCall, NodePlan, PlanContext } from "../program.ts";
import { activationCode, floatPost, padRecord } from "../records.ts";
import { rowBlock } from "./windows.ts";
import type { Windows } from "./windows.ts";

/** Share of zero 1×8 blocks from which skipping them is faster, measured on Node 20: one row has little to amortize the offsets over. */
const SPARSE_FROM = { rows: 0.2, singleRow: 0.4 };

export interface FloatProblem {
  readonly windows: Windows;
  /** Input shape and pads, when the windows need a padded copy. */
  readonly pad?: { readonly input: readonly number[]; readonly pads: readonly [number, number, number, number] };
  readonly groups: number;
  /** Outputs of one group. */
  readonly n: number;
  /** [groups × n][k] */
  readonly weights: Float32Array;
  readonly bias: Float32Array | undefined;
  readonly activation: Activation | undefined;
  /** Addresses. */
  readonly input: number;
  readonly output: number;
}

export function planFloat(context: PlanContext, problem: FloatProblem): NodePlan {
  const { windows, groups, n, weights, input, output } = problem;
  const { m, run } = windows;
  const k = windows.segments.length * run;
  const act = activationCode(problem.activation);
  const post = context.table(floatPost(problem.activation));
  const ldc = groups * n * 4;
  const bias = problem.bias ?? new Float32Array(groups * n);
  const kernel = chooseKernel(problem, k);

  const scratchBytes = windows.padded === undefined ? 0 : windows.padded.reduce((size, d) => size * d, 4);
  const geometry =
    problem.pad === undefined || windows.padded === undefined
      ? undefined
      : context.table(padRecord(problem.pad.input, problem.pad.pads, 4));
  const packed = Array.from({ length: groups }, (_, g) => {
    const matrix: WeightMatrix<Float32Array> = { data: weights, offset: g * n * k, n, k };
    const groupBias = bias.subarray(g * n, (g + 1) * n);
    if (kernel !== SPARSE) return context.weights(packDenseF32(matrix, groupBias));
    return context.weights(packSparseF32(matrix, liveIndices(matrix), groupBias, (i) => elementOffset(windows, i)));
  });
  const indirect = kernel === INDIRECT || kernel === SPARSE;
  const table = indirect ? context.table(windows.rows) : 0;
  const segments = indirect ? context.table(windows.segments) : 0;
  const mb = rowBlock(m, k * 4);

  const call = (base: number, g: number): KernelCall => {
    const from = base + g * run * 4;
    const to = output + g * n * 4;
    const w = packed[g]!;
    switch (kernel) {
      case GEMV:
        return { kernel, args: [from, k, w, to, n, act, post] };
      case GEMM:
        return { kernel, args: [from, windows.stride!, k, w, to, ldc, m, n, mb, act, post] };
      case SPARSE:
        return { kernel, args: [from, table, w, to, ldc, m, n, mb, act, post] };
      default:
        return { kernel, args: [from, table, segments, windows.segments.length, run, w, to, ldc, m, n, mb, act, post] };
    }
  };
  return {
    kernel,
    scratchBytes,
    calls: (scratch) => [
      ...(geometry === undefined ? [] : [{ kernel: "any_pad_rows__wasm_simd", args: [input, scratch, geometry, 0] }]),
      ...packed.map((_, g) => call(geometry === undefined ? input : scratch, g)),
    ],
  };
}

const SPARSE = "f32_spmm_1x8_4x8__wasm_simd";
const GEMV = "f32_gemv_packed_1x24__wasm_simd";
const GEMM = "f32_gemm_packed_4x8__wasm_simd";
const INDIRECT = "f32_conv_indirect_4x8__wasm_simd";

function chooseKernel({ windows, groups, n, weights }: FloatProblem, k: number): string {
  if (groups === 1) {
    const share = zeroBlockShare(liveIndices({ data: weights, offset: 0, n, k }), k);
    if (share >= (windows.m === 1 ? SPARSE_FROM.singleRow : SPARSE_FROM.rows)) return SPARSE;
  }
  if (windows.stride === undefined) return INDIRECT;
  return windows.m === 1 ? GEMV : GEMM;
}

/** Byte offset of element i of a window (float32) from its start. */
function elementOffset({ segments, run }: Windows, i: number): number {
  const segment = Math.floor(i / run);
  return segments[segment]! + (i - segment * run) * 4;
}
