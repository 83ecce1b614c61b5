/**
 * Classifiers of ai.onnx.ml have two outputs: the label of the best class and the scores of all. Labels are what the reader makes of the
 * scores, and no engine computes them; so a file's label outputs are left out, with the nodes that only pass them on.
 */
import type { GraphProto } from "./proto.ts";

const PASSES_ON: ReadonlySet<string> = new Set(["Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"]);

/** The graph without outputs that are class labels, where it has other outputs. */
export function withoutLabels(graph: GraphProto): GraphProto {
  const labels = new Set<string>();
  for (const node of graph.node) {
    if (node.domain === "ai.onnx.ml" && node.opType === "TreeEnsembleClassifier") labels.add(node.output[0] ?? "");
    else if (PASSES_ON.has(node.opType) && labels.has(node.input[0] ?? "")) for (const output of node.output) labels.add(output);
  }
  const output = graph.output.filter(({ name }) => !labels.has(name));
  return labels.size === 0 || output.length === 0 ? graph : { ...graph, output };
}
