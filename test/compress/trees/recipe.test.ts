/** The recipe's words for pruning trees, and what the steps make of a graph. */
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../../src/compress/apply.ts";
import { parseRecipe } from "../../../src/compress/recipe.ts";
import { isHeldOut } from "../../../src/compress/trees/holdout.ts";
import { graphStats } from "../../../src/compress/stats.ts";
import type { LabelledSamples } from "../../../src/compress/steps.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { importModel } from "../../../src/formats/detect.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { treeGraph } from "../../../src/formats/tree/graph.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { graphTrees, isTree, treesOf } from "../../../src/graph/tree.ts";
import { validateGraph } from "../../../src/graph/validate.ts";
import { random } from "../../engines/generated.ts";
import { runGraph } from "../../graph/run.ts";
import { TEN, grow } from "./data.ts";

const rand = random(2);
const rows = Array.from({ length: 600 }, () => [rand(), rand()].map(Math.fround));
const labels = rows.map(([x]) => (x! > 0.5 ? 1 : 0) ^ (rand() < 0.2 ? 1 : 0));
const samples: LabelledSamples = {
  count: rows.length,
  classes: 2,
  elements: 2,
  label: (i) => labels[i]!,
  sample: (i) => Float32Array.from(rows[i]!),
};
const holdout = { fraction: 0.5, seed: 1 };

function noisyTree(withHoldout: boolean): Graph {
  const seen = rows.map((_, i) => i).filter((i) => !withHoldout || !isHeldOut(i, holdout));
  const trees = grow(
    seen.map((i) => rows[i]!),
    seen.map((i) => labels[i]!),
    2,
  );
  return treeGraph("noisy", [1, 2], trees, { aggregate: "average", task: "classification", ...(withHoldout && { holdout }) });
}

const ten = treeGraph("ten", [1], grow(TEN.rows, TEN.labels, 2), { aggregate: "average", task: "classification" });
const apply = (graph: Graph, recipe: string, labelled?: LabelledSamples): ReturnType<typeof applyRecipe> =>
  applyRecipe(graph, parseRecipe(recipe), labelled === undefined ? {} : { labelled: () => labelled });

describe("the words", () => {
  it.each([
    ["ccp:0.01", "ccp:0.01"],
    ["ccp:1e-3", "ccp:0.001"],
    ["ccp:auto", "ccp:auto"],
    ["ccp:auto,samples=all", "ccp:auto,samples=all"],
    ["rep,samples=heldout", "rep"],
    ["pessimistic:0.25", "pessimistic"],
    ["pessimistic:0.1,exclude=a*", "pessimistic:0.1,exclude=a*"],
    ["minerror", "minerror"],
    ["minerror:5", "minerror:5"],
    ["ccp:0.01+rep", "ccp:0.01+rep"],
  ])("%s is %s", (text, canonical) => {
    expect(parseRecipe(text).text).toBe(canonical);
  });

  it.each([
    ["ccp", /got no value, expected an alpha from 0/],
    ["ccp:-1", /got "-1", expected an alpha from 0/],
    ["ccp:best", /got "best", expected an alpha from 0.*or auto/],
    ["ccp:0.1,samples=all", /unknown option "samples"/],
    ["rep:3", /got the value "3", expected none/],
    ["rep,samples=some", /expected heldout, all/],
    ["pessimistic:0.7", /confidence above 0 and up to 0.5/],
    ["minerror:0", /above 0/],
  ])("%s is refused", (text, message) => {
    expect(() => parseRecipe(text)).toThrow(message);
  });
});

describe("the steps", () => {
  it("collapse what alpha says, and say so", async () => {
    const { graph, steps } = await apply(ten, "ccp:0.1");
    validateGraph(graph);
    expect(graphTrees(graph)).toEqual({ trees: 1, nodes: 3, leaves: 2, depth: 1 });
    expect(steps[0]!.notes).toEqual(["trees: 11 nodes, 6 leaves, depth 4 → 3, 2, 1"]);
    expect(steps[0]!.layers).toEqual(["trees"]);
    const [scores] = await runGraph(graph, [Float32Array.of(1)]);
    expect(Array.from(scores!)).toEqual([1, 0]);
  });

  it("count what is left: thresholds and leaf values, without what only pruning reads", async () => {
    const { graph } = await apply(ten, "ccp:0.1");
    expect(graphStats(graph).totals).toMatchObject({ params: 1 + 2 * 2, weightBytes: 16 + 2 * 2 * 4, macs: 0 });
    expect(graphStats(ten).totals).toMatchObject({ params: 5 + 6 * 2, weightBytes: 5 * 16 + 6 * 2 * 4 });
  });

  it("follow each other", async () => {
    const { graph } = await apply(ten, "ccp:0.1+ccp:0.3");
    expect(graphTrees(graph)).toMatchObject({ nodes: 1 });
  });

  it.each(["ccp:auto", "rep"])("%s chooses by the samples that were held out", async (recipe) => {
    const seen: number[] = [];
    const watched: LabelledSamples = { ...samples, sample: (i) => (seen.push(i), samples.sample(i)) };
    const { graph } = await apply(noisyTree(true), recipe, watched);
    validateGraph(graph);
    expect(seen.length).toBeGreaterThan(200);
    expect(seen.every((i) => isHeldOut(i, holdout))).toBe(true);
    expect(graphTrees(graph)!.leaves).toBeLessThan(graphTrees(noisyTree(true))!.leaves / 2);
  });

  it.each(["pessimistic", "minerror:20"])("%s needs no samples", async (recipe) => {
    const { graph } = await apply(noisyTree(false), recipe);
    expect(graphTrees(graph)!.leaves).toBeLessThan(graphTrees(noisyTree(false))!.leaves);
  });

  it("refuse to let samples vote for the branches they grew", async () => {
    await expect(apply(noisyTree(false), "ccp:auto", samples)).rejects.toThrow(/do not say which training samples they have not seen/);
    await expect(apply(noisyTree(true), "rep")).rejects.toThrow(/has no dataset/);
    // Whoever knows that none of them was used may say so; then all count.
    await expect(apply(noisyTree(false), "rep,samples=all", samples)).resolves.toBeDefined();
  });

  it("leave alone what the recipe excludes", async () => {
    const { graph, steps } = await apply(ten, "ccp:0.1,exclude=trees");
    expect(graphTrees(graph)).toEqual(graphTrees(ten));
    expect(steps[0]!.skipped).toEqual([{ layer: "trees", op: "TreeEnsemble", why: "excluded by the recipe" }]);
  });

  it("refuse a model without trees, a dataset of other samples, a regression", async () => {
    const net: Graph = { ...ten, nodes: [], outputs: ten.inputs };
    await expect(apply(net, "ccp:0.1")).rejects.toThrow(/model ten has no decision trees/);
    await expect(apply(noisyTree(true), "rep", { ...samples, elements: 3 })).rejects.toThrow(/2 features that are not a sample's 3 values/);
    await expect(apply(noisyTree(true), "rep", { ...samples, classes: 3 })).rejects.toThrow(/2 outputs, but the dataset has 3 classes/);
    const regression = treeGraph("r", [1], grow(TEN.rows, TEN.labels, 0), { aggregate: "average", task: "regression" });
    await expect(apply(regression, "pessimistic")).rejects.toThrow(/do not classify/);
    expect(graphTrees((await apply(regression, "ccp:0.05")).graph)!.leaves).toBeLessThan(6);
  });
});

describe("a model from ONNX, which has no place for what pruning reads", () => {
  const graph = importModel(exportOnnx(noisyTree(false)), { name: "noisy", evaluate: evaluateNode });

  it("is refused without samples", async () => {
    await expect(apply(graph, "ccp:0.01")).rejects.toThrow(/the file has no impurity and sample counts of nodes/);
  });

  it("is counted on training samples, and then pruned as what it came from", async () => {
    const [counted, original] = [await apply(graph, "ccp:0.003", samples), await apply(noisyTree(false), "ccp:0.003")];
    expect(counted.steps[0]!.notes![0]).toMatch(/nodes counted on 600 training samples/);
    expect(graphTrees(counted.graph)).toEqual(graphTrees(original.graph));
    const [a, b] = [counted.graph, original.graph].map((g) => treesOf(g, g.nodes.find(isTree)!));
    expect(Array.from(a!.statistics!.weight).sort()).toEqual(Array.from(b!.statistics!.weight).sort());
  });
});
