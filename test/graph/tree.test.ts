/** What validation accepts as decision trees and what it refuses, and the facts that are read off them. */
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { DType, TypedArray } from "../../src/graph/dtype.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { deserializeGraph, serializeGraph } from "../../src/graph/serialize.ts";
import { graphTrees, isTree, leafOf, treesOf } from "../../src/graph/tree.ts";
import { validateGraph } from "../../src/graph/validate.ts";

interface Arrays {
  readonly feature: readonly number[];
  readonly threshold: readonly number[];
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly values: readonly number[];
  readonly roots: readonly number[];
  readonly impurity?: readonly number[];
  readonly weight?: readonly number[];
}

/** x0 <= 0.5 ? 1 : x1 <= 2 ? 2 : 3 */
const SMALL: Arrays = {
  feature: [0, 0, 1, 0, 0],
  threshold: [0.5, 0, 2, 0, 0],
  left: [1, 1, 3, 3, 4],
  right: [2, 1, 4, 3, 4],
  values: [0, 1, 0, 2, 3],
  roots: [0],
};

function treeGraph(arrays: Arrays, dtypes: Partial<Record<keyof Arrays, DType>> = {}): Graph {
  const builder = new GraphBuilder("trees");
  const x = builder.input("x", "float32", [1, 2]);
  const constant = (name: keyof Arrays, dtype: DType, make: (list: readonly number[]) => TypedArray): string => {
    const list = arrays[name];
    if (list === undefined) return "";
    return builder.constant(name, dtypes[name] ?? dtype, name === "values" ? [list.length, 1] : [list.length], make(list));
  };
  const inputs = [
    x,
    constant("feature", "int32", (l) => Int32Array.from(l)),
    constant("threshold", "float32", (l) => Float32Array.from(l)),
    constant("left", "int32", (l) => Int32Array.from(l)),
    constant("right", "int32", (l) => Int32Array.from(l)),
    constant("values", "float32", (l) => Float32Array.from(l)),
    constant("roots", "int32", (l) => Int32Array.from(l)),
    "",
    constant("impurity", "float64", (l) => Float64Array.from(l)),
    constant("weight", "float64", (l) => Float64Array.from(l)),
  ];
  return builder.finish([builder.add("TreeEnsemble", "trees", inputs, { aggregate: "sum", task: "regression" })]);
}

describe("trees of a graph", () => {
  it("are counted", () => {
    const graph = treeGraph(SMALL);
    validateGraph(graph);
    expect(graphTrees(graph)).toEqual({ trees: 1, nodes: 5, leaves: 3, depth: 2 });
  });

  it("keep everything in a file", () => {
    const graph = treeGraph({ ...SMALL, impurity: [0.5, 0, 0.25, 0, 0], weight: [4, 1, 3, 1, 2] });
    const back = deserializeGraph(serializeGraph(graph), "test");
    validateGraph(back);
    const [a, b] = [graph, back].map((g) => treesOf(g, g.nodes.find(isTree)!));
    expect(b).toEqual(a);
    expect(back.nodes[0]!.attrs).toEqual(graph.nodes[0]!.attrs);
  });

  it("send a sample to one leaf, equality and NaN included", () => {
    const trees = treesOf(treeGraph(SMALL), treeGraph(SMALL).nodes.find(isTree)!);
    expect(leafOf(trees, 0, [0.5, 9], 0)).toBe(1);
    expect(leafOf(trees, 0, [9, 9, NaN, 2], 2)).toBe(3);
    expect(leafOf({ ...trees, missing: Uint8Array.of(1, 0, 0, 0, 0) }, 0, [NaN, 2], 0)).toBe(1);
  });
});

describe("validation refuses", () => {
  it.each<[string, Arrays, RegExp]>([
    ["a cycle", { ...SMALL, left: [1, 1, 0, 3, 4] }, /node 2 has the children 0 and 4/],
    ["a child outside", { ...SMALL, right: [2, 1, 5, 3, 4] }, /node 2 has the children 3 and 5/],
    ["a negative child", { ...SMALL, left: [-1, 1, 3, 3, 4] }, /node 0 has the children -1 and 2/],
    ["half a leaf", { ...SMALL, left: [0, 1, 3, 3, 4] }, /node 0 has the children 0 and 2/],
    ["a shared child", { ...SMALL, left: [1, 1, 3, 3, 4], right: [2, 1, 3, 3, 4] }, /shares a child/],
    ["a child of two parents", { ...SMALL, left: [1, 3, 3, 3, 4], right: [2, 4, 4, 3, 4] }, /shares a child/],
    ["a feature outside", { ...SMALL, feature: [0, 0, 2, 0, 0] }, /feature 2, expected 0..1/],
    ["a negative feature", { ...SMALL, feature: [-1, 0, 1, 0, 0] }, /feature -1/],
    ["a NaN threshold", { ...SMALL, threshold: [NaN, 0, 2, 0, 0] }, /NaN/],
    ["a root outside", { ...SMALL, roots: [5] }, /begins at node 5/],
    ["a root twice", { ...SMALL, roots: [0, 0] }, /begins a tree and has a parent/],
    ["a root inside a tree", { ...SMALL, roots: [0, 2] }, /begins a tree and has a parent/],
    ["a node outside all trees", { ...SMALL, left: [0, 1, 3, 3, 4], right: [0, 1, 4, 3, 4], roots: [2] }, /node 0 belongs to no tree/],
    ["no trees", { ...SMALL, roots: [] }, /no trees/],
    ["an infinite value", { ...SMALL, values: [0, Infinity, 0, 2, 3] }, /not finite/],
    ["one statistic without the other", { ...SMALL, impurity: [0, 0, 0, 0, 0] }, /one of impurity and weight/],
    ["a negative impurity", { ...SMALL, impurity: [-1, 0, 0, 0, 0], weight: [1, 1, 1, 1, 1] }, /an impurity/],
    ["a weight that is no number", { ...SMALL, impurity: [0, 0, 0, 0, 0], weight: [1, NaN, 1, 1, 1] }, /a sample weight/],
    ["arrays of other lengths", { ...SMALL, threshold: [0.5, 0, 2, 0] }, /input threshold has shape \[4\]/],
  ])("%s", (_, arrays, message) => {
    expect(() => validateGraph(treeGraph(arrays))).toThrow(message);
  });

  it("other types", () => {
    expect(() => validateGraph(treeGraph(SMALL, { feature: "uint32" }))).toThrow(/feature is no int32 constant/);
  });
});
