/** Removes nodes and tensors that no graph output depends on. Graph inputs stay: they are the model's interface. */
import type { Graph } from "../ir.ts";

export function removeDeadCode(graph: Graph): Graph {
  const needed = new Set<string>(graph.outputs);
  const nodes = graph.nodes
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((output) => needed.has(output))) return false;
      for (const input of node.inputs) needed.add(input);
      return true;
    })
    .toReversed();
  for (const input of graph.inputs) needed.add(input);
  const tensors = new Map([...graph.tensors].filter(([name]) => needed.has(name)));
  if (nodes.length === graph.nodes.length && tensors.size === graph.tensors.size) return graph;
  return { ...graph, nodes, tensors };
}
