/** CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED and the 2-D pools. */
import { elementCount, isFloat } from "../../../graph/dtype.ts";
import type { Pads2D, Pair, Shape, Tensor } from "../../../graph/ir.ts";
import type { OpContext } from "../context.ts";

/** Window geometry that convolutions and pools share. */
interface Window {
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly pads: Pads2D;
}

/** Schema's `Padding`: 0 SAME, 1 VALID. SAME puts the odd element at the bottom and right. */
function windowOf(op: OpContext, image: Shape, kernel: Pair, padding: number, strides: Pair, dilations: Pair): Window {
  if ([...strides, ...dilations, ...kernel].some((v) => v < 1)) {
    op.malformed(`strides ${strides.join("x")}, dilations ${dilations.join("x")}, kernel ${kernel.join("x")}, expected at least 1`);
  }
  if (image.length !== 4) op.malformed(`input has ${image.length} dimensions, expected 4`);
  if (padding === 1) return { strides, dilations, pads: [0, 0, 0, 0] };
  if (padding !== 0) op.malformed(`padding ${padding}, expected 0 (SAME) or 1 (VALID)`);
  const total = (axis: 0 | 1): number => {
    const size = image[axis + 1]!;
    const steps = Math.ceil(size / strides[axis]) - 1;
    return Math.max(0, steps * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 - size);
  };
  const [v, h] = [total(0), total(1)];
  return { strides, dilations, pads: [v >> 1, h >> 1, v - (v >> 1), h - (h >> 1)] };
}

/**
 * Inputs x, w, bias? for a node with weights. Integer where x, w and the output are all 8-bit and the weights are symmetric (or
 * unsigned: a graph pass moves those to the signed grid), or x and the output int16 and the weights symmetric int8; otherwise float, with a Dequantize on every integer operand: weights stored
 * in 8 bits under float activations stay an 8-bit constant.
 */
function weighted(op: OpContext, x: Tensor): { readonly integer: boolean; readonly inputs: readonly string[] } {
  const w = op.input(1);
  const bias = op.optional(2);
  const output = op.output();
  op.requireNumeric(x, "the input");
  op.requireNumeric(output, "the output");
  const integer =
    op.isQuantized(x) &&
    op.isQuantized(output) &&
    op.isOneWidth(x, output) &&
    w.quant !== undefined &&
    (w.dtype === "uint8" && x.dtype !== "int16"
      ? w.quant.axis === undefined
      : w.dtype === "int8" && w.quant.zeroPoints.every((z) => z === 0)) &&
    (bias === undefined || bias.dtype === "int32" || (bias.dtype === "int64" && x.dtype === "int16"));
  if (integer) return { integer, inputs: [x.name, w.name, bias?.name ?? ""] };
  return { integer, inputs: [isFloat(x.dtype) ? x.name : op.asFloat(0), op.asFloat(1), bias === undefined ? "" : op.asFloat(2)] };
}

function rank4(op: OpContext, w: Tensor): Pair {
  if (w.shape.length !== 4) op.malformed(`weights have ${w.shape.length} dimensions, expected 4`);
  return [w.shape[1]!, w.shape[2]!];
}

export function conv2d(op: OpContext): void {
  const x = op.input(0);
  const w = op.input(1);
  const kernel = rank4(op, w);
  const window = windowOf(
    op,
    x.shape,
    kernel,
    op.option((o) => o.int8(0), 0),
    op.option((o): Pair => [o.int32(2), o.int32(1)], [0, 0]),
    op.option((o): Pair => [o.int32(5, 1), o.int32(4, 1)], [1, 1]),
  );
  const [inChannels, wChannels] = [x.shape[3]!, w.shape[3]!];
  if (wChannels < 1 || inChannels % wChannels !== 0) op.malformed(`weights read ${wChannels} channels, the input has ${inChannels}`);
  const attrs = { ...window, groups: inChannels / wChannels, ...op.activation(op.option((o) => o.int8(3), 0)) };
  const { integer, inputs } = weighted(op, x);
  if (integer) op.emit("Conv2D", inputs, attrs);
  else op.emitFloat("Conv2D", inputs, attrs);
}

export function depthwiseConv2d(op: OpContext): void {
  const x = op.input(0);
  const kernel = rank4(op, op.input(1));
  const window = windowOf(
    op,
    x.shape,
    kernel,
    op.option((o) => o.int8(0), 0),
    op.option((o): Pair => [o.int32(2), o.int32(1)], [0, 0]),
    op.option((o): Pair => [o.int32(6, 1), o.int32(5, 1)], [1, 1]),
  );
  const attrs = { ...window, groups: x.shape[3]!, ...op.activation(op.option((o) => o.int8(4), 0)) };
  const { integer, inputs } = weighted(op, x);
  if (integer) op.emit("DepthwiseConv2D", inputs, attrs);
  else op.emitFloat("DepthwiseConv2D", inputs, attrs);
}

/** Inputs: output shape, weights [O,KH,KW,I], x, bias?. In float always. */
export function transposeConv(op: OpContext): void {
  const target = [...op.constant(0, "the output shape")];
  const w = op.input(1);
  const x = op.input(2);
  const kernel = rank4(op, w);
  if (x.shape.length !== 4 || target.length !== 4) op.malformed(`input has ${x.shape.length} dimensions, expected 4`);
  const strides = op.option((o): Pair => [o.int32(2), o.int32(1)], [0, 0]);
  if (strides.some((s) => s < 1)) op.malformed(`strides ${strides.join("x")}, expected at least 1`);
  const pads = [0, 0, 0, 0] as [number, number, number, number];
  const outputPadding = [0, 0] as [number, number];
  for (const axis of [0, 1] as const) {
    const full = (x.shape[axis + 1]! - 1) * strides[axis] + kernel[axis];
    const crop = full - target[axis + 1]!;
    // SAME crops what sticks out; VALID keeps it. A target beyond the full result is padded at the end.
    pads[axis] = Math.max(0, crop) >> 1;
    pads[axis + 2] = Math.max(0, crop) - pads[axis];
    outputPadding[axis] = Math.max(0, -crop);
  }
  const attrs = { strides, dilations: [1, 1] as Pair, pads, outputPadding, groups: 1, ...op.activation(op.option((o) => o.int8(3), 0)) };
  op.emitFloat("ConvTranspose2D", [op.asFloat(2), op.asFloat(1), op.optional(3) === undefined ? "" : op.asFloat(3)], attrs);
}

/** Flattens to [batch, K] unless the file keeps the leading dimensions. */
export function fullyConnected(op: OpContext): void {
  const w = op.input(1);
  if (op.option((o) => o.int8(1), 0) !== 0) op.unsupported("shuffled weights are not supported");
  const depth = w.shape[1];
  if (w.shape.length !== 2 || depth === undefined || depth < 1) op.malformed(`weights have shape [${w.shape.join(", ")}], expected [N, K]`);
  let x = op.input(0);
  const count = elementCount(x.shape);
  const keepDims = op.option((o) => o.bool(2), false);
  if (!keepDims && (x.shape.length !== 2 || x.shape[1] !== depth)) {
    if (count % depth !== 0) op.malformed(`input [${x.shape.join(", ")}] does not flatten to rows of ${depth}`);
    x = op.builder.tensor(op.temporary("Reshape", [x.name], {}, { shape: [count / depth, depth], ...(x.quant && { quant: x.quant }) }));
  }
  const attrs = op.activation(op.option((o) => o.int8(0), 0));
  const { integer, inputs } = weighted(op, x);
  if (integer) {
    op.emit("Dense", inputs, attrs);
    return;
  }
  const real = isFloat(x.dtype) ? x.name : op.temporary("Dequantize", [x.name], {}, { dtype: "float32" });
  op.emitFloat("Dense", [real, ...inputs.slice(1)], attrs);
}

export function pool2d(op: OpContext, kind: "AveragePool2D" | "MaxPool2D"): void {
  const x = op.input(0);
  op.requireNumeric(x, "the input");
  const kernel = op.option((o): Pair => [o.int32(4), o.int32(3)], [0, 0]);
  const window = windowOf(
    op,
    x.shape,
    kernel,
    op.option((o) => o.int8(0), 0),
    op.option((o): Pair => [o.int32(2), o.int32(1)], [0, 0]),
    [1, 1],
  );
  op.emit(kind, [x.name], { kernel, ...window, countIncludePad: false, ...op.activation(op.option((o) => o.int8(5), 0)) });
}
