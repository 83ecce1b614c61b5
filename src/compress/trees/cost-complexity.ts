/**
 * Minimal cost-complexity pruning of a tree that is there already (Breiman et al. 1984; scikit-learn's `_cost_complexity_prune`). With
 * R(node) the node's share of the samples' weight × its impurity, the weakest link is the inner node with the least
 * (R(node) - Σ R(its leaves)) / (its leaves - 1): the effective alpha. It becomes a leaf, and so on until the root is one.
 */
import { isLeaf, type Trees } from "../../graph/tree.ts";
import { parentsOf } from "./collapse.ts";

export interface PathStep {
  /** Effective alpha at which the tree became what it is; 0 for the whole tree. Never less than the one before. */
  readonly alpha: number;
  /** Σ R of the leaves; never less than the one before. */
  readonly impurity: number;
  /** Node that became a leaf; absent for the whole tree. */
  readonly collapsed?: number;
  readonly leaves: number;
}

/**
 * The nested trees from the whole one to its root alone.
 * @param until stops before the first alpha above it; default: never
 */
export function costComplexityPath(trees: Trees, root: number, until = Infinity): readonly PathStep[] {
  const { left, right, statistics } = trees;
  if (statistics === undefined) throw new Error("internal: cost-complexity pruning without statistics");
  const nodes = subtree(trees, root);
  const total = statistics.weight[root]!;
  const own = new Map(nodes.map((i) => [i, total === 0 ? 0 : (statistics.weight[i]! * statistics.impurity[i]!) / total]));
  const parents = parentsOf(trees);
  const branch = new Map<number, number>();
  const leaves = new Map<number, number>();
  for (const i of nodes.toReversed()) {
    const leaf = isLeaf(trees, i);
    branch.set(i, leaf ? own.get(i)! : branch.get(left[i]!)! + branch.get(right[i]!)!);
    leaves.set(i, leaf ? 1 : leaves.get(left[i]!)! + leaves.get(right[i]!)!);
  }
  const alphaOf = (i: number): number => (own.get(i)! - branch.get(i)!) / (leaves.get(i)! - 1);
  const queue = new WeakestFirst();
  const version = new Map<number, number>();
  for (const i of nodes) if (!isLeaf(trees, i)) queue.push({ alpha: alphaOf(i), node: i, version: 0 });

  const path: PathStep[] = [{ alpha: 0, impurity: branch.get(root)!, leaves: leaves.get(root)! }];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const { node } = next;
    // Outdated, or already inside a collapsed node.
    if (next.version !== (version.get(node) ?? 0)) continue;
    const before = path.at(-1)!;
    // Sums of doubles may fall back by their rounding.
    const alpha = Math.max(before.alpha, next.alpha);
    if (alpha > until) break;
    for (const inside of subtree(trees, node)) version.set(inside, -1);
    const more = own.get(node)! - branch.get(node)!;
    const fewer = leaves.get(node)! - 1;
    for (let i = node; i >= 0; i = parents[i]!) {
      branch.set(i, branch.get(i)! + more);
      leaves.set(i, leaves.get(i)! - fewer);
      if (i === node) continue;
      const now = (version.get(i) ?? 0) + 1;
      version.set(i, now);
      queue.push({ alpha: alphaOf(i), node: i, version: now });
    }
    path.push({ alpha, impurity: Math.max(before.impurity, branch.get(root)!), collapsed: node, leaves: leaves.get(root)! });
  }
  return path;
}

/** Nodes to collapse in all trees for an alpha: every weakest link whose effective alpha is at most that. */
export function costComplexityCut(trees: Trees, alpha: number): Uint8Array {
  const collapsed = new Uint8Array(trees.left.length);
  for (const root of trees.roots) {
    for (const step of costComplexityPath(trees, root, alpha)) if (step.collapsed !== undefined) collapsed[step.collapsed] = 1;
  }
  return collapsed;
}

/** Nodes at and below one, parents before children. */
function subtree({ left, right }: Trees, root: number): readonly number[] {
  const found = [root];
  for (let k = 0; k < found.length; k++) {
    const node = found[k]!;
    if (left[node] !== node) found.push(left[node]!, right[node]!);
  }
  return found;
}

interface Link {
  readonly alpha: number;
  readonly node: number;
  readonly version: number;
}

/** A binary heap: least alpha first, of equal ones the lowest node. */
class WeakestFirst {
  readonly #heap: Link[] = [];

  push(link: Link): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(link);
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!before(link, heap[up]!)) break;
      heap[at] = heap[up]!;
      at = up;
    }
    heap[at] = link;
  }

  pop(): Link | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Link, b: Link): boolean {
  return a.alpha < b.alpha || (a.alpha === b.alpha && a.node < b.node);
}
