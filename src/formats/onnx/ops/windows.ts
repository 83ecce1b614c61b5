/**
 * What Conv, ConvTranspose and the pools share: kernel, strides, dilations and pads as ONNX states them, for one or two spatial axes,
 * turned into explicit 2-D ones. A 1-D op runs as 2-D on an image of height 1.
 */
import { windowOutput } from "../../../graph/infer.ts";
import type { Pads2D, Pair, Shape, Tensor } from "../../../graph/ir.ts";
import { toChannelsFirst, toChannelsLast, type ImportContext } from "../context.ts";
import type { OnnxNode } from "../node.ts";

/** One entry per spatial axis, in the file's order. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padsBegin: number[];
  readonly padsEnd: number[];
  readonly autoPad: string;
}

/** @throws FormatError, UnsupportedError (3-D) */
export function readWindow(node: OnnxNode, x: Tensor, kernel: readonly number[]): Window {
  const spatial = x.shape.length - 2;
  if (spatial !== 1 && spatial !== 2) {
    node.unsupported(`input has ${x.shape.length} dimensions, expected 3 (N, C, L) or 4 (N, C, H, W); 3-D windows are not supported`);
  }
  const list = (name: string, fallback: number, count: number, least: number): number[] => {
    const values = node.ints(name) ?? new Array<number>(count).fill(fallback);
    if (values.length !== count || values.some((v) => v < least)) {
      node.fail(`attribute ${name} is [${values.join(", ")}], expected ${count} values of at least ${least}`);
    }
    return [...values];
  };
  const declared = node.ints("kernel_shape");
  if (declared !== undefined && declared.join() !== kernel.join()) {
    node.fail(`kernel_shape [${declared.join(", ")}] differs from the weights' [${kernel.join(", ")}]`);
  }
  if (kernel.length !== spatial || kernel.some((k) => k < 1))
    node.fail(`kernel [${kernel.join(", ")}] does not fit ${spatial} spatial axes`);
  const pads = list("pads", 0, 2 * spatial, 0);
  return {
    kernel,
    strides: list("strides", 1, spatial, 1),
    dilations: list("dilations", 1, spatial, 1),
    padsBegin: pads.slice(0, spatial),
    padsEnd: pads.slice(spatial),
    autoPad: node.string("auto_pad", "NOTSET"),
  };
}

/** Explicit pads for a sliding window (Conv and the pools). */
export function resolveAutoPad(node: OnnxNode, window: Window, spatialShape: Shape): void {
  const { autoPad, kernel, strides, dilations, padsBegin, padsEnd } = window;
  if (autoPad === "NOTSET" || autoPad === "") return;
  for (let i = 0; i < kernel.length; i++) {
    if (autoPad === "VALID") {
      padsBegin[i] = padsEnd[i] = 0;
    } else if (autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER") {
      const size = spatialShape[i]!;
      const outputs = Math.ceil(size / strides[i]!);
      const total = Math.max((outputs - 1) * strides[i]! + dilations[i]! * (kernel[i]! - 1) + 1 - size, 0);
      const small = Math.floor(total / 2);
      padsBegin[i] = autoPad === "SAME_UPPER" ? small : total - small;
      padsEnd[i] = total - padsBegin[i]!;
    } else {
      node.fail(`auto_pad is "${autoPad}", expected NOTSET, SAME_UPPER, SAME_LOWER or VALID`);
    }
  }
}

/** Extra padding at the end of each axis that makes the window count round up (ceil_mode). */
export function ceilExtra(window: Window, spatialShape: Shape): readonly number[] {
  return window.kernel.map((kernel, i) => {
    const size = spatialShape[i]!;
    const [stride, dilation] = [window.strides[i]!, window.dilations[i]!];
    const pads = window.padsBegin[i]! + window.padsEnd[i]!;
    const span = dilation * (kernel - 1) + 1;
    let outputs = Math.ceil((size + pads - span) / stride) + 1;
    // A last window that starts in the end padding sees nothing and is left out.
    if ((outputs - 1) * stride >= size + window.padsBegin[i]!) outputs--;
    const floor = windowOutput(size, kernel, stride, dilation, pads);
    return outputs > floor ? (outputs - 1) * stride + span - size - pads : 0;
  });
}

/** Height 1 in front of a single spatial axis. */
export function pair(values: readonly number[], fill: number): Pair {
  return values.length === 1 ? [fill, values[0]!] : [values[0]!, values[1]!];
}

export function pads2D(begin: readonly number[], end: readonly number[]): Pads2D {
  const [top, left] = pair(begin, 0);
  const [bottom, right] = pair(end, 0);
  return [top, left, bottom, right];
}

/** [N, C, (H,) W] → [N, H, W, C] */
export function toImage(ctx: ImportContext, node: OnnxNode, x: Tensor): Tensor {
  const image = x.shape.length === 3 ? ctx.reshape(node, "as_2d", x, [x.shape[0]!, x.shape[1]!, 1, x.shape[2]!]) : x;
  return ctx.transpose(node, "to_nhwc", image, toChannelsLast(4));
}

/** Binds the node's output to an image [N, H, W, C] brought back to the file's order and rank. */
export function fromImage(ctx: ImportContext, node: OnnxNode, image: Tensor, rank: number): void {
  const perm = toChannelsFirst(4);
  if (rank === 4) {
    ctx.result(node, "Transpose", [image], { perm });
    return;
  }
  const [n, , w, c] = image.shape;
  const first = ctx.helper(node, "to_nchw", "Transpose", [image], { perm });
  ctx.result(node, "Reshape", [first], {}, { shape: [n!, c!, w!] });
}
