/** Conv2D, DepthwiseConv2D, Dense, and MatMul with a constant right side: from nodes to problems for the tiles. */
import { requireInput } from "../../../graph/access.ts";
import { floatCode, int8Codebook } from "../../../graph/code.ts";
import { elementCount } from "../../../graph/dtype.ts";
import { isDynamic } from "../../../graph/dynamic.ts";
import { isInt16 } from "../../../graph/int16.ts";
import type { Activation, Node, NodeWith } from "../../../graph/ir.ts";
import { floatWeights, integerFinish } from "../../cpu/kernels/weights.ts";
import type { NodePlan, PlanContext, Planner } from "../program.ts";
import { planDepthwiseTiles } from "./depthwise/index.ts";
import { planDynamic } from "./dynamic.ts";
import { planFloat } from "./float/index.ts";
import { planInt16Layer } from "./int16.ts";
import { planInteger } from "./integer/index.ts";
import { centered, operandsOf } from "./operands.ts";
import type { Operands } from "./operands.ts";
import { matrixWindows, planWindows } from "./windows.ts";
import type { Windows } from "./windows.ts";

interface Layer {
  readonly node: Node;
  readonly operands: Operands;
  readonly activation: Activation | undefined;
  readonly windows: Windows;
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
  const { node, operands, windows, groups, channels, activation, order } = layer;
  const { x, w, bias } = operands;
  const residual = context.residualOf(node);
  const out = residual?.out ?? operands.out;
  const code = order === undefined ? floatCode(w) : undefined;
  const reorder = <T extends Float32Array | Int16Array>(data: T): T =>
    order === undefined ? data : (data.map((_, i) => data[order(i)]!) as T);
  const shared = {
    windows,
    shape: layer.inputShape,
    pads: layer.pads,
    groups,
    n: channels / groups,
    k: windows.segments.length * windows.run,
    input: context.address(x),
    output: context.address(out),
  };
  if (operands.isFloat) {
    return planFloat(
      context,
      node.name,
      {
        ...shared,
        weights: reorder(floatWeights(node, w, w.data)),
        ...(code && { code }),
        bias: bias?.data === undefined ? undefined : floatWeights(node, bias, bias.data),
        activation: residual === undefined ? activation : residual.activation,
        ...(residual && { residual: context.address(residual.other) }),
      },
      w.code,
    );
  }
  const finish = integerFinish(node, x, w, bias, out, layer.weightAxis, channels, activation);
  const codebook = order === undefined && w.quant!.zeroPoints.every((zero) => zero === 0) ? int8Codebook(w) : undefined;
  const inner = w.data.length / w.shape.slice(0, layer.weightAxis + 1).reduce((size, d) => size * d, 1);
  return planInteger(
    context,
    node.name,
    {
      ...shared,
      isSigned: x.dtype === "int8",
      inputZeroPoint: x.quant!.zeroPoints[0]!,
      weights: reorder(centered(w, finish, (i) => Math.floor(i / inner) % channels)),
      ...(codebook && { codebook }),
      bias: bias?.data as Int32Array | undefined,
      finish,
      isSignedOutput: out.dtype === "int8",
    },
    w.code,
  );
}

export const planConv2D: Planner<"Conv2D"> = (context, node) => {
  if (isInt16(requireInput(context.graph, node, 0))) return planInt16Layer(context, node);
  if (isDynamic(node)) return planDynamic(context, node);
  const operands = operandsOf(context, node);
  if (operands === undefined) return undefined;
  const { x, w, out } = operands;
  const [channels = 1, kh = 1, kw = 1] = w.shape;
  return planLayer(context, {
    node,
    operands,
    activation: node.attrs.activation,
    windows: planWindows(x.shape, out.shape, [kh, kw], node.attrs),
    inputShape: x.shape,
    pads: node.attrs.pads,
    groups: node.attrs.groups,
    channels,
    weightAxis: 0,
  });
};

export const planDense: Planner<"Dense"> = (context, node) => {
  if (isInt16(requireInput(context.graph, node, 0))) return planInt16Layer(context, node);
  if (isDynamic(node)) return planDynamic(context, node);
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
    windows: matrixWindows(m, k),
    inputShape: [1, 1, m, k],
    pads: NO_PADS,
    groups: 1,
    channels,
    weightAxis,
  };
}

export const planDepthwise: Planner<"DepthwiseConv2D"> = (context, node) => {
  if (isInt16(requireInput(context.graph, node, 0))) return planInt16Layer(context, node);
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
      windows: planWindows(x.shape, out.shape, [kh, kw], { ...node.attrs, groups: inputChannels }),
      inputShape: x.shape,
      pads: node.attrs.pads,
      groups: inputChannels,
      channels,
      weightAxis: 3,
      order: (i) => (i % taps) * channels + Math.floor(i / taps),
    });
  }
  return planDepthwiseTiles(context, node, operands, [kh, kw]);
};
