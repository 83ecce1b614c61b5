/** Float inputs and outputs around an int8 graph: LiteRT.js takes no others, and all shall take the same. */
import { tensorOf } from "../../src/graph/access.ts";
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
