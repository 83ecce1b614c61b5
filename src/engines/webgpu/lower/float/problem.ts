/** A float layer with constant weights (convolution, dense, product), as its candidates see it. */
import type { Activation, Tensor } from "../../../../graph/ir.ts";
import { packBlockSparse, packFloatGemm, padPerGroup } from "../../pack.ts";
import type { BlockSparse } from "../../pack.ts";
import type { Operand } from "../../step.ts";
import type { Lowering } from "../context.ts";
import { gemmParams, lazy } from "../problem.ts";
import type { GemmProblem } from "../problem.ts";
import { floatValues } from "../quantized.ts";

export interface FloatProblem {
  readonly gemm: GemmProblem;
  readonly x: Tensor;
  readonly bias: Tensor | undefined;
  readonly activation: Activation | undefined;
  readonly out: Tensor;
  /** The weights as lists of 1×8 blocks that are not zero; undefined when their positions cannot be encoded. */
  readonly blocks: () => BlockSparse | undefined;
}

export function floatProblem(problem: Omit<FloatProblem, "blocks">): FloatProblem {
  const { shape, weight, position } = problem.gemm;
  return { ...problem, blocks: lazy(() => packBlockSparse(shape, weight, position, (n) => new Float32Array(n))) };
}

/** Bias by group, padded with zeros to a multiple of `tile`. */
export function biasOperand(c: Lowering, { gemm, bias }: FloatProblem, tile: number): Operand {
  const { groups, groupOut } = gemm.shape;
  const values = bias === undefined ? new Float32Array(groups * groupOut) : floatValues(c, bias);
  return c.constant("bias", padPerGroup(values, groups, tile));
}

/** Uniform and inputs (A, weights [group][k][n/4], bias) of a kernel that reads all weights. */
export function denseInputs(
  c: Lowering,
  problem: FloatProblem,
): { readonly params: readonly number[]; readonly inputs: readonly Operand[]; readonly output: Tensor } {
  const { gemm, x, activation, out } = problem;
  return {
    params: gemmParams(gemm, activation, undefined),
    inputs: [c.operand(x), c.constant("weights", packFloatGemm(gemm.shape, gemm.weight)), biasOperand(c, problem, 4)],
    output: out,
  };
}

/** How a kernel reads A: the family in its name, and the suffix of what reads one value at a time. */
export interface Access {
  readonly conv: boolean;
  readonly vec4: boolean;
}

export const ACCESSES: readonly Access[] = [true, false].flatMap((vec4) => [false, true].map((conv) => ({ conv, vec4 })));
export const ROW_ACCESSES: readonly Access[] = ACCESSES.filter(({ conv }) => !conv);

export function kernelName(pattern: string, { conv, vec4 }: Access): string {
  return `f32_${conv ? "conv" : "gemm"}_${pattern}__wgsl${vec4 ? "" : "_scalar"}`;
}

export function reads({ gemm }: FloatProblem, access: Access): boolean {
  return gemm.conv === access.conv && gemm.vec4 === access.vec4;
}
