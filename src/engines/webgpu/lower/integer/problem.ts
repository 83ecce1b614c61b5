/** An 8-bit layer with constant weights, as its candidates see it. */
import { scaleWords } from "../../../../graph/fixed-point.ts";
import type { Int8CodebookCode, Tensor } from "../../../../graph/ir.ts";
import { packColumns, packIntegerGemm } from "../../pack.ts";
import type { Operand } from "../../step.ts";
import type { Lowering } from "../context.ts";
import type { GeneralConv } from "../general.ts";
import { gemmParams } from "../problem.ts";
import type { GemmProblem } from "../problem.ts";
import { int32Bias } from "../quantized.ts";
import type { IntegerFinish } from "../quantized.ts";

export interface IntegerProblem {
  /** Undefined where the weights have zero points, or groups do not fill words: only the general kernel takes those. */
  readonly gemm: GemmProblem | undefined;
  /** Compact form of exactly the weights. */
  readonly codebook: Int8CodebookCode | undefined;
  /** A of the product; may dispatch what prepares it (patches of an image), so ask once, while lowering. */
  readonly input: (c: Lowering) => Operand;
  readonly bias: Tensor | undefined;
  readonly finish: IntegerFinish;
  readonly out: Tensor;
  /** The same for the kernel that takes any convolution. */
  readonly general: GeneralConv;
}

/** Bias (less zero point × Σ weights) and scale of every output channel; per group padded to a multiple of `tile`. */
export function columnsOperand(c: Lowering, gemm: GemmProblem, { bias, finish }: IntegerProblem, tile: number): Operand {
  const { groups, groupOut } = gemm.shape;
  const folded = foldedBias(gemm, int32Bias(c, bias, groups * groupOut), finish.inZero);
  return c.constant("columns", packColumns(folded, scaleWords(finish), groups, tile));
}

/** bias - zero point × Σ weights, over every weight: padding reads the zero point too, so it takes part on both sides. */
function foldedBias({ shape, weight }: GemmProblem, bias: Int32Array, inZero: number): Int32Array {
  const { groups, groupOut, segmentsY, segmentsX, run } = shape;
  return Int32Array.from({ length: groups * groupOut }, (_, o) => {
    let sum = 0;
    for (let sy = 0; sy < segmentsY; sy++) for (let sx = 0; sx < segmentsX; sx++) for (let i = 0; i < run; i++) sum += weight(o, sy, sx, i);
    return (bias[o]! - Math.imul(inZero, sum)) | 0;
  });
}

/** Uniform and inputs (A, weights [group][k/4][n], columns) of a kernel that reads all weights. */
export function denseInputs(
  c: Lowering,
  gemm: GemmProblem,
  problem: IntegerProblem,
): { readonly params: readonly number[]; readonly inputs: readonly Operand[]; readonly output: Tensor } {
  return {
    params: gemmParams(gemm, undefined, problem.finish),
    inputs: [problem.input(c), c.constant("weights", packIntegerGemm(gemm.shape, gemm.weight)), columnsOperand(c, gemm, problem, 4)],
    output: problem.out,
  };
}
