/**
 * An int8 graph with its activations in uint8: every code and zero point 128 higher, which changes no real value. Some runtimes and accelerators take
 * uint8 activations only; weights stay int8.
 */
import { isConstant } from "../../graph/access.ts";
import type { Graph, Node, Tensor } from "../../graph/ir.ts";
import { isWeighted } from "../layers.ts";

const SHIFT = 128;

export function unsignedActivations(graph: Graph): Graph {
  const weights = new Set(graph.nodes.flatMap((node) => weightsOf(node)));
  const tensors = new Map([...graph.tensors].map(([name, tensor]) => [name, weights.has(name) ? tensor : unsigned(tensor)]));
  return { ...graph, tensors };
}

function weightsOf(node: Node): readonly string[] {
  return isWeighted(node) ? node.inputs.slice(1) : [];
}

function unsigned(tensor: Tensor): Tensor {
  const { dtype, quant } = tensor;
  if (dtype !== "int8" || quant === undefined) return tensor;
  const shifted = { ...tensor, dtype: "uint8" as const, quant: { ...quant, zeroPoints: quant.zeroPoints.map((zero) => zero + SHIFT) } };
  return isConstant(tensor) ? { ...shifted, data: Uint8Array.from(tensor.data, (q) => q + SHIFT) } : shifted;
}
