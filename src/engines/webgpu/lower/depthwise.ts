/** DepthwiseConv2D as its candidates see it, and the uniform of common/window_params.wgsl. */
import type { Conv2DAttrs, Tensor } from "../../../graph/ir.ts";
import { f, u } from "../step.ts";
import { activationParams } from "./context.ts";
import type { GeneralConv } from "./general.ts";
import type { IntegerFinish } from "./quantized.ts";

export interface DepthwiseProblem {
  readonly attrs: Conv2DAttrs;
  readonly x: Tensor;
  /** [KH, KW, C × multiplier] */
  readonly w: Tensor;
  readonly bias: Tensor | undefined;
  readonly out: Tensor;
  /** Of 8-bit types. */
  readonly finish: IntegerFinish | undefined;
  /** The same for the kernel that takes any convolution. */
  readonly general: GeneralConv;
}

/** One filter a channel. */
export function isPlainDepthwise({ x, out }: DepthwiseProblem): boolean {
  return out.shape[3] === x.shape[3];
}

/** @param columns threads along one output line */
export function windowParams({ attrs, x, w, out, finish }: DepthwiseProblem, columns: number): readonly number[] {
  const { kind, lo, hi } = activationParams(finish === undefined ? attrs.activation : undefined);
  return [
    ...u(
      x.shape[0]!,
      x.shape[1]!,
      x.shape[2]!,
      Math.ceil(x.shape[3]! / 4),
      out.shape[1]!,
      out.shape[2]!,
      columns,
      w.shape[1]!,
      w.shape[2]!,
    ),
    ...u(...attrs.strides, attrs.pads[0], attrs.pads[1], ...attrs.dilations, kind),
    ...f(lo, hi),
    ...u(((finish?.inZero ?? 0) & 255) * 0x01010101, finish?.outZero ?? 0, finish?.lo ?? 0, finish?.hi ?? 0),
  ];
}
