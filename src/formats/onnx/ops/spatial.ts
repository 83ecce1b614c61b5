/** Importers of the spatial ops. Each stands between Transposes to and from channels-last; the layout pass removes those. */
import { formatShape } from "../../../errors.ts";
import type { Pair, Tensor } from "../../../graph/ir.ts";
import type { ImportContext } from "../context.ts";
import type { OnnxNode } from "../node.ts";
import type { OpImporter } from "./importer.ts";
import { ceilExtra, fromImage, pads2D, pair, readWindow, resolveAutoPad, toImage, type Window } from "./windows.ts";

/** The weights with two kernel axes. */
function weights2D(ctx: ImportContext, node: OnnxNode, w: Tensor): Tensor {
  return w.shape.length === 3 ? ctx.reshape(node, "weights_2d", w, [w.shape[0]!, w.shape[1]!, 1, w.shape[2]!]) : w;
}

function checkWeights(node: OnnxNode, x: Tensor, w: Tensor): void {
  if (w.shape.length !== x.shape.length || w.shape.length < 3) {
    node.fail(`input ${formatShape(x.shape)} and weights ${formatShape(w.shape)}, expected the same rank, 3 or 4`);
  }
}

/** @param dynamic whether it quantizes x when it runs; w is then int8 on a grid */
export function convolution(ctx: ImportContext, node: OnnxNode, x: Tensor, w: Tensor, bias: Tensor | undefined, dynamic = false): void {
  checkWeights(node, x, w);
  const window = readWindow(node, x, w.shape.slice(2));
  resolveAutoPad(node, window, x.shape.slice(2));
  const groups = node.int("group", 1);
  const [channels, outputs, perGroup] = [x.shape[1]!, w.shape[0]!, w.shape[1]!];
  if (groups < 1 || perGroup * groups !== channels || outputs % groups !== 0) {
    node.fail(`weights ${formatShape(w.shape)} with group ${groups} do not fit input ${formatShape(x.shape)}`);
  }
  const attrs = {
    strides: pair(window.strides, 1),
    dilations: pair(window.dilations, 1),
    pads: pads2D(window.padsBegin, window.padsEnd),
    groups,
  };
  const image = toImage(ctx, node, x);
  const kernel = weights2D(ctx, node, w);
  const depthwise = groups > 1 && groups === channels && !dynamic;
  const packed = ctx.transpose(node, "weights", kernel, depthwise ? [1, 2, 3, 0] : [0, 2, 3, 1]);
  const inputs = [image, packed, ...(bias === undefined ? [] : [bias])];
  const y = ctx.spatial(node, depthwise ? "DepthwiseConv2D" : "Conv2D", inputs, dynamic ? { ...attrs, dynamic } : attrs);
  fromImage(ctx, node, y, x.shape.length);
}

const conv = (ctx: ImportContext, node: OnnxNode): void =>
  convolution(ctx, node, ctx.input(node, 0), ctx.input(node, 1), ctx.optional(node, 2));

const convTranspose = (ctx: ImportContext, node: OnnxNode): void => {
  const [x, w] = [ctx.input(node, 0), ctx.input(node, 1)];
  checkWeights(node, x, w);
  const window = readWindow(node, x, w.shape.slice(2));
  const groups = node.int("group", 1);
  const channels = w.shape[0]!;
  if (groups < 1 || channels !== x.shape[1] || channels % groups !== 0) {
    node.fail(`weights ${formatShape(w.shape)} with group ${groups} do not fit input ${formatShape(x.shape)}`);
  }
  const outputPadding = [...(node.ints("output_padding") ?? window.kernel.map(() => 0))];
  if (outputPadding.length !== window.kernel.length || outputPadding.some((p) => p < 0))
    node.fail("output_padding does not fit the kernel");
  resolveTransposedPads(node, window, x.shape.slice(2), outputPadding);

  // [C, O/g, KH, KW] → [O, KH, KW, C/g]
  const kernel = weights2D(ctx, node, w);
  const [, perGroup, kh, kw] = kernel.shape as [number, number, number, number];
  const split = ctx.reshape(node, "weights_groups", kernel, [groups, channels / groups, perGroup, kh, kw]);
  const moved = ctx.transpose(node, "weights", split, [0, 2, 3, 4, 1]);
  const packed = ctx.reshape(node, "weights_ohwi", moved, [groups * perGroup, kh, kw, channels / groups]);

  const bias = ctx.optional(node, 2);
  const y = ctx.spatial(node, "ConvTranspose2D", [toImage(ctx, node, x), packed, ...(bias ? [bias] : [])], {
    strides: pair(window.strides, 1),
    dilations: pair(window.dilations, 1),
    pads: pads2D(window.padsBegin, window.padsEnd),
    outputPadding: pair(outputPadding, 0),
    groups,
  });
  fromImage(ctx, node, y, x.shape.length);
};

/** Pads of ConvTranspose from output_shape or auto_pad; a result that has to grow grows by output padding. */
function resolveTransposedPads(node: OnnxNode, window: Window, sizes: readonly number[], outputPadding: number[]): void {
  const { kernel, strides, dilations, padsBegin, padsEnd, autoPad } = window;
  const same = autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER";
  const declared = node.ints("output_shape")?.slice(-kernel.length);
  if (autoPad === "VALID" && declared === undefined) {
    padsBegin.fill(0);
    padsEnd.fill(0);
  }
  if (declared === undefined && !same) return;
  kernel.forEach((k, i) => {
    const wanted = declared?.[i] ?? sizes[i]! * strides[i]!;
    const total = strides[i]! * (sizes[i]! - 1) + outputPadding[i]! + dilations[i]! * (k - 1) + 1 - wanted;
    const small = Math.floor(Math.max(total, 0) / 2);
    padsBegin[i] = autoPad === "SAME_UPPER" ? small : Math.max(total, 0) - small;
    padsEnd[i] = Math.max(total, 0) - padsBegin[i];
    if (total < 0) outputPadding[i]! -= total;
  });
}

function poolWindow(node: OnnxNode, x: Tensor): Window {
  const kernel = node.ints("kernel_shape");
  if (kernel === undefined) node.fail("attribute kernel_shape is missing");
  const window = readWindow(node, x, kernel);
  resolveAutoPad(node, window, x.shape.slice(2));
  return window;
}

function poolAttrs(
  window: Window,
  padsEnd: readonly number[],
): { kernel: Pair; strides: Pair; dilations: Pair; pads: ReturnType<typeof pads2D> } {
  return {
    kernel: pair(window.kernel, 1),
    strides: pair(window.strides, 1),
    dilations: pair(window.dilations, 1),
    pads: pads2D(window.padsBegin, padsEnd),
  };
}

const maxPool = (ctx: ImportContext, node: OnnxNode): void => {
  if (ctx.isNeeded(node, 1)) node.unsupported("the second output (Indices) is not supported");
  const x = ctx.input(node, 0);
  const window = poolWindow(node, x);
  const extra = node.int("ceil_mode", 0) === 1 ? ceilExtra(window, x.shape.slice(2)) : [];
  const padsEnd = window.padsEnd.map((p, i) => p + (extra[i] ?? 0));
  const y = ctx.spatial(node, "MaxPool2D", [toImage(ctx, node, x)], { ...poolAttrs(window, padsEnd), countIncludePad: false });
  fromImage(ctx, node, y, x.shape.length);
};

export function averagePool(ctx: ImportContext, node: OnnxNode, x: Tensor): void {
  const window = poolWindow(node, x);
  const extra = node.int("ceil_mode", 0) === 1 ? ceilExtra(window, x.shape.slice(2)) : [];
  let countIncludePad = node.int("count_include_pad", 0) === 1;
  let image = toImage(ctx, node, x);
  let attrs = poolAttrs(
    window,
    window.padsEnd.map((p, i) => p + (extra[i] ?? 0)),
  );
  if (countIncludePad && extra.some((e) => e > 0)) {
    // The padding counts, the part that only rounding up adds does not: pad first, then average what is inside.
    const [top, left, bottom, right] = pads2D(window.padsBegin, window.padsEnd);
    image = ctx.helper(node, "pad", "Pad", [image], {
      before: [0, top, left, 0],
      after: [0, bottom, right, 0],
      mode: "constant",
      value: 0,
    });
    attrs = { ...attrs, pads: pads2D([0, 0].slice(0, window.kernel.length), extra) };
    countIncludePad = false;
  }
  const y = ctx.spatial(node, "AveragePool2D", [image], { ...attrs, countIncludePad });
  fromImage(ctx, node, y, x.shape.length);
}

const averagePoolNode: OpImporter = (ctx, node) => {
  averagePool(ctx, node, ctx.input(node, 0));
};

const globalPool =
  (fn: "mean" | "max"): OpImporter =>
  (ctx, node) => {
    const x = ctx.input(node, 0);
    if (x.shape.length < 3) node.fail(`input ${formatShape(x.shape)} has no spatial axes`);
    ctx.result(node, "Reduce", [x], { fn, axes: x.shape.map((_, i) => i).slice(2), keepDims: true });
  };

const batchNormalization = (ctx: ImportContext, node: OnnxNode): void => {
  if (node.int("training_mode", 0) !== 0) node.unsupported("training_mode 1 is not supported, expected inference");
  if (node.opset < 9 && node.int("spatial", 1) !== 1) node.unsupported("spatial 0 is not supported, expected 1");
  for (let i = 1; i < node.outputs.length; i++) if (ctx.isNeeded(node, i)) node.unsupported(`output ${i} exists only in training`);
  const x = ctx.input(node, 0);
  const rank = x.shape.length;
  if (rank < 2) node.fail(`input ${formatShape(x.shape)} has no channel axis`);
  const epsilon = node.float("epsilon", 1e-5);
  const params = [1, 2, 3, 4].map((i) => ctx.input(node, i));
  if (params.every((p) => p.data !== undefined)) {
    const last = ctx.transpose(node, "to_channels_last", x, [0, ...x.shape.map((_, i) => i).slice(2), 1]);
    if (rank === 2) {
      ctx.result(node, "BatchNorm", [last, ...params], { epsilon });
      return;
    }
    const y = ctx.spatial(node, "BatchNorm", [last, ...params], { epsilon });
    ctx.result(node, "Transpose", [y], { perm: [0, rank - 1, ...x.shape.map((_, i) => i).slice(1, -1)] });
    return;
  }
  // Computed parameters: y = (x - mean) / sqrt(variance + epsilon) * scale + bias.
  const shaped = params.map((p, i) => ctx.reshape(node, `parameter_${i}`, p, [p.shape[0] ?? 1, ...new Array<number>(rank - 2).fill(1)]));
  const [scale, bias, mean, variance] = shaped as [Tensor, Tensor, Tensor, Tensor];
  const eps = ctx.scalar(`${node.name}/epsilon`, x.dtype, epsilon);
  const raised = ctx.helper(node, "variance", "Binary", [variance, eps], { fn: "add" });
  const deviation = ctx.helper(node, "deviation", "Unary", [raised], { fn: "sqrt" });
  const centered = ctx.helper(node, "centered", "Binary", [x, mean], { fn: "sub" });
  const normal = ctx.helper(node, "normalized", "Binary", [centered, deviation], { fn: "div" });
  const scaled = ctx.helper(node, "scaled", "Binary", [normal, scale], { fn: "mul" });
  ctx.result(node, "Binary", [scaled, bias], { fn: "add" });
};

export const SPATIAL_OPS: readonly (readonly [string, OpImporter])[] = [
  ["Conv", conv],
  ["ConvTranspose", convTranspose],
  ["MaxPool", maxPool],
  ["AveragePool", averagePoolNode],
  ["GlobalAveragePool", globalPool("mean")],
  ["GlobalMaxPool", globalPool("max")],
  ["BatchNormalization", batchNormalization],
];
