/** What keeps its values when a layer changes, and the parts of a graph before and after that. */
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { validateGraph } from "../../src/graph/validate.ts";
import { changedProducts, coneOf, graphOfNodes, unchangedTensors } from "../../src/study/cut.ts";
import { contextFor, mobileNet, plainNet } from "../compress/nets.ts";

const changed = async (graph: Graph, recipe: string): Promise<Graph> =>
  (await applyRecipe(graph, parseRecipe(recipe), contextFor(graph, 4))).graph;
const names = (nodes: readonly { readonly name: string }[]): readonly string[] => nodes.map(({ name }) => name);

describe("unchangedTensors", () => {
  it("is everything before the changed layer, and constants after it", async () => {
    const graph = plainNet();
    const same = unchangedTensors(graph, await changed(graph, "prune:0.5,only=conv2"));
    expect([...graph.tensors.keys()].filter((name) => !same.has(name))).toEqual([
      "conv2.w",
      "conv2.out",
      "flatten",
      "fc1.out",
      "fc2.out",
      "scores",
    ]);
  });

  it("is all of a graph whose constants are copies, and none of one that shares only names", () => {
    const graph = plainNet();
    const tensors = new Map(
      [...graph.tensors].map(([name, tensor]) => [name, { ...tensor, ...(tensor.data && { data: tensor.data.slice() }) }]),
    );
    expect(unchangedTensors(graph, { ...graph, tensors }).size).toBe(graph.tensors.size);
    expect(unchangedTensors(graph, plainNet(7)).has("conv1.out")).toBe(false);
  });

  it("tells ops apart by attributes that JSON would not", () => {
    const graph = plainNet();
    const nodes = graph.nodes.map((node) =>
      node.name === "conv1" && node.op === "Conv2D"
        ? { ...node, attrs: { ...node.attrs, activation: { kind: "clamp", min: -Infinity, max: Infinity } as const } }
        : node,
    );
    expect(unchangedTensors(graph, { ...graph, nodes }).has("conv1.out")).toBe(false);
  });
});

describe("coneOf", () => {
  it("starts from what is known, and takes what runs beside it from the inputs", () => {
    const graph = mobileNet();
    const cone = coneOf(graph, ["scores"], new Set(["dw.out"]));
    validateGraph(cone);
    // The residual's other side comes from before dw.
    expect(cone.inputs).toEqual(expect.arrayContaining(["dw.out", "image"]));
    expect(names(cone.nodes)).toEqual(names(graph.nodes).filter((name) => name !== "dw"));
    expect(coneOf(graph, ["scores"], new Set(["mean"])).inputs).toEqual(["mean"]);
  });
});

describe("changedProducts", () => {
  it.each([
    ["prune:0.5,only=conv2", ["conv2"]],
    ["int8,only=fc1", ["fc1"]],
    ["int4,only=fc1", ["fc1"]],
    // Whoever reads fewer channels changes too.
    ["prune,channels=0.5,only=conv2", ["conv2", "fc1"]],
  ])("%s: %j", async (recipe, layers) => {
    const graph = plainNet();
    expect(names(changedProducts(graph, await changed(graph, recipe)))).toEqual(layers);
  });

  it("of a residual: all that share its channels", async () => {
    const graph = mobileNet();
    const after = changedProducts(graph, await changed(graph, "prune,channels=0.5,only=stem"));
    expect(names(after)).toEqual(expect.arrayContaining(["stem", "dw", "project"]));
    const alone = graphOfNodes(
      graph,
      graph.nodes.filter(({ name }) => names(after).includes(name)),
    );
    validateGraph(alone);
    expect(alone.outputs).toEqual(expect.arrayContaining(["stem.out", "dw.out", "project.out"]));
    // dw reads what stem writes: that is no input.
    expect(alone.inputs).not.toContain("stem.out");
  });
});
