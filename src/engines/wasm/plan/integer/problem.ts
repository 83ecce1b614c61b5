/**
 * An integer layer with constant weights (convolution, dense, product), as its candidates see it. Dense tiles read the input widened once
 * to int16 with its zero point taken off, so that padding is 0.
 */
import type { IntegerFinish } from "../../../cpu/kernels/gemm_i8.ts";
import type { Int8CodebookCode } from "../../../../graph/ir.ts";
import type { PlanContext } from "../../program.ts";
import { tilePost } from "../../records.ts";
import { borderedCopy, inputCopy } from "../copy.ts";
import type { InputCopy } from "../copy.ts";
import type { LayerProblem } from "../layer.ts";
import type { ByteImage } from "../unsigned-input.ts";

/** Kernels write whole vectors: this much scratch may be touched behind what is needed. */
export const OVERRUN_BYTES = 128;
/** Elements that the widening kernel may write behind a row. */
const WIDEN_OVERRUN = 7;

export interface IntegerProblem extends LayerProblem, ByteImage {
  /** [groups × n][k], weight zero points taken off */
  readonly weights: Int16Array;
  /** The same weights as values of each output and 4-bit indices. */
  readonly codebook?: Int8CodebookCode;
  readonly bias: Int32Array | undefined;
  readonly finish: IntegerFinish;
  readonly isSignedOutput: boolean;
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

/** What kernels that widen bytes end with, before the record of the output's grid. */
export function widenArgs({ inputZeroPoint, isSigned }: ByteImage): readonly [zeroPoint: number, isSigned: 0 | 1] {
  return [inputZeroPoint, isSigned ? 1 : 0];
}

/** Padded bytes as int16, the zero point taken off. @param slack bytes that readers may touch behind it */
export function widenedInput(context: PlanContext, image: ByteImage, slack = OVERRUN_BYTES): InputCopy {
  return inputCopy(context, image, {
    kernel: "i8_widen_rows__wasm_simd",
    inputBytes: 1,
    outBytes: 2,
    overrun: WIDEN_OVERRUN,
    finish: widenArgs(image),
    slack,
  });
}

/** For kernels that widen a block of pixels themselves: the bytes with a border of the zero point, where there is one. */
export function borderedInput(context: PlanContext, problem: IntegerProblem): InputCopy | undefined {
  return borderedCopy(context, problem, 1, OVERRUN_BYTES, problem.inputZeroPoint);
}
