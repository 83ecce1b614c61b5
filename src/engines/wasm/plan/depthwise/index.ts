/** Depthwise convolution with one filter a channel: from a node to its candidates. */
import type { NodeWith } from "../../../../graph/ir.ts";
import { candidateList } from "../../../candidates.ts";
import { floatWeights, integerFinish } from "../../../cpu/kernels/weights.ts";
import type { NodePlan, PlanContext } from "../../program.ts";
import { fitsTile } from "../../records.ts";
import { planBest } from "../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { centered } from "../operands.ts";
import type { Operands } from "../operands.ts";
import type { FloatDepthwise, IntegerDepthwise } from "./problem.ts";
import { RELAXED_TILES } from "./relaxed.ts";
import { FIXED_INTEGER, SCALAR_FLOAT, SCALAR_INTEGER } from "./scalar.ts";
import { FLOAT_TILES, INTEGER_TILES } from "./tiles.ts";

export const FLOAT_DEPTHWISE = candidateList<Candidate<FloatDepthwise>>(FLOAT_TILES);
export const INTEGER_DEPTHWISE = candidateList<Candidate<IntegerDepthwise>>([...RELAXED_TILES, ...INTEGER_TILES]);

/** @returns undefined when accumulators may leave the range that the tiles requantize exactly */
export function planDepthwiseTiles(
  context: PlanContext,
  node: NodeWith<"DepthwiseConv2D">,
  { x, w, bias, out, isFloat }: Operands,
  size: readonly [number, number],
): NodePlan | undefined {
  const { attrs, name } = node;
  const channels = x.shape[3]!;
  const { simd } = context.selection;
  const shared = {
    attrs,
    shape: x.shape,
    pads: attrs.pads,
    outShape: out.shape,
    size,
    input: context.address(x),
    output: context.address(out),
  };
  if (isFloat) {
    const problem: FloatDepthwise = {
      ...shared,
      weights: floatWeights(node, w, w.data),
      bias: bias?.data === undefined ? new Float32Array(channels) : floatWeights(node, bias, bias.data),
      activation: attrs.activation,
    };
    return planBest(context, simd ? FLOAT_DEPTHWISE : [SCALAR_FLOAT], problem, name, w.code);
  }
  const finish = integerFinish(node, x, w, bias, out, 3, channels, attrs.activation);
  const channelOf = (i: number): number => i % channels;
  const problem: IntegerDepthwise = {
    ...shared,
    weights: centered(w, finish, channelOf),
    bias: (bias?.data as Int32Array | undefined) ?? new Int32Array(channels),
    finish,
    isSigned: x.dtype === "int8",
    inputZeroPoint: x.quant!.zeroPoints[0]!,
    isSignedOutput: out.dtype === "int8",
  };
  if (finish.fixed !== undefined) return planBest(context, [FIXED_INTEGER], problem, name, w.code);
  if (!fitsTile(problem.weights, channelOf, problem.bias, finish.scales)) return undefined;
  return planBest(context, simd ? INTEGER_DEPTHWISE : [SCALAR_INTEGER], problem, name, w.code);
}
