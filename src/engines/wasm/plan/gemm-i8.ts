/**
 * Integer convolution, dense layer and product with constant weights. The input is widened once to int16 with its zero point taken off
 * (padding is then 0), and int16 pairs go through the dot product; the sparse tile gathers blocks of 4 pixels instead.
 */
import type { IntegerFinish } from "../../cpu/kernels/gemm_i8.ts";
import { packDenseI8 } from "../pack.ts";
import type { WeightMatrix } from "../pack.ts";
import { liveIndices, packSparseI8, zeroBlockShare } from "../pack-sparse.ts";
import type { KernelCall, NodePlan, PlanContext } from "../program.ts";
import { fitsTile, padRecord, tilePost } from "../records.ts";
import { rowBlock } from "./windows.ts";
import type { Windows } from "./windows.ts";

/** Share of zero 1×8 blocks from which skipping them is faster, measured on Node 20. */
const SPARSE_FROM = 0.25;
/** Kernels write whole vectors: this much scratch may be touched behind what is needed. */
const OVERRUN_BYTES = 128;

export interface IntegerProblem {
  /** For int16 elements. */
  readonly windows: Windows;
  /** Input as stored: its shape and pads (all 0 for a matrix). */
  readonly shape: readonly number[];
  readonly pads: readonly [number, number, number, number];
  readonly isSigned: boolean;
  readonly inputZeroPoint: number;
  readonly groups: number;
  readonly n: number;
  /** [groups × n][k], weight zero points taken off */
  readonly weights: Int16Array;
  readonly bias: Int32Array | undefined;
  readonly finish: IntegerFinish;
  readonly isSignedOutput: boolean;
  readonly input: number;
  readonly output: number;
}

/** @returns undefined when accumulators may leave the range that the tiles requantize exactly */
export function planInteger(context: PlanContext, problem: IntegerProblem): NodePlan | undefined {
  const { windows, groups, n, weights } = problem;
  const k = windows.segments.length * windows.run;
  if (!fitsTile(weights, (i) => Math.floor(i / k), problem.bias, problem.finish.scales)) return undefined;
  if (groups === 1) {
    const live = liveIndices({ data: weights, offset: 0, n, k });
    if (zeroBlockShare(live, k) >= SPARSE_FROM) return planSparse(context, problem, live);
  }
  return planDense(context, problem);
}

function postOf(context: PlanContext, { finish, isSignedOutput }: IntegerProblem): number {
  return context.table(tilePost(finish.zeroPoint, finish.lo, finish.hi, isSignedOutput));
}

function biasOf({ bias, groups, n }: IntegerProblem): Int32Array {
  return bias ?? new Int32Array(groups * n);
}

/** The int16 copy that windows read: its bytes, and the call that fills it. */
function widened(
  context: PlanContext,
  { shape, pads, isSigned, inputZeroPoint, input }: IntegerProblem,
): {
  readonly bytes: number;
  readonly call: (to: number) => KernelCall;
} {
  const [n = 1, h = 1, w = 1, c = 1] = shape;
  const bytes = 2 * n * (h + pads[0] + pads[2]) * (w + pads[1] + pads[3]) * c;
  // Without padding the image is one long row.
  const geometry = pads.every((p) => p === 0) ? padRecord([1, 1, n * h * w, c], pads, 1) : padRecord([n, h, w, c], pads, 1);
  const record = context.table(geometry);
  return {
    bytes: bytes + OVERRUN_BYTES,
    call: (to) => ({ kernel: "i8_widen_rows__wasm_simd", args: [input, to, record, inputZeroPoint, isSigned ? 1 : 0] }),
  };
}

function planDense(context: PlanContext, problem: IntegerProblem): NodePlan {
  const { windows, groups, n, weights, finish, output } = problem;
  const { m, run, segments } = windows;
  const k = segments.length * run;
  const post = postOf(context, problem);
  const bias = biasOf(problem);
  const packed = Array.from({ length: groups }, (_, g) => {
    const rows = [g * n, (g + 1) * n] as const;
    const matrix: WeightMatrix<Int16Array> = { data: weights, offset: g * n * k, n, k };
    return context.weights(packDenseI8(matrix, segments.length, bias.subarray(...rows), finish.scales.subarray(...rows)));
  });
  const wide = widened(context, problem);
  const pairs = Math.ceil(run / 2);
  const mb = rowBlock(m, k * 2);
  const ldc = groups * n;
  const kernel = windows.stride === undefined ? "i8_conv_pairs_4x8__wasm_simd" : "i8_gemm_pairs_4x8__wasm_simd";
  const table = windows.stride === undefined ? context.table(windows.rows) : 0;
  const segmentTable = windows.stride === undefined ? context.table(segments) : 0;
  return {
    kernel,
    scratchBytes: wide.bytes,
    calls: (scratch) => [
      wide.call(scratch),
      ...packed.map((w, g): KernelCall => {
        const from = scratch + g * run * 2;
        const to = output + g * n;
        const where = windows.stride === undefined ? [table, segmentTable, segments.length] : [windows.stride];
        return { kernel, args: [from, ...where, pairs, w, to, ldc, m, n, mb, post] };
      }),
    ],
  };
}

function planSparse(context: PlanContext, problem: IntegerProblem, live: readonly Int32Array[]): NodePlan {
  const { windows, n, weights, finish, output, input, pads, isSigned, inputZeroPoint } = problem;
  const { m, run } = windows;
  const k = windows.segments.length * run;
  const post = postOf(context, problem);
  const matrix: WeightMatrix<Int16Array> = { data: weights, offset: 0, n, k };
  const pack = (byteOffset: (i: number) => number): number =>
    context.weights(packSparseI8(matrix, live, biasOf(problem), finish.scales, byteOffset));
  if (m === 1 && windows.segments.length === 1) {
    const wide = widened(context, problem);
    const kernel = "i8_spmv_1x8_1x8__wasm_simd";
    const w = pack((i) => i * 2);
    return { kernel, scratchBytes: wide.bytes, calls: (scratch) => [wide.call(scratch), { kernel, args: [scratch, w, output, n, post] }] };
  }
  const kernel = "i8_spmm_1x8_4x8__wasm_simd";
  const w = pack((i) => i * 8);
  // This tile reads bytes: the windows, planned for int16, at half the distance.
  const halve = (offsets: Int32Array): number => context.table(offsets.map((offset) => offset / 2));
  const rows = halve(windows.rows);
  const segments = halve(windows.segments);
  const mb = rowBlock(m, k * 2, 65536);
  const [batch = 1, h = 1, width = 1, c = 1] = problem.shape;
  const record = windows.padded === undefined ? undefined : context.table(padRecord([batch, h, width, c], pads, 1));
  const copyBytes =
    windows.padded === undefined ? 0 : Math.ceil((windows.padded.reduce((size, d) => size * d, 1) + OVERRUN_BYTES) / 64) * 64;
  return {
    kernel,
    scratchBytes: copyBytes + mb * k * 2 + OVERRUN_BYTES,
    calls: (scratch) => {
      const from = record === undefined ? input : scratch;
      const blocks = scratch + copyBytes;
      return [
        ...(record === undefined ? [] : [{ kernel: "any_pad_rows__wasm_simd", args: [input, scratch, record, inputZeroPoint] }]),
        {
          kernel,
          args: [
            ...[from, rows, segments, windows.segments.length, run, blocks, w, output, n, m, n, mb],
            ...[inputZeroPoint, isSigned ? 1 : 0, post],
          ],
        },
      ];
    },
  };
}
