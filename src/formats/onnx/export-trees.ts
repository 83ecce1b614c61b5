/**
 * A TreeEnsemble → ai.onnx.ml, version 3: scores of classes as a TreeEnsembleClassifier (whose labels 0, 1, … no output names), other
 * values as a TreeEnsembleRegressor. What pruning knows of the nodes has no place in ONNX and is left out.
 */
import { treesOf, isLeaf, type Trees } from "../../graph/tree.ts";
import type { Graph, NodeWith } from "../../graph/ir.ts";
import type { Attributes, OnnxWriter } from "./writer.ts";

export const TREE_DOMAIN = { name: "ai.onnx.ml", version: 3 } as const;

export function emitTrees(writer: OnnxWriter, graph: Graph, node: NodeWith<"TreeEnsemble">, x: string, output: string): void {
  const trees = treesOf(graph, node);
  const average = node.attrs.aggregate === "average";
  const nodes = nodeAttributes(trees);
  if (node.attrs.task === "regression") {
    const leaves = leafAttributes(trees, "target", 1);
    const aggregate = { n_targets: { int: trees.outputs }, aggregate_function: { string: average ? "AVERAGE" : "SUM" } };
    writer.foreign(TREE_DOMAIN.name, "TreeEnsembleRegressor", node.name, [x], [output], { ...nodes, ...leaves, ...aggregate });
    return;
  }
  // Classifiers only add, so each tree has its share of the mean.
  const leaves = leafAttributes(trees, "class", average ? trees.roots.length : 1);
  const labels = { classlabels_int64s: { ints: Array.from({ length: trees.outputs }, (_, i) => i) } };
  writer.foreign(TREE_DOMAIN.name, "TreeEnsembleClassifier", node.name, [x], [writer.helper(), output], { ...nodes, ...leaves, ...labels });
}

/** Tree of each node; nodes of one tree need not lie together. */
function treeOfNodes({ left, right, roots }: Trees): Int32Array {
  const tree = new Int32Array(left.length);
  roots.forEach((root, t) => (tree[root] = t));
  for (let i = 0; i < left.length; i++) {
    if (left[i] === i) continue;
    tree[left[i]!] = tree[i]!;
    tree[right[i]!] = tree[i]!;
  }
  return tree;
}

function nodeAttributes(trees: Trees): Attributes {
  const { feature, threshold, left, right, missing } = trees;
  const leaf = Array.from(left, (_, i) => isLeaf(trees, i));
  const child = (list: Int32Array): Int32Array => list.map((to, i) => (leaf[i] ? 0 : to));
  return {
    nodes_treeids: { ints: treeOfNodes(trees) },
    nodes_nodeids: { ints: left.map((_, i) => i) },
    nodes_modes: { strings: leaf.map((is) => (is ? "LEAF" : "BRANCH_LEQ")) },
    nodes_featureids: { ints: feature },
    nodes_values: { floats: threshold },
    nodes_truenodeids: { ints: child(left) },
    nodes_falsenodeids: { ints: child(right) },
    ...(missing && { nodes_missing_value_tracks_true: { ints: missing } }),
    post_transform: { string: "NONE" },
  };
}

/**
 * Values of the leaves. Zeros are left out where there are more than two outputs (runtimes take two with the values of one for something
 * else), save that every leaf has a value.
 */
function leafAttributes(trees: Trees, prefix: "class" | "target", divisor: number): Attributes {
  const { left, values, outputs } = trees;
  const tree = treeOfNodes(trees);
  const lists = { treeids: [] as number[], nodeids: [] as number[], ids: [] as number[], weights: [] as number[] };
  for (let i = 0; i < left.length; i++) {
    if (!isLeaf(trees, i)) continue;
    const row = values.subarray(i * outputs, (i + 1) * outputs);
    const kept = row.findIndex((v) => v !== 0);
    row.forEach((value, c) => {
      if (value === 0 && outputs > 2 && c !== Math.max(0, kept)) return;
      lists.treeids.push(tree[i]!);
      lists.nodeids.push(i);
      lists.ids.push(c);
      lists.weights.push(value / divisor);
    });
  }
  return {
    [`${prefix}_treeids`]: { ints: lists.treeids },
    [`${prefix}_nodeids`]: { ints: lists.nodeids },
    [`${prefix}_ids`]: { ints: lists.ids },
    [`${prefix}_weights`]: { floats: lists.weights },
  };
}
