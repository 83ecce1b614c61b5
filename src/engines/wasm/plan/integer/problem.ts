/**
 * An integer layer with constant weights (convolution, dense, product), as its candidates see it. Dense tiles read the input widened once
 * to int16 with its zero point taken off, so that padding is 0.
 */
import type { IntegerFinish } from "../../../cpu/kernels/gemm_i8.ts";
import type { Int8CodebookCode } from "../../../../graph/ir.ts";
import type { KernelCall, PlanContext } from "../../program.ts";
import { tilePost } from "../../records.ts";
import { copyCall, imageRecord } from "../copy.ts";
import type { Windows } from "../windows.ts";

/** Kernels write whole vectors: this much scratch may be touched behind what is needed. */
export const OVERRUN_BYTES = 128;
/** Elements that the widening kernel may write behind a row. */
const WIDEN_OVERRUN = 7;

export interface IntegerProblem {
  /** For int16 elements. */
  readonly windows: Windows;
  /** Input as stored: its shape and pads (all 0 for a matrix). */
  readonly shape: readonly number[];
  readonly pads: readonly [number, number, number, number];
  readonly isSigned: boolean;
  readonly inputZeroPoint: number;
  readonly groups: number;
  /** Outputs of one group. */
  readonly n: number;
  /** Inputs of one output: the length of a window. */
  readonly k: number;
  /** [groups × n][k], weight zero points taken off */
  readonly weights: Int16Array;
  /** The same weights as values of each output and 4-bit indices. */
  readonly codebook?: Int8CodebookCode;
  readonly bias: Int32Array | undefined;
  readonly finish: IntegerFinish;
  readonly isSignedOutput: boolean;
  /** Addresses. */
  readonly input: number;
  readonly output: number;
}

export function postOf(context: PlanContext, { finish, isSignedOutput }: IntegerProblem): number {
  return context.table(tilePost(finish.zeroPoint, finish.lo, finish.hi, isSignedOutput));
}

export function biasOf({ bias, groups, n }: IntegerProblem): Int32Array {
  return bias ?? new Int32Array(groups * n);
}

/** The bias of inputs that keep a zero point: Σ w (x - z) = Σ w x - z Σ w, the same int32. */
export function biasWithout(problem: IntegerProblem, zeroPoint: number): Int32Array {
  const { weights, k } = problem;
  return biasOf(problem).map((bias, o) => {
    let sum = 0;
    for (let i = o * k; i < (o + 1) * k; i++) sum += weights[i]!;
    return (bias - zeroPoint * sum) | 0;
  });
}

/** The int16 copy that windows read: its bytes, and the call that fills it. */
export function widenedInput(
  context: PlanContext,
  { shape, pads, isSigned, inputZeroPoint, input }: IntegerProblem,
): { readonly bytes: number; readonly call: (to: number) => KernelCall } {
  const [n = 1, h = 1, w = 1, c = 1] = shape;
  const bytes = 2 * n * (h + pads[0] + pads[2]) * (w + pads[1] + pads[3]) * c;
  const record = imageRecord(shape, pads, 1);
  return {
    bytes: bytes + OVERRUN_BYTES,
    call: (to) => widenCall(context, record, input, to, inputZeroPoint, isSigned),
  };
}

/** Padded bytes at `from` → int16 at `to`, zero point taken off. */
export function widenCall(
  context: PlanContext,
  record: Int32Array,
  from: number,
  to: number,
  zeroPoint: number,
  isSigned: boolean,
): KernelCall {
  const finish = [zeroPoint, isSigned ? 1 : 0];
  return copyCall(context, { kernel: "i8_widen_rows__wasm_simd", record, outBytes: 2, overrun: WIDEN_OVERRUN, finish }, from, to);
}
