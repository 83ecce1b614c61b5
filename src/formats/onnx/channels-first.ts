/**
 * The reverse of the importer's layout step, for writing: spatial ops are put between Transposes to and from channels-first, their
 * weights rearranged as ONNX wants them, and the layout pass removes the Transposes again. The result has the form of a Graph, but its
 * spatial ops work on [N, C, H, W] images; only the exporter reads it.
 */
import { UnsupportedError, invariant } from "../../errors.ts";
import { inputTensor, outputTensor, requireInput } from "../../graph/access.ts";
import type { Constant, Graph, Node, Shape, Tensor } from "../../graph/ir.ts";
import { minimizeTransposes } from "../../graph/passes/layout.ts";
import { permuteData, permuteList, type Perm } from "../../graph/permute.ts";
import { toChannelsFirst, toChannelsLast } from "./context.ts";

export function toChannelsFirstGraph(graph: Graph): Graph {
  const tensors = new Map(graph.tensors);
  const nodes: Node[] = [];
  for (const node of graph.nodes) nodes.push(...(isSpatial(node, graph) ? wrapped(graph, node, tensors) : [node]));
  return minimizeTransposes({ ...graph, tensors, nodes });
}

function isSpatial(node: Node, graph: Graph): boolean {
  switch (node.op) {
    case "Conv2D":
    case "DepthwiseConv2D":
    case "ConvTranspose2D":
    case "MaxPool2D":
    case "AveragePool2D":
    case "Resize":
      return requireInput(graph, node, 0).shape.length === 4;
    case "BatchNorm":
      return requireInput(graph, node, 0).shape.length > 2;
    default:
      return false;
  }
}

/** Transpose → node on channels-first tensors → Transpose. */
function wrapped(graph: Graph, node: Node, tensors: Map<string, Tensor>): readonly Node[] {
  const nodes: Node[] = [];
  const define = (base: string, tensor: Omit<Tensor, "name">): string => {
    let name = base;
    for (let i = 2; tensors.has(name); i++) name = `${base}_${i}`;
    tensors.set(name, { ...tensor, name });
    return name;
  };
  const transpose = (from: string, to: string, perm: Perm): void => {
    nodes.push({ name: `transpose:${to}`, op: "Transpose", inputs: [from], outputs: [to], attrs: { perm } });
  };

  const x = requireInput(graph, node, 0);
  const y = outputTensor(graph, node);
  const rank = x.shape.length;
  const first = toChannelsFirst(rank);
  const image = define(`${x.name}/nchw`, { ...x, shape: permuteList(x.shape, first) });
  transpose(x.name, image, first);
  const result = define(`${y.name}/nchw`, { ...y, shape: permuteList(y.shape, first) });
  const weights = inputTensor(graph, node, 1);
  const rest = node.inputs.slice(1);
  if (weights !== undefined && node.op !== "BatchNorm" && node.op !== "Resize") {
    if (node.op === "ConvTranspose2D" && node.attrs.groups > 1) {
      rest[0] = define(`${weights.name}/nchw`, groupedTransposed(weights, node.attrs.groups, node.name));
    } else {
      const perm = node.op === "Conv2D" ? [0, 3, 1, 2] : [3, 0, 1, 2];
      const axis = weights.quant?.axis;
      const quant = weights.quant && (axis === undefined ? weights.quant : { ...weights.quant, axis: perm.indexOf(axis) });
      const { dtype } = weights;
      rest[0] = define(`${weights.name}/nchw`, { dtype, shape: permuteList(weights.shape, perm), ...(quant && { quant }) });
      transpose(weights.name, rest[0], perm);
    }
  }
  const attrs = node.op === "Resize" ? { ...node.attrs, scales: permuteList(node.attrs.scales, first) } : node.attrs;
  nodes.push({ ...node, inputs: [image, ...rest], outputs: [result], attrs } as unknown as Node);
  transpose(result, y.name, toChannelsLast(rank));
  return nodes;
}

/** [O, KH, KW, C/g] → [C, O/g, KH, KW] for more than one group. */
function groupedTransposed(weights: Tensor, groups: number, name: string): Omit<Constant, "name"> {
  const [o, kh, kw, perGroup] = weights.shape as [number, number, number, number];
  if (weights.data === undefined || weights.quant !== undefined) {
    throw new UnsupportedError(`node "${name}" (ConvTranspose2D): grouped weights that are computed or quantized cannot be written`);
  }
  const split: Shape = [groups, o / groups, kh, kw, perGroup];
  const data = permuteData(weights.data, weights.dtype, split, [0, 4, 1, 2, 3]);
  invariant(data.length === weights.data.length, "weights changed their size");
  return { dtype: weights.dtype, shape: [groups * perGroup, o / groups, kh, kw], data };
}
