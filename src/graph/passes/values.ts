/** Constants as real numbers, and the geometry of nodes that have weights: shared by the passes that fold into them. */
import { withoutCode } from "../code.ts";
import type { Activation, Node, Tensor } from "../ir.ts";
import type { GraphEdit } from "./edit.ts";

/** Ops with weights in input 1 and a bias in input 2, one per output channel on the last axis of the result. */
export type WeightedOp = "Conv2D" | "DepthwiseConv2D" | "ConvTranspose2D" | "Dense";
export type WeightedNode = Extract<Node, { readonly op: WeightedOp }>;

export function isWeighted(node: Node | undefined): node is WeightedNode {
  return node?.op === "Conv2D" || node?.op === "DepthwiseConv2D" || node?.op === "ConvTranspose2D" || node?.op === "Dense";
}

/** The weights' output-channel axis. */
export function channelAxis(op: WeightedOp): number {
  return op === "DepthwiseConv2D" ? 3 : 0;
}

/** Nodes whose attributes can carry a clamp. */
export function activationOf(node: Node): Activation | undefined {
  return "activation" in node.attrs ? node.attrs.activation : undefined;
}

export function withActivation(node: Node, activation: Activation): Node {
  return { ...node, attrs: { ...node.attrs, activation } } as unknown as Node;
}

/** The float values of a constant, also when it stands behind a Dequantize; undefined when it is no float constant. */
export function realConstant(edit: GraphEdit, name: string): Float32Array | undefined {
  const tensor = edit.tensor(name);
  if (tensor.data instanceof Float32Array) return tensor.data;
  const producer = edit.producer(name);
  return producer?.op === "Dequantize" ? dequantizedConstant(edit.input(producer, 0)) : undefined;
}

/** (q - zero point) · scale in float32, as the Dequantize op computes it. */
export function dequantizedConstant(tensor: Tensor): Float32Array | undefined {
  const { data, quant } = tensor;
  if (data === undefined || quant === undefined) return undefined;
  const { axis } = quant;
  const inner = axis === undefined ? 1 : tensor.shape.slice(axis + 1).reduce((n, d) => n * d, 1);
  const channels = quant.scales.length;
  const real = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const c = axis === undefined ? 0 : Math.floor(i / inner) % channels;
    real[i] = (data[i]! - quant.zeroPoints[c]!) * quant.scales[c]!;
  }
  return real;
}

/** The value of a one-element float constant. */
export function scalarConstant(edit: GraphEdit, name: string): number | undefined {
  const values = realConstant(edit, name);
  return values?.length === 1 ? values[0] : undefined;
}

/**
 * Scales weights and bias of a node per output channel and shifts the result: w·a, bias·a + b. Defines new constants, since the old
 * ones may have other readers.
 * @param scale one factor per channel, or undefined for a shift only (then the weights need not be constant)
 * @returns the new inputs, or undefined when the parameters are not float constants
 */
export function rescaledInputs(
  edit: GraphEdit,
  node: WeightedNode,
  channels: number,
  scale: Float64Array | undefined,
  shift: Float64Array | undefined,
): readonly string[] | undefined {
  const [x, w, biasName] = [node.inputs[0]!, node.inputs[1]!, node.inputs[2] ?? ""];
  const bias = biasName === "" ? new Float32Array(channels) : realConstant(edit, biasName);
  if (bias?.length !== channels) return undefined;
  let weightName = w;
  if (scale !== undefined) {
    const weights = edit.tensor(w);
    if (!(weights.data instanceof Float32Array)) return undefined;
    weightName = edit.setTensor({
      ...withoutCode(weights),
      name: edit.uniqueTensor(`${w}__scaled`),
      data: scaleChannels(weights, scale, channelAxis(node.op)),
    });
  }
  const newBias = Float32Array.from(bias, (b, c) => b * (scale?.[c] ?? 1) + (shift?.[c] ?? 0));
  const newBiasName = edit.define(biasName === "" ? `${node.name}__bias` : `${biasName}__folded`, "float32", [channels], { data: newBias });
  return [x, weightName, newBiasName];
}

/** Plain loops: typed arrays' `from` and `map` are ten times slower on megabytes of weights. */
function scaleChannels(weights: Tensor, scale: Float64Array, axis: number): Float32Array {
  const data = weights.data!;
  const inner = weights.shape.slice(axis + 1).reduce((n, d) => n * d, 1);
  const scaled = new Float32Array(data.length);
  for (let start = 0, c = 0; start < data.length; start += inner, c = (c + 1) % scale.length) {
    const factor = scale[c]!;
    for (let i = start; i < start + inner; i++) scaled[i] = data[i]! * factor;
  }
  return scaled;
}
