/**
 * What the constants of a TreeEnsemble mean, and the checks on them. All trees lie in one set of arrays, children always behind their
 * parent, so that a walk that only follows children ends. A node whose children are itself is a leaf. Comparisons are float32: x goes
 * left where x[feature] <= threshold, and where x[feature] is NaN to the side that `missing` says (right where there is no `missing`).
 */
import { isConstant, inputTensor } from "./access.ts";
import type { TypedArray } from "./dtype.ts";
import type { Graph, Node, NodeWith, Tensor } from "./ir.ts";

/** Positions of a TreeEnsemble's inputs. */
export const TREE_INPUT = {
  x: 0,
  feature: 1,
  threshold: 2,
  left: 3,
  right: 4,
  values: 5,
  roots: 6,
  missing: 7,
  impurity: 8,
  weight: 9,
} as const;

/** The constants of a TreeEnsemble; `n` nodes, `outputs` values each. */
export interface Trees {
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** [n][outputs]; what a leaf adds. Of an inner node: what it would add as a leaf, where `weight` is there; else zeros. */
  readonly values: Float32Array;
  readonly outputs: number;
  /** First node of each tree. */
  readonly roots: Int32Array;
  /** 1: NaN goes left. Absent: it never does. */
  readonly missing?: Uint8Array;
  /** What pruning needs to know of the samples that reached a node in training; both or none. */
  readonly statistics?: TreeStatistics;
}

export interface TreeStatistics {
  /** Of the samples at a node, by the criterion that the trees were grown with. */
  readonly impurity: Float64Array;
  /** Sum of the samples' weights at a node. */
  readonly weight: Float64Array;
}

export interface TreeShape {
  readonly trees: number;
  readonly nodes: number;
  readonly leaves: number;
  /** Comparisons on the longest way down. */
  readonly depth: number;
}

/** Engines use signed 32-bit offsets into arrays of several words a node. */
const MAX_NODES = 2 ** 26;

export function isTree(node: Node): node is NodeWith<"TreeEnsemble"> {
  return node.op === "TreeEnsemble";
}

/** Views of the constants, not copies. The graph must be valid. */
export function treesOf(graph: Graph, node: NodeWith<"TreeEnsemble">): Trees {
  const data = (index: number): TypedArray | undefined => inputTensor(graph, node, index)?.data;
  const missing = data(TREE_INPUT.missing) as Uint8Array | undefined;
  const impurity = data(TREE_INPUT.impurity) as Float64Array | undefined;
  const weight = data(TREE_INPUT.weight) as Float64Array | undefined;
  return {
    feature: data(TREE_INPUT.feature) as Int32Array,
    threshold: data(TREE_INPUT.threshold) as Float32Array,
    left: data(TREE_INPUT.left) as Int32Array,
    right: data(TREE_INPUT.right) as Int32Array,
    values: data(TREE_INPUT.values) as Float32Array,
    outputs: inputTensor(graph, node, TREE_INPUT.values)!.shape[1]!,
    roots: data(TREE_INPUT.roots) as Int32Array,
    ...(missing && { missing }),
    ...(impurity && weight && { statistics: { impurity, weight } }),
  };
}

export function isLeaf(trees: Pick<Trees, "left">, node: number): boolean {
  return trees.left[node] === node;
}

/** Depth of each node below its root; correct because children lie behind their parents. */
export function depths({ left, right }: Pick<Trees, "left" | "right">): Int32Array {
  const depth = new Int32Array(left.length);
  for (let i = 0; i < left.length; i++) {
    if (left[i] === i) continue;
    depth[left[i]!] = depth[i]! + 1;
    depth[right[i]!] = depth[i]! + 1;
  }
  return depth;
}

export function treeShape(trees: Trees): TreeShape {
  const depth = depths(trees);
  let leaves = 0;
  let deepest = 0;
  for (let i = 0; i < depth.length; i++) {
    if (isLeaf(trees, i)) leaves++;
    deepest = Math.max(deepest, depth[i]!);
  }
  return { trees: trees.roots.length, nodes: depth.length, leaves, depth: deepest };
}

/** What all trees of a graph are together; undefined where it has none. */
export function graphTrees(graph: Graph): TreeShape | undefined {
  const shapes = graph.nodes.filter(isTree).map((node) => treeShape(treesOf(graph, node)));
  if (shapes.length === 0) return undefined;
  const sum = (count: (shape: TreeShape) => number): number => shapes.reduce((total, shape) => total + count(shape), 0);
  return {
    trees: sum((s) => s.trees),
    nodes: sum((s) => s.nodes),
    leaves: sum((s) => s.leaves),
    depth: Math.max(...shapes.map((s) => s.depth)),
  };
}

/** Leaf that a sample ends in. @param offset of the sample in `x` */
export function leafOf({ feature, threshold, left, right, missing }: Trees, root: number, x: ArrayLike<number>, offset: number): number {
  let node = root;
  for (let next = left[node]!; next !== node; next = left[node]!) {
    const value = x[offset + feature[node]!]!;
    const goesLeft = value <= threshold[node]! || (missing !== undefined && value !== value && missing[node] === 1);
    node = goesLeft ? next : right[node]!;
  }
  return node;
}

/** Why the node's constants are no trees; undefined where they are. */
export function treeFault(graph: Graph, node: NodeWith<"TreeEnsemble">): string | undefined {
  const fault = typeFault(graph, node);
  if (fault !== undefined) return fault;
  const trees = treesOf(graph, node);
  const n = trees.feature.length;
  if (n === 0 || n > MAX_NODES) return `has ${n} nodes, expected 1 to ${MAX_NODES}`;
  if (trees.roots.length === 0) return "has no trees";
  return structureFault(trees, inputTensor(graph, node, TREE_INPUT.x)!.shape[1]!) ?? statisticsFault(trees.statistics);
}

function typeFault(graph: Graph, node: NodeWith<"TreeEnsemble">): string | undefined {
  const n = inputTensor(graph, node, TREE_INPUT.feature)?.data?.length ?? 0;
  const expected = { feature: "int32", threshold: "float32", left: "int32", right: "int32", values: "float32", roots: "int32" } as const;
  const optional = { missing: "uint8", impurity: "float64", weight: "float64" } as const;
  for (const [name, dtype] of Object.entries({ ...expected, ...optional })) {
    const tensor: Tensor | undefined = inputTensor(graph, node, TREE_INPUT[name as keyof typeof TREE_INPUT]);
    if (tensor === undefined && name in optional) continue;
    if (tensor === undefined || !isConstant(tensor) || tensor.dtype !== dtype) return `input ${name} is no ${dtype} constant`;
    const rank = name === "values" ? 2 : 1;
    if (tensor.shape.length !== rank || (name !== "roots" && tensor.shape[0] !== n)) {
      return `input ${name} has shape [${tensor.shape.join(", ")}], expected ${rank === 2 ? `[${n}, outputs]` : name === "roots" ? "[trees]" : `[${n}]`}`;
    }
  }
  const [impurity, weight] = [inputTensor(graph, node, TREE_INPUT.impurity), inputTensor(graph, node, TREE_INPUT.weight)];
  if ((impurity === undefined) !== (weight === undefined)) return "has one of impurity and weight, expected both or none";
  return (inputTensor(graph, node, TREE_INPUT.values)?.shape[1] ?? 0) < 1 ? "values has no outputs" : undefined;
}

/** Every node is a leaf or has two children of its own behind it; a root has no parent; nothing else lies around. */
function structureFault({ feature, threshold, left, right, values, roots }: Trees, features: number): string | undefined {
  const n = feature.length;
  const parents = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const [l, r] = [left[i]!, right[i]!];
    if (l === i && r === i) continue;
    if (!(l > i && l < n && r > i && r < n))
      return `node ${i} has the children ${l} and ${r}, expected itself twice or two in ${i + 1}..${n - 1}`;
    if (parents[l]! + parents[r]! > 0 || l === r) return `node ${i} shares a child (${l}, ${r}) with another, expected a tree`;
    parents[l] = 1;
    parents[r] = 1;
    if (!(feature[i]! >= 0 && feature[i]! < features)) return `node ${i} asks for feature ${feature[i]!}, expected 0..${features - 1}`;
    if (threshold[i] !== threshold[i]) return `node ${i} compares with NaN`;
  }
  for (const root of roots) {
    if (!(root >= 0 && root < n)) return `a tree begins at node ${root}, expected 0..${n - 1}`;
    if (parents[root] === 1) return `node ${root} begins a tree and has a parent, expected one of both`;
    parents[root] = 1;
  }
  const lost = parents.indexOf(0);
  if (lost >= 0) return `node ${lost} belongs to no tree`;
  return values.some((v) => !Number.isFinite(v)) ? "a value is not finite" : undefined;
}

function statisticsFault(statistics: TreeStatistics | undefined): string | undefined {
  if (statistics === undefined) return undefined;
  const bad = (list: Float64Array): boolean => list.some((v) => !(v >= 0 && v < Infinity));
  if (bad(statistics.weight)) return "a sample weight is not a number from 0";
  return bad(statistics.impurity) ? "an impurity is not a number from 0" : undefined;
}
