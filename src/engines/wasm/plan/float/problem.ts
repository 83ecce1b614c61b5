/** A float layer with constant weights (convolution, dense, product), as its candidates see it. */
import type { Activation, FloatCode } from "../../../../graph/ir.ts";
import type { PlanContext } from "../../program.ts";
import { RESIDUAL } from "../../codes.ts";
import { activationCode, floatPost, residualPost } from "../../records.ts";
import { borderedCopy } from "../copy.ts";
import type { InputCopy } from "../copy.ts";
import type { LayerProblem } from "../layer.ts";

export interface FloatProblem extends LayerProblem {
  /** [groups × n][k] */
  readonly weights: Float32Array;
  /** Compact form of exactly these weights. */
  readonly code?: FloatCode;
  readonly bias: Float32Array | undefined;
  readonly activation: Activation | undefined;
  /** Address of what is added before the activation, laid out as the output; absent: nothing. */
  readonly residual?: number | undefined;
}

export function biasOf({ bias, groups, n }: FloatProblem): Float32Array {
  return bias ?? new Float32Array(groups * n);
}

/** What ends the arguments of every float kernel. */
export function activationArgs(context: PlanContext, activation: Activation | undefined): readonly [act: number, post: number] {
  return [activationCode(activation), context.table(floatPost(activation))];
}

/** The same of kernels that add a residual. */
export function finishArgs(context: PlanContext, { activation, residual, output }: FloatProblem): readonly [act: number, post: number] {
  if (residual === undefined) return activationArgs(context, activation);
  return [activationCode(activation) | RESIDUAL, context.table(residualPost(activation, residual - output))];
}

/** The padded copy that windows read, when they need one. */
export function paddedInput(context: PlanContext, problem: FloatProblem): InputCopy | undefined {
  return borderedCopy(context, problem, 4);
}
