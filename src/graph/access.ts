/** Lookups that every pass and engine needs; they fail as our own bug, since graphs are validated on load. */
import { invariant } from "../errors.ts";
import type { Constant, Graph, Node, Tensor } from "./ir.ts";

export function tensorOf(graph: Graph, name: string): Tensor {
  const tensor = graph.tensors.get(name);
  invariant(tensor !== undefined, `tensor "${name}" is not in graph "${graph.name}"`);
  return tensor;
}

export function isConstant(tensor: Tensor): tensor is Constant {
  return tensor.data !== undefined;
}

/** The node's i-th input, or undefined when it is optional and absent. */
export function inputTensor(graph: Graph, node: Node, index: number): Tensor | undefined {
  const name = node.inputs[index];
  return name === undefined || name === "" ? undefined : tensorOf(graph, name);
}

/** The node's i-th input, which must be present. */
export function requireInput(graph: Graph, node: Node, index: number): Tensor {
  const tensor = inputTensor(graph, node, index);
  invariant(tensor !== undefined, `node "${node.name}" (${node.op}) has no input ${index}`);
  return tensor;
}

export function outputTensor(graph: Graph, node: Node, index = 0): Tensor {
  const name = node.outputs[index];
  invariant(name !== undefined, `node "${node.name}" (${node.op}) has no output ${index}`);
  return tensorOf(graph, name);
}

/** Tensor name → nodes that read it. */
export function consumersOf(graph: Graph): ReadonlyMap<string, readonly Node[]> {
  const consumers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const input of new Set(node.inputs)) {
      const list = consumers.get(input);
      if (list === undefined) consumers.set(input, [node]);
      else list.push(node);
    }
  }
  return consumers;
}

/** Tensor name → node that writes it. */
export function producersOf(graph: Graph): ReadonlyMap<string, Node> {
  const producers = new Map<string, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) producers.set(output, node);
  return producers;
}
