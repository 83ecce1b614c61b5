/** Decision trees by recursion, one sample at a time. */
import type { OpAttrs } from "../../src/graph/ir.ts";
import type { NaiveTensor } from "./tensor.ts";

export function naiveTrees(inputs: readonly NaiveTensor[], attrs: OpAttrs["TreeEnsemble"]): number[] {
  const [x, feature, threshold, left, right, values, roots, missing] = inputs;
  const [samples, features] = x!.shape as [number, number];
  const outputs = values!.shape[1]!;
  const leaf = (node: number, sample: number): number => {
    const [l, r] = [left!.data[node]!, right!.data[node]!];
    if (l === node) return node;
    const value = x!.data[sample * features + feature!.data[node]!]!;
    const goesLeft = Number.isNaN(value) ? missing?.data[node] === 1 : value <= threshold!.data[node]!;
    return leaf(goesLeft ? l : r, sample);
  };
  const result: number[] = [];
  for (let i = 0; i < samples; i++) {
    const leaves = Array.from(roots!.data, (root) => leaf(root, i));
    for (let c = 0; c < outputs; c++) {
      const sum = leaves.reduce((total, node) => total + values!.data[node * outputs + c]!, 0);
      result.push(attrs.aggregate === "average" ? sum / leaves.length : sum);
    }
  }
  return result;
}
