/** Turning inner nodes into leaves, and the forms that pruning methods share. */
import { isLeaf, type Trees } from "../../graph/tree.ts";

/** Parent of each node; -1 of a root. */
export function parentsOf({ left, right }: Pick<Trees, "left" | "right">): Int32Array {
  const parents = new Int32Array(left.length).fill(-1);
  for (let i = 0; i < left.length; i++) {
    if (left[i] === i) continue;
    parents[left[i]!] = i;
    parents[right[i]!] = i;
  }
  return parents;
}

/** The trees with the nodes where `collapsed` is 1 as leaves, and nothing below them. */
export function collapse(trees: Trees, collapsed: Uint8Array): Trees {
  const { feature, threshold, left, right, values, outputs, roots, missing, statistics } = trees;
  const n = left.length;
  const kept = new Uint8Array(n);
  for (const root of roots) kept[root] = 1;
  const order: number[] = [];
  const place = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    if (kept[i] === 0) continue;
    place[i] = order.length;
    order.push(i);
    if (collapsed[i] === 1 || isLeaf(trees, i)) continue;
    kept[left[i]!] = 1;
    kept[right[i]!] = 1;
  }
  const leaf = (i: number): boolean => collapsed[i] === 1 || isLeaf(trees, i);
  const rows = new Float32Array(order.length * outputs);
  order.forEach((i, at) => rows.set(values.subarray(i * outputs, (i + 1) * outputs), at * outputs));
  const sides = missing === undefined ? undefined : Uint8Array.from(order, (i) => (leaf(i) ? 0 : missing[i]!));
  return {
    feature: Int32Array.from(order, (i) => (leaf(i) ? 0 : feature[i]!)),
    threshold: Float32Array.from(order, (i) => (leaf(i) ? 0 : threshold[i]!)),
    left: Int32Array.from(order, (i, at) => (leaf(i) ? at : place[left[i]!]!)),
    right: Int32Array.from(order, (i, at) => (leaf(i) ? at : place[right[i]!]!)),
    values: rows,
    outputs,
    roots: Int32Array.from(roots, (root) => place[root]!),
    ...(sides?.includes(1) === true && { missing: sides }),
    ...(statistics && {
      statistics: {
        impurity: Float64Array.from(order, (i) => statistics.impurity[i]!),
        weight: Float64Array.from(order, (i) => statistics.weight[i]!),
      },
    }),
  };
}

/** Collapses inner nodes from the leaves up wherever `cost` says that it is no worse as a leaf than its pruned subtree. */
export function collapseUpwards(trees: Trees, cost: (node: number) => number): Uint8Array {
  const { left, right } = trees;
  const below = new Float64Array(left.length);
  const collapsed = new Uint8Array(left.length);
  for (let i = left.length - 1; i >= 0; i--) {
    const own = cost(i);
    if (isLeaf(trees, i)) {
      below[i] = own;
      continue;
    }
    const subtree = below[left[i]!]! + below[right[i]!]!;
    if (own <= subtree) collapsed[i] = 1;
    below[i] = Math.min(own, subtree);
  }
  return collapsed;
}
