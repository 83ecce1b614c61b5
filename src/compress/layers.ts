/** The layers that compression works on: nodes with a constant float or integer weight as their second input. */
import { inputTensor, isConstant } from "../graph/access.ts";
import type { Constant, Graph, Node, NodeWith, Tensor } from "../graph/ir.ts";

export type WeightedOp = "Conv2D" | "DepthwiseConv2D" | "ConvTranspose2D" | "Dense";
export type WeightedNode = { [O in WeightedOp]: NodeWith<O> }[WeightedOp];

export interface Layer {
  readonly node: WeightedNode;
  readonly weight: Constant;
  readonly bias?: Tensor;
}

export function isWeighted(node: Node): node is WeightedNode {
  return node.op === "Conv2D" || node.op === "DepthwiseConv2D" || node.op === "ConvTranspose2D" || node.op === "Dense";
}

/** In execution order. A weight that two nodes share appears with both. */
export function layersOf(graph: Graph): readonly Layer[] {
  const layers: Layer[] = [];
  for (const node of graph.nodes) {
    if (!isWeighted(node)) continue;
    const weight = inputTensor(graph, node, 1);
    if (weight === undefined || !isConstant(weight)) continue;
    const bias = inputTensor(graph, node, 2);
    layers.push({ node, weight, ...(bias && { bias }) });
  }
  return layers;
}

/** The axis of output channels in the op's weights; also the axis of per-channel quantization. */
export function channelAxis(op: WeightedOp): 0 | 3 {
  return op === "DepthwiseConv2D" ? 3 : 0;
}

/** The graph with some tensors replaced or added. */
export function withTensors(graph: Graph, tensors: Iterable<Tensor>): Graph {
  const all = new Map(graph.tensors);
  for (const tensor of tensors) all.set(tensor.name, tensor);
  return { ...graph, tensors: all };
}
