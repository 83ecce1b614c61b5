/** A layer and an addition behind it, for tests of what engines make of residual connections. */
import type { Activation, Graph, Node } from "../../src/graph/ir.ts";

export const RELU: Activation = { kind: "clamp", min: 0, max: Infinity };

/** The output of a graph of one layer, added to another input. @param swapped the layer is the second operand */
export function withResidual(graph: Graph, activation?: Activation, swapped = false): Graph {
  const [layer] = graph.nodes as readonly [Node];
  const [sum] = layer.outputs as readonly [string];
  const { shape } = graph.tensors.get(sum)!;
  const tensors = new Map(graph.tensors);
  for (const name of ["other", "total"]) tensors.set(name, { name, dtype: "float32", shape });
  const inputs = swapped ? ["other", sum] : [sum, "other"];
  const add: Node = { op: "Binary", name: "add", inputs, outputs: ["total"], attrs: { fn: "add", ...(activation && { activation }) } };
  return { ...graph, tensors, inputs: [...graph.inputs, "other"], outputs: ["total"], nodes: [layer, add] };
}
