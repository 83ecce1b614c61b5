/**
 * Takes a fused hardswish off the op that carries it. An integer op can clamp, not multiply, so quantization needs it as a Unary of
 * its own, between two calibrated tensors.
 */
import { outputTensor } from "../../graph/access.ts";
import type { Graph, Node, Tensor } from "../../graph/ir.ts";

export function splitHardswish(graph: Graph): Graph {
  const tensors = new Map(graph.tensors);
  const nodes: Node[] = [];
  const names = new Set(graph.nodes.map((node) => node.name));
  for (const node of graph.nodes) {
    const activation = "activation" in node.attrs ? node.attrs.activation : undefined;
    if (activation?.kind !== "hardswish") {
      nodes.push(node);
      continue;
    }
    const output = outputTensor(graph, node);
    const linear: Tensor = { ...output, name: freeName(`${output.name}_linear`, tensors) };
    tensors.set(linear.name, linear);
    const attrs = Object.fromEntries(Object.entries(node.attrs).filter(([key]) => key !== "activation"));
    nodes.push({ ...node, attrs, outputs: [linear.name] } as unknown as Node);
    const name = freeName(`${node.name}_hardswish`, names);
    names.add(name);
    nodes.push({ name, op: "Unary", inputs: [linear.name], outputs: [output.name], attrs: { fn: "hardswish" } });
  }
  return { ...graph, tensors, nodes };
}

/** `base`, or `base_2`, `base_3`, … */
export function freeName(base: string, taken: { has(name: string): boolean }): string {
  let name = base;
  for (let i = 2; taken.has(name); i++) name = `${base}_${i}`;
  return name;
}
