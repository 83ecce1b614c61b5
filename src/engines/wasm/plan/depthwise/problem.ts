/** A depthwise convolution with one filter a channel, as its candidates see it. */
import { elementCount } from "../../../../graph/dtype.ts";
import type { Activation, Conv2DAttrs, Shape } from "../../../../graph/ir.ts";
import type { IntegerFinish } from "../../../cpu/kernels/gemm_i8.ts";
import type { KernelCall, NodePlan, PlanContext, Split } from "../../program.ts";
import { splitWindows } from "../split.ts";
import type { WindowImage } from "../split.ts";

/** Of either type of elements. */
export interface DepthwiseProblem {
  readonly attrs: Conv2DAttrs;
  /** [N][H][W][C] */
  readonly shape: Shape;
  readonly outShape: Shape;
  /** Rows and columns of a filter. */
  readonly size: readonly [number, number];
  /** Addresses. */
  readonly input: number;
  readonly output: number;
}

export interface FloatDepthwise extends DepthwiseProblem {
  /** [KH][KW][C] */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  readonly activation: Activation | undefined;
}

export interface IntegerDepthwise extends DepthwiseProblem {
  /** [KH][KW][C], zero points taken off */
  readonly weights: Int16Array;
  readonly bias: Int32Array;
  readonly finish: IntegerFinish;
  readonly isSigned: boolean;
  readonly inputZeroPoint: number;
  readonly isSignedOutput: boolean;
}

/** `w3s1` and the like: what tiles are named and chosen by; undefined for a dilated window, which none covers. */
export function windowName({ attrs: { strides, dilations }, size: [, kw] }: DepthwiseProblem): string | undefined {
  return dilations.every((d) => d === 1) ? `w${kw}s${strides[1]}` : undefined;
}

/** Shape of the input with its borders. */
export function paddedShape({ shape, attrs: { pads } }: DepthwiseProblem): readonly [number, number, number, number] {
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
  readonly copy?: { readonly bytes: number; readonly call: (to: number) => KernelCall };
  /** Address of the packed weights, and what follows the geometry. */
  readonly weights: number;
  readonly finish: readonly number[];
}

/** A kernel with arguments [input, weights, output, geometry, ...finish], and the copy before it. */
export function planCall(context: PlanContext, problem: DepthwiseProblem, plan: DepthwiseCall): NodePlan {
  const { kernel, record, image, copy, weights, finish } = plan;
  const [kh, kw] = problem.size;
  const cost = (elementCount(problem.outShape) * kh * kw) / plan.rate;
  return {
    kernel,
    ...(copy && { scratchBytes: copy.bytes }),
    calls: (scratch) => {
      const from = copy === undefined ? problem.input : scratch;
      const args = (input: number, output: number, geometry: number, panels: number): readonly number[] => [
        ...[from + input, weights + panels, problem.output + output, geometry],
        ...finish,
      ];
      const split: Split = splitWindows(context, record, image, cost, args);
      const call = { kernel, args: args(0, 0, context.table(record), 0), split };
      return copy === undefined ? [call] : [copy.call(scratch), call];
    },
  };
}
