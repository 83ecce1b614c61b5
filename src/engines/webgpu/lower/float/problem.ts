/** A float layer with constant weights (convolution, dense, product), as its candidates see it. */
import type { Activation, Shape, Tensor, FloatCode } from "../../../../graph/ir.ts";
import { packCode } from "../../pack-coded.ts";
import type { PackedCode } from "../../pack-coded.ts";
import { packTwoOfFour } from "../../pack-sparse.ts";
import type { TwoOfFour } from "../../pack-sparse.ts";
import { packFloatGemm, padPerGroup } from "../../pack.ts";
import type { Operand } from "../../step.ts";
import { activationParams } from "../context.ts";
import type { Lowering } from "../context.ts";
import { gemmParams, lazy } from "../problem.ts";
import type { GemmProblem } from "../problem.ts";
import { floatValues } from "../quantized.ts";
import { LISTS_1X8, SINGLE, liveOf } from "../sparse.ts";

export interface FloatProblem {
  readonly gemm: GemmProblem;
  readonly x: Tensor;
  readonly bias: Tensor | undefined;
  readonly activation: Activation | undefined;
  readonly out: Tensor;
  /** What a residual connection adds before the activation, laid out as `out`. */
  readonly residual: Tensor | undefined;
  /** Compact form of exactly the weights, and the shape of the constant. */
  readonly code: FloatCode | undefined;
  readonly weightShape: Shape;
  /** That code in the kernels' layout; undefined without one, or where the layout cannot express it. */
  readonly packedCode: () => PackedCode | undefined;
  /** The weights as 2:4 storage; undefined where a unit keeps more than two, or where lists can skip what is zero. */
  readonly twoOfFour: () => TwoOfFour | undefined;
}

/**
 * Shares of weights left between which 2:4 storage is what the data look like: half, and up to two thirds where runs are short (two of
 * three). Below, a list of single weights takes fewer bytes.
 */
const TWO_OF_FOUR = { least: 0.3, most: 0.67 } as const;
/** Share of 1×8 blocks with weights up to which lists skip the rest, and 2:4 storage is no help. */
const SKIPPED_BY_LISTS = 0.7;

export function floatProblem(problem: Omit<FloatProblem, "packedCode" | "twoOfFour">): FloatProblem {
  const { gemm, code, weightShape } = problem;
  return {
    ...problem,
    packedCode: lazy(() => code && packCode(code, gemm.shape, gemm.source, weightShape)),
    twoOfFour: lazy(() => {
      const live = liveOf(gemm, SINGLE);
      if (code !== undefined || live < TWO_OF_FOUR.least || live > TWO_OF_FOUR.most) return undefined;
      if (liveOf(gemm, LISTS_1X8) < SKIPPED_BY_LISTS) return undefined;
      return packTwoOfFour(gemm.shape, gemm.weight);
    }),
  };
}

/** Bias by group, padded with zeros to a multiple of `tile`. */
export function biasOperand(c: Lowering, { gemm, bias }: FloatProblem, tile: number): Operand {
  const { groups, groupOut } = gemm.shape;
  const values = bias === undefined ? new Float32Array(groups * groupOut) : floatValues(c, bias);
  return c.constant("bias", padPerGroup(values, groups, tile));
}

/** What every kernel of a float layer has in common, whatever its weights are. */
export interface FloatDispatch {
  readonly params: readonly number[];
  readonly output: Tensor;
  readonly residual: Operand;
  readonly constants: Readonly<Record<string, number>>;
}

/** Uniform, output and what common/f32_finish.wgsl wants. */
export function floatDispatch(c: Lowering, { gemm, x, activation, out, residual }: FloatProblem): FloatDispatch {
  return {
    params: gemmParams(gemm, activation, undefined),
    output: out,
    residual: c.operand(residual ?? x),
    constants: { ACTIVATION: activationParams(activation).kind, RESIDUAL: residual === undefined ? 0 : 1 },
  };
}

/** The same with inputs (A, weights [group][k][n/4], bias) of a kernel that reads all weights. */
export function denseInputs(c: Lowering, problem: FloatProblem): FloatDispatch & { readonly inputs: readonly Operand[] } {
  const { gemm, x } = problem;
  const weights = c.constant("weights", packFloatGemm(gemm.shape, gemm.weight));
  return { ...floatDispatch(c, problem), inputs: [c.operand(x), weights, biasOperand(c, problem, 4)] };
}

/** Whether tiles of so many rows and columns cover the output of every group exactly. */
export function isWhole({ m, shape }: GemmProblem, rows: number, columns: number): boolean {
  return m % rows === 0 && shape.groupOut % columns === 0;
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
