/** How much a graph holds and computes: parameters, zeros, multiply-accumulates. Padding counts as if it were data, as is usual. */
import { inputTensor, isConstant, outputTensor, requireInput } from "./access.ts";
import { elementCount } from "./dtype.ts";
import type { Graph, Node, Tensor } from "./ir.ts";
import { activationOf } from "./labels.ts";

/** Multiply-accumulates of one node; 0 for ops that are no product. */
export function macsOf(graph: Graph, node: Node): number {
  const out = elementCount(outputTensor(graph, node).shape);
  switch (node.op) {
    case "Conv2D":
    case "DepthwiseConv2D": {
      const [, height = 1, width = 1, channels = 1] = requireInput(graph, node, 1).shape;
      return out * height * width * (node.op === "Conv2D" ? channels : 1);
    }
    case "ConvTranspose2D": {
      // Every input element meets the window of its group's outputs.
      const [outputs = 1, height = 1, width = 1] = requireInput(graph, node, 1).shape;
      return (elementCount(requireInput(graph, node, 0).shape) * height * width * outputs) / node.attrs.groups;
    }
    case "Dense":
      return out * (requireInput(graph, node, 1).shape.at(-1) ?? 1);
    case "MatMul": {
      const { shape } = requireInput(graph, node, 0);
      return out * (shape.at(node.attrs.transposeA && shape.length > 1 ? -2 : -1) ?? 1);
    }
    default:
      return 0;
  }
}

/**
 * Floating-point operations, or integer ones, as profilers count them: two a multiply-accumulate, and one an element for each addition, other
 * arithmetic between tensors, function and fused activation.
 */
export function operationsOf(graph: Graph, node: Node): number {
  const out = elementCount(outputTensor(graph, node).shape);
  const elementwise = (node.op === "Binary" || node.op === "Unary" ? 1 : 0) + (activationOf(node) === undefined ? 0 : 1);
  return 2 * macsOf(graph, node) + out * elementwise;
}

/** Those whose weight is not zero: what a perfect sparse kernel would compute. */
export function effectiveMacsOf(graph: Graph, node: Node): number {
  const macs = macsOf(graph, node);
  const weight = macs === 0 ? undefined : inputTensor(graph, node, 1);
  if (weight === undefined || !isConstant(weight) || weight.data.length === 0) return macs;
  return Math.round((macs * countNonzero(weight)) / weight.data.length);
}

/** Elements of a constant that do not stand for the real value 0. */
export function countNonzero(tensor: Tensor): number {
  const { data, quant, shape } = tensor;
  if (data === undefined) return 0;
  const axis = quant?.axis;
  const inner = axis === undefined ? data.length : elementCount(shape.slice(axis + 1));
  const channels = axis === undefined ? 1 : (shape[axis] ?? 1);
  const zeroPoints = quant?.zeroPoints ?? [0];
  let count = 0;
  for (let i = 0; i < data.length; i++) {
    const zero = zeroPoints[axis === undefined ? 0 : Math.floor(i / inner) % channels] ?? 0;
    if (data[i] !== zero) count++;
  }
  return count;
}
