/**
 * Decision trees as kernels read them: nodes in preorder, so that the left child is the next node and only the right one is stored, and
 * the values of the leaves alone. Shared by all engines, so that a node means the same everywhere.
 */
import { isLeaf, type Trees } from "../graph/tree.ts";

export interface PackedTrees {
  /** Feature that a node asks for; of a leaf: -1. */
  readonly feature: Int32Array;
  /** Of a leaf: 0. Never -0. */
  readonly threshold: Float32Array;
  /** Right child; of a leaf: its row in `values`. */
  readonly right: Int32Array;
  /** 1: NaN goes left; absent where it does so nowhere. */
  readonly missing?: Uint8Array;
  /** [leaves][outputs] */
  readonly values: Float32Array;
  readonly outputs: number;
  readonly roots: Int32Array;
}

export function packTrees(trees: Trees): PackedTrees {
  const n = trees.left.length;
  const order = preorder(trees);
  const place = new Int32Array(n);
  order.forEach((node, at) => (place[node] = at));
  const feature = new Int32Array(n);
  const threshold = new Float32Array(n);
  const right = new Int32Array(n);
  const missing = new Uint8Array(n);
  const values: Float32Array[] = [];
  order.forEach((node, at) => {
    if (isLeaf(trees, node)) {
      feature[at] = -1;
      right[at] = values.length;
      values.push(trees.values.subarray(node * trees.outputs, (node + 1) * trees.outputs));
      return;
    }
    feature[at] = trees.feature[node]!;
    // Adding 0 makes -0 positive: the GPU compares bits.
    threshold[at] = trees.threshold[node]! + 0;
    right[at] = place[trees.right[node]!]!;
    missing[at] = trees.missing?.[node] ?? 0;
  });
  const rows = new Float32Array(values.length * trees.outputs);
  values.forEach((row, i) => rows.set(row, i * trees.outputs));
  return {
    feature,
    threshold,
    right,
    ...(missing.includes(1) && { missing }),
    values: rows,
    outputs: trees.outputs,
    roots: trees.roots.map((root) => place[root]!),
  };
}

function preorder({ left, right, roots }: Trees): Int32Array {
  const order = new Int32Array(left.length);
  let count = 0;
  for (const root of roots) {
    const stack = [root];
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      order[count++] = node;
      if (left[node] !== node) stack.push(right[node]!, left[node]!);
    }
  }
  return order;
}
