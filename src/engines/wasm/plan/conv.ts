/** Conv2D, DepthwiseConv2D, Dense, and MatMul with a constant right side: from nodes to problems for the tiles. */
import { inputTensor, outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { TypedArray } from "../../../graph/dtype.ts";
import type { Activation, Conv2DAttrs, Node, NodeWith, Tensor } from "../../../graph/ir.ts";
import type { IntegerFinish } from "../../cpu/kernels/gemm_i8.ts";
import { isByte, isQuantized } from "../../cpu/kernels/shared.ts";
import { floatWeights, integerFinish } from "../../cpu/kernels/weights.ts";
import { packDepthwiseF32, packDepthwiseI8 } from "../pack.ts";
import type { NodePlan, PlanContext, Planner } from "../program.ts";
import { activationCode, fitsTile, floatPost, padRecord, tilePost, windowRecord } from "../records.ts";
import { planFloat } from "./float/index.ts";
import { planInteger } from "./integer/index.ts";
import { widenCall } from "./integer/problem.ts";
import { relaxedDepthwise } from "./relaxed-depthwise.ts";
import { scalarDepthwiseFloat, scalarDepthwiseInteger } from "./scalar-depthwise.ts";
import { RATE, splitWindows } from "./split.ts";
import { isPadded, matrixWindows, planWindows } from "./windows.ts";
import type { Windows } from "./windows.ts";

/** The tensors of a weighted op, when kernels cover their types and the weights are constant. */
interface Operands {
  readonly x: Tensor;
  readonly w: Tensor & { readonly data: TypedArray };
  readonly bias: Tensor | undefined;
  readonly out: Tensor;
  readonly isFloat: boolean;
}

function operandsOf(context: PlanContext, node: Node): Operands | undefined {
  const x = requireInput(context.graph, node, 0);
  const w = requireInput(context.graph, node, 1);
  const bias = inputTensor(context.graph, node, 2);
  const out = outputTensor(context.graph, node);
  if (w.data === undefined || (bias !== undefined && bias.data === undefined)) return undefined;
  if ("pads" in node.attrs && (node.attrs.pads as readonly number[]).some((p) => p < 0)) return undefined;
  if (elementCount(out.shape) === 0 || elementCount(w.shape) === 0) return undefined;
  const isFloat = x.dtype === "float32" && out.dtype === "float32" && (w.dtype === "float32" || isQuantized(w));
  if (!isFloat && !(isByte(x.dtype) && isQuantized(x))) return undefined;
  return { x, w: { ...w, data: w.data }, bias, out, isFloat };
}

/** Integer weights as int16, zero points taken off; channel of element i by `channel`. */
function centered(w: Tensor & { readonly data: TypedArray }, finish: IntegerFinish, channel: (i: number) => number): Int16Array {
  const shift = w.dtype === "uint8" ? 128 : 0;
  const zeros = finish.weightZeroPoints;
  return Int16Array.from(w.data, (q, i) => q - shift - (zeros === undefined ? 0 : zeros[channel(i)]!));
}

interface Layer {
  readonly node: Node;
  readonly operands: Operands;
  readonly activation: Activation | undefined;
  /** Windows for an element size in bytes. */
  readonly windows: (elementBytes: number) => Windows;
  readonly inputShape: readonly number[];
  readonly pads: readonly [number, number, number, number];
  readonly groups: number;
  /** All output channels. */
  readonly channels: number;
  readonly weightAxis: number;
  /** Position in the stored weights of weight i of [channels][k]; undefined: stored that way. */
  readonly order?: (i: number) => number;
}

const NO_PADS = [0, 0, 0, 0] as const;

function planLayer(context: PlanContext, layer: Layer): NodePlan | undefined {
  const { node, operands, groups, channels, activation, order, pads } = layer;
  const { x, w, bias, out } = operands;
  const reorder = <T extends Float32Array | Int16Array>(data: T): T =>
    order === undefined ? data : (data.map((_, i) => data[order(i)]!) as T);
  const shared = { groups, n: channels / groups, input: context.address(x), output: context.address(out) };
  if (operands.isFloat) {
    const windows = layer.windows(4);
    return planFloat(context, node.name, {
      ...shared,
      windows,
      k: windows.segments.length * windows.run,
      ...(isPadded(pads) ? { pad: { input: layer.inputShape, pads } } : {}),
      weights: reorder(floatWeights(node, w, w.data)),
      ...(order === undefined && w.code && { code: w.code }),
      bias: bias?.data === undefined ? undefined : floatWeights(node, bias, bias.data),
      activation,
    });
  }
  const finish = integerFinish(node, x, w, bias, out, layer.weightAxis, channels, activation);
  const inner = w.data.length / w.shape.slice(0, layer.weightAxis + 1).reduce((size, d) => size * d, 1);
  const windows = layer.windows(2);
  return planInteger(context, node.name, {
    ...shared,
    windows,
    k: windows.segments.length * windows.run,
    shape: layer.inputShape,
    pads,
    isSigned: x.dtype === "int8",
    inputZeroPoint: x.quant!.zeroPoints[0]!,
    weights: reorder(centered(w, finish, (i) => Math.floor(i / inner) % channels)),
    bias: bias?.data as Int32Array | undefined,
    finish,
    isSignedOutput: out.dtype === "int8",
  });
}

export const planConv2D: Planner<"Conv2D"> = (context, node) => {
  const operands = operandsOf(context, node);
  if (operands === undefined) return undefined;
  const { x, w, out } = operands;
  const [channels = 1, kh = 1, kw = 1] = w.shape;
  return planLayer(context, {
    node,
    operands,
    activation: node.attrs.activation,
    windows: (bytes) => planWindows(x.shape, out.shape, [kh, kw], node.attrs, bytes),
    inputShape: x.shape,
    pads: node.attrs.pads,
    groups: node.attrs.groups,
    channels,
    weightAxis: 0,
  });
};

export const planDense: Planner<"Dense"> = (context, node) => {
  const operands = operandsOf(context, node);
  if (operands === undefined) return undefined;
  const [channels = 1, k = 1] = operands.w.shape;
  return planLayer(context, matrixLayer(node, operands, channels, k, 0, node.attrs.activation));
};

/** MatMul whose right side is a constant matrix: a dense layer with transposed weights. */
export function planMatMulConstant(context: PlanContext, node: NodeWith<"MatMul">): NodePlan | undefined {
  const { transposeA, transposeB } = node.attrs;
  const operands = operandsOf(context, node);
  if (operands === undefined || transposeA || operands.x.shape.length < 2 || operands.w.shape.length !== 2) return undefined;
  const [rows = 1, columns = 1] = operands.w.shape;
  if (transposeB) return planLayer(context, matrixLayer(node, operands, rows, columns, 0, undefined));
  const layer = matrixLayer(node, operands, columns, rows, 1, undefined);
  return planLayer(context, { ...layer, order: (i) => (i % rows) * columns + Math.floor(i / rows) });
}

function matrixLayer(
  node: Node,
  operands: Operands,
  channels: number,
  k: number,
  weightAxis: number,
  activation: Activation | undefined,
): Layer {
  const m = elementCount(operands.x.shape) / k;
  return {
    node,
    operands,
    activation,
    windows: (bytes) => matrixWindows(m, k, bytes),
    inputShape: [1, 1, m, k],
    pads: NO_PADS,
    groups: 1,
    channels,
    weightAxis,
  };
}

export const planDepthwise: Planner<"DepthwiseConv2D"> = (context, node) => {
  const operands = operandsOf(context, node);
  if (operands === undefined) return undefined;
  const { x, w, out } = operands;
  const [, kh = 1, kw = 1, channels = 1] = w.shape;
  const inputChannels = x.shape[3] ?? 1;
  if (channels !== inputChannels || inputChannels === 1) {
    // One group per input channel, m outputs each; weights [KH][KW][C × m] → [C × m][KH × KW].
    const taps = kh * kw;
    return planLayer(context, {
      node,
      operands,
      activation: node.attrs.activation,
      windows: (bytes) => planWindows(x.shape, out.shape, [kh, kw], { ...node.attrs, groups: inputChannels }, bytes),
      inputShape: x.shape,
      pads: node.attrs.pads,
      groups: inputChannels,
      channels,
      weightAxis: 3,
      order: (i) => (i % taps) * channels + Math.floor(i / taps),
    });
  }
  return operands.isFloat ? depthwiseFloat(context, node, operands, kh, kw) : depthwiseInteger(context, node, operands, kh, kw);
};

/** Neighbouring outputs that the tiled kernels compute at once, by kernel width and horizontal stride (tools/wasm-gen/depthwise.ts). */
const DEPTHWISE_COLUMNS: Readonly<Record<"f32" | "i8", Readonly<Record<string, number>>>> = {
  f32: { w3s1: 4, w3s2: 3, w5s1: 2, w5s2: 2 },
  i8: { w3s1: 4, w3s2: 4, w5s1: 4, w5s2: 4 },
};

function depthwiseKernel(type: "f32" | "i8", { strides, dilations }: Conv2DAttrs, kw: number): string {
  const tile = `w${kw}s${strides[1]}`;
  const columns = dilations[0] === 1 && dilations[1] === 1 ? DEPTHWISE_COLUMNS[type][tile] : undefined;
  return `${type}_depthwise_${columns === undefined ? "direct_1x1" : `${tile}_1x${columns}`}__wasm_simd`;
}

function depthwiseFloat(context: PlanContext, node: NodeWith<"DepthwiseConv2D">, operands: Operands, kh: number, kw: number): NodePlan {
  const { x, w, bias, out } = operands;
  const channels = x.shape[3]!;
  const { activation } = node.attrs;
  const b = bias?.data === undefined ? new Float32Array(channels) : floatWeights(node, bias, bias.data);
  if (!context.selection.simd) {
    return scalarDepthwiseFloat(context, node.attrs, x, out, [kh, kw], floatWeights(node, w, w.data), b);
  }
  const kernel = depthwiseKernel("f32", node.attrs, kw);
  const record = windowRecord(x.shape, out.shape, [kh, kw], node.attrs);
  const geometry = context.table(record);
  const packed = context.weights(packDepthwiseF32(floatWeights(node, w, w.data), kh * kw, channels, b));
  const [from, to] = [context.address(x), context.address(out)];
  const finish = [activationCode(activation), context.table(floatPost(activation))];
  const args = (xOffset: number, outOffset: number, part: number): readonly number[] => [
    ...[from + xOffset, packed, to + outOffset, part],
    ...finish,
  ];
  const cost = (elementCount(out.shape) * kh * kw) / RATE.depthwise;
  const split = splitWindows(context, record, imageBytes(x, out, 4, 4), false, cost, args);
  return { kernel, calls: () => [{ kernel, args: args(0, 0, geometry), split }] };
}

/** Bytes of one image of a batch. */
function imageBytes(x: Tensor, out: Tensor, inputBytes: number, outputBytes: number): { readonly input: number; readonly output: number } {
  const batch = x.shape[0] ?? 1;
  return { input: (elementCount(x.shape) / batch) * inputBytes, output: (elementCount(out.shape) / batch) * outputBytes };
}

function depthwiseInteger(
  context: PlanContext,
  node: NodeWith<"DepthwiseConv2D">,
  operands: Operands,
  kh: number,
  kw: number,
): NodePlan | undefined {
  const { x, w, bias, out } = operands;
  const [batch = 1, height = 1, width = 1, channels = 1] = x.shape;
  const { activation, pads } = node.attrs;
  const [top, left, bottom, right] = pads;
  const finish = integerFinish(node, x, w, bias, out, 3, channels, activation);
  const b = (bias?.data as Int32Array | undefined) ?? new Int32Array(channels);
  const channelOf = (i: number): number => i % channels;
  const centeredWeights = centered(w, finish, channelOf);
  if (!fitsTile(centeredWeights, channelOf, b, finish.scales)) return undefined;
  if (!context.selection.simd) return scalarDepthwiseInteger(context, node.attrs, x, out, [kh, kw], centeredWeights, b, finish);
  const relaxed = relaxedDepthwise(context, node.attrs, x, out, [kh, kw], centeredWeights, b, finish);
  if (relaxed !== undefined) return relaxed;
  const kernel = depthwiseKernel("i8", node.attrs, kw);
  const weights = context.weights(packDepthwiseI8(centeredWeights, kh, kw, channels, b, finish.scales));
  const padded = [batch, height + top + bottom, width + left + right, channels];
  const record = windowRecord(padded, out.shape, [kh, kw], { ...node.attrs, pads: [top, 0, bottom, 0] });
  const geometry = context.table(record);
  const padding = padRecord(x.shape, pads, 1);
  const post = context.table(tilePost(finish.zeroPoint, finish.lo, finish.hi, out.dtype === "int8"));
  const zeroPoint = x.quant!.zeroPoints[0]!;
  // An odd kernel reads, at weight 0, one row below its last.
  const rowBytes = padded[2]! * channels * 2;
  const scratchBytes = padded.reduce((size, d) => size * d, 2) + rowBytes * node.attrs.dilations[0] + 128;
  const from = context.address(x);
  const to = context.address(out);
  return {
    kernel,
    scratchBytes,
    calls: (scratch) => {
      const args = (xOffset: number, outOffset: number, part: number): readonly number[] => [
        ...[scratch + xOffset, weights, to + outOffset, part, post],
      ];
      const cost = (elementCount(out.shape) * kh * kw) / RATE.depthwise;
      const image = { input: 2 * padded[1]! * padded[2]! * channels, output: elementCount(out.shape) / batch };
      return [
        widenCall(context, padding, from, scratch, zeroPoint, x.dtype === "int8"),
        { kernel, args: args(0, 0, geometry), split: splitWindows(context, record, image, true, cost, args) },
      ];
    },
  };
}
