/** Float or integer inputs and outputs of an int8 graph: peers differ in what they take. */
import { consumersOf, producersOf, tensorOf } from "../../src/graph/access.ts";
import type { Graph, Node, Tensor } from "../../src/graph/ir.ts";

/** Takes and gives float32 where the graph takes and gives 8-bit integers. */
export function withFloatBorders(graph: Graph): Graph {
  const tensors = new Map(graph.tensors);
  const before: Node[] = [];
  const after: Node[] = [];
  const border = (name: string, op: "Quantize" | "Dequantize"): string => {
    const tensor = tensorOf(graph, name);
    if (tensor.quant === undefined) return name;
    const real: Tensor = { name: `${name}/float`, dtype: "float32", shape: tensor.shape };
    tensors.set(real.name, real);
    const [from, to] = op === "Quantize" ? [real.name, name] : [name, real.name];
    (op === "Quantize" ? before : after).push({ name: `${op}:${name}`, op, inputs: [from], outputs: [to], attrs: {} });
    return real.name;
  };
  const inputs = graph.inputs.map((name) => border(name, "Quantize"));
  const outputs = graph.outputs.map((name) => border(name, "Dequantize"));
  return { ...graph, inputs, outputs, tensors, nodes: [...before, ...graph.nodes, ...after] };
}

/** The reverse: drops Quantize nodes at inputs and Dequantize nodes at outputs, where nothing else reads what they read or write. */
export function withIntegerBorders(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const producers = producersOf(graph);
  const removed = new Set<Node>();
  const inputs = graph.inputs.map((name) => {
    const [only, ...others] = consumers.get(name) ?? [];
    if (only?.op !== "Quantize" || others.length > 0) return name;
    removed.add(only);
    return only.outputs[0]!;
  });
  const outputs = graph.outputs.map((name) => {
    const producer = producers.get(name);
    if (producer?.op !== "Dequantize" || consumers.has(name)) return name;
    removed.add(producer);
    return producer.inputs[0]!;
  });
  const tensors = new Map(graph.tensors);
  for (const name of [...graph.inputs, ...graph.outputs]) if (!inputs.includes(name) && !outputs.includes(name)) tensors.delete(name);
  return { ...graph, inputs, outputs, tensors, nodes: graph.nodes.filter((node) => !removed.has(node)) };
}
