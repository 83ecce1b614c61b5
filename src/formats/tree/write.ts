/** A graph that is nothing but decision trees → JSON as read.ts takes it, with what pruning knows of the nodes. */
import { UnsupportedError } from "../../errors.ts";
import { producersOf, requireInput, tensorOf } from "../../graph/access.ts";
import type { Graph, NodeWith } from "../../graph/ir.ts";
import { isLeaf, isTree, treesOf, type Trees } from "../../graph/tree.ts";

/** @throws UnsupportedError for a graph that computes something else than trees of its input */
export function exportTrees(graph: Graph): Uint8Array {
  const node = onlyTrees(graph);
  const trees = treesOf(graph, node);
  const input = tensorOf(graph, graph.inputs[0]!);
  const { aggregate, task, holdout } = node.attrs;
  const header = {
    task,
    aggregate,
    input: { name: input.name, shape: input.shape.slice(1) },
    ...(holdout && { holdout }),
  };
  const tables = nodesByTree(trees).map((nodes) => tableText(trees, nodes, task === "classification"));
  return new TextEncoder().encode(`${JSON.stringify(header).slice(0, -1)},"trees":[\n${tables.join(",\n")}\n]}\n`);
}

function onlyTrees(graph: Graph): NodeWith<"TreeEnsemble"> {
  const node = producersOf(graph).get(graph.outputs[0]!);
  const rest = graph.nodes.filter((other) => other !== node);
  const fits =
    node !== undefined &&
    isTree(node) &&
    graph.inputs.length === 1 &&
    graph.outputs.length === 1 &&
    rest.every((other) => other.op === "Reshape" && other.outputs[0] === node.inputs[0] && other.inputs[0] === graph.inputs[0]) &&
    [graph.inputs[0], rest[0]?.outputs[0]].includes(node.inputs[0]) &&
    requireInput(graph, node, 0).shape[0] === tensorOf(graph, graph.inputs[0]!).shape[0];
  if (fits) return node;
  throw new UnsupportedError(`model ${graph.name}: only decision trees of the model's input can be written as JSON`, "Write an .onnx file");
}

/** In their order, so that children stay behind their parents. */
function nodesByTree({ left, right, roots }: Trees): readonly (readonly number[])[] {
  const tree = new Int32Array(left.length);
  const lists: number[][] = Array.from(roots, () => []);
  roots.forEach((root, t) => (tree[root] = t));
  for (let i = 0; i < left.length; i++) {
    lists[tree[i]!]!.push(i);
    if (left[i] === i) continue;
    tree[left[i]!] = tree[i]!;
    tree[right[i]!] = tree[i]!;
  }
  return lists;
}

function tableText(trees: Trees, nodes: readonly number[], isShare: boolean): string {
  const { feature, threshold, left, right, values, outputs, missing, statistics } = trees;
  const place = new Map(nodes.map((node, i) => [node, i]));
  const child = (list: Int32Array, node: number): number => (isLeaf(trees, node) ? -1 : place.get(list[node]!)!);
  const table = {
    children_left: nodes.map((node) => child(left, node)),
    children_right: nodes.map((node) => child(right, node)),
    feature: nodes.map((node) => (isLeaf(trees, node) ? -2 : feature[node]!)),
    // All digits: the reader rounds down, and a shorter number might lie below.
    threshold: nodes.map((node) => (isLeaf(trees, node) ? -2 : threshold[node]!)),
    ...(missing && { missing_go_to_left: nodes.map((node) => missing[node]!) }),
    ...(statistics && {
      impurity: nodes.map((node) => statistics.impurity[node]!),
      weighted_n_node_samples: nodes.map((node) => statistics.weight[node]!),
    }),
    value: nodes.map((node) =>
      rowText(values.subarray(node * outputs, (node + 1) * outputs), isShare ? statistics?.weight[node] : undefined),
    ),
  };
  return JSON.stringify(table);
}

/** Shares of classes as counts of samples, which are shorter, where the reader makes the same shares of them; else the values. */
function rowText(row: Float32Array, weight: number | undefined): readonly number[] {
  const counts = Array.from(row, (share) => Math.round(share * (weight ?? 0)));
  const sum = counts.reduce((total, count) => total + count, 0);
  const same = weight !== undefined && sum === weight && sum > 0 && row.every((share, c) => Math.fround(counts[c]! / sum) === share);
  return same ? counts : Array.from(row, shortest);
}

/** The decimal of fewest digits that is this float32 when rounded to float32. */
function shortest(x: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const decimal = Number(x.toPrecision(digits));
    if (Math.fround(decimal) === x) return decimal;
  }
  return x;
}
