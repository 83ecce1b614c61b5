/** A depthwise convolution with one filter a channel, as its candidates see it. */
import { elementCount } from "../../../../graph/dtype.ts";
import type { Activation, Conv2DAttrs, Shape } from "../../../../graph/ir.ts";
import type { IntegerFinish } from "../../../cpu/kernels/gemm_i8.ts";
import type { NodePlan, PlanContext } from "../../program.ts";
import type { Image, InputCopy } from "../copy.ts";
import { planCalls } from "../layer.ts";
import { splitWindows } from "../split.ts";
import type { WindowImage } from "../split.ts";
import type { ByteImage } from "../unsigned-input.ts";

/** Of either type of elements. */
export interface DepthwiseProblem extends Image {
  readonly attrs: Conv2DAttrs;
  readonly outShape: Shape;
  /** Rows and columns of a filter. */
  readonly size: readonly [number, number];
  /** Address. */
  readonly output: number;
}

export interface FloatDepthwise extends DepthwiseProblem {
  /** [KH][KW][C] */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  readonly activation: Activation | undefined;
}

export interface IntegerDepthwise extends DepthwiseProblem, ByteImage {
  /** [KH][KW][C], zero points taken off */
  readonly weights: Int16Array;
  readonly bias: Int32Array;
  readonly finish: IntegerFinish;
  readonly isSignedOutput: boolean;
}

/** `w3s1` and the like: what tiles are named and chosen by; undefined for a dilated window, which none covers. */
export function windowName({ attrs: { strides, dilations }, size: [, kw] }: DepthwiseProblem): string | undefined {
  return dilations.every((d) => d === 1) ? `w${kw}s${strides[1]}` : undefined;
}

/** Shape of the input with its borders. */
export function paddedShape({ shape, pads }: Image): readonly [number, number, number, number] {
  const [batch = 1, height = 1, width = 1, channels = 1] = shape;
  return [batch, height + pads[0] + pads[2], width + pads[1] + pads[3], channels];
}

export interface DepthwiseCall {
  readonly kernel: string;
  /** Where windows lie. */
  readonly record: Int32Array;
  readonly image: WindowImage;
  /** Multiply-adds of one thread in a microsecond. */
  readonly rate: number;
  /** Fills what the kernel reads in place of the input, where it does. */
  readonly copy?: InputCopy | undefined;
  /** Address of the packed weights, and what follows the geometry. */
  readonly weights: number;
  readonly finish: readonly number[];
}

/** A kernel with arguments [input, weights, output, geometry, ...finish], and the copy before it. */
export function planCall(context: PlanContext, problem: DepthwiseProblem, plan: DepthwiseCall): NodePlan {
  const { kernel, record, image, weights, finish } = plan;
  const [kh, kw] = problem.size;
  const cost = (elementCount(problem.outShape) * kh * kw) / plan.rate;
  return planCalls(context, problem.input, plan, (from) => {
    const args = (input: number, output: number, geometry: number, panels: number): readonly number[] => [
      ...[from + input, weights + panels, problem.output + output, geometry],
      ...finish,
    ];
    return [{ kernel, args: args(0, 0, context.table(record), 0), split: splitWindows(context, record, image, cost, args) }];
  });
}
