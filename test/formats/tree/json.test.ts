/** Decision trees as JSON: what scikit-learn's arrays become, that nothing is lost on the way out and back, and damaged files. */
import { describe, expect, it } from "vitest";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { SlimbenchError } from "../../../src/errors.ts";
import { importModel } from "../../../src/formats/detect.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { exportTrees } from "../../../src/formats/tree/write.ts";
import { tensorOf } from "../../../src/graph/access.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { graphTrees, isTree, treesOf } from "../../../src/graph/tree.ts";
import { random } from "../../engines/generated.ts";
import { treeCases } from "../../engines/trees.ts";
import { prepareCase } from "../../engines/vectors.ts";
import { runGraph } from "../../graph/run.ts";

/** As `tree_` of scikit-learn lists it: counts in lists of lists, -2 where there is nothing. */
const TREE = {
  n_features: 2,
  children_left: [1, -1, 3, -1, -1],
  children_right: [2, -1, 4, -1, -1],
  feature: [0, -2, 1, -2, -2],
  threshold: [0.5, -2, 0.1, -2, -2],
  value: [[[5, 5]], [[4, 0]], [[1, 5]], [[1, 1]], [[0, 4]]],
  impurity: [0.5, 0, 0.278, 0.5, 0],
  weighted_n_node_samples: [10, 4, 6, 2, 4],
};

const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const read = (value: unknown, shapes?: ReadonlyMap<string, readonly number[]>): Graph =>
  importModel(bytesOf(value), { name: "tree.json", evaluate: evaluateNode, ...(shapes && { shapes }) });
const treesIn = (graph: Graph): ReturnType<typeof treesOf> => treesOf(graph, graph.nodes.find(isTree)!);

describe("reading", () => {
  it("takes one tree of scikit-learn's, counts becoming shares", async () => {
    const graph = read(TREE);
    expect(graphTrees(graph)).toEqual({ trees: 1, nodes: 5, leaves: 3, depth: 2 });
    expect(graph.nodes.find(isTree)!.attrs).toEqual({ aggregate: "average", task: "classification" });
    const { values, statistics } = treesIn(graph);
    expect(Array.from(values)).toEqual([0.5, 0.5, 1, 0, 1 / 6, 5 / 6, 0.5, 0.5, 0, 1].map(Math.fround));
    expect(Array.from(statistics!.weight)).toEqual([10, 4, 6, 2, 4]);
    // 0.1 as float32 lies above 0.1, and goes right of it in double precision as here.
    expect(Array.from((await runGraph(graph, [Float32Array.of(1, 0.1)]))[0]!)).toEqual([0, 1]);
    expect(Array.from((await runGraph(graph, [Float32Array.of(1, 0.09999999)]))[0]!)).toEqual([0.5, 0.5]);
  });

  it("takes a forest with the shape of a sample, and a batch", () => {
    const graph = read({ input: { name: "image", shape: [1, 2] }, trees: [TREE, TREE] }, new Map([["image", [3, 1, 2]]]));
    expect(tensorOf(graph, "image").shape).toEqual([3, 1, 2]);
    expect(tensorOf(graph, graph.outputs[0]!).shape).toEqual([3, 2]);
    expect(Array.from(treesIn(graph).roots)).toEqual([0, 5]);
  });

  it("takes values of a regression as they are, and which samples were held out", () => {
    const graph = read({
      ...TREE,
      task: "regression",
      aggregate: "sum",
      value: [[1], [2], [-3], [4], [5.5]],
      holdout: { fraction: 0.25, seed: 7 },
    });
    expect(graph.nodes.find(isTree)!.attrs).toEqual({ aggregate: "sum", task: "regression", holdout: { fraction: 0.25, seed: 7 } });
    expect(Array.from(treesIn(graph).values)).toEqual([1, 2, -3, 4, 5.5]);
  });

  it("does without statistics", () => {
    expect(treesIn(read({ ...TREE, impurity: undefined })).statistics).toBeUndefined();
  });
});

describe("writing", () => {
  for (const opCase of treeCases()) {
    it(`loses nothing: ${opCase.name}`, async () => {
      const { graph, inputs, expected } = prepareCase(opCase);
      const back = read(new TextDecoder().decode(exportTrees(graph)), new Map([["in0", tensorOf(graph, "in0").shape]]));
      const [again] = await runGraph(back, inputs);
      expect(Array.from(again!)).toEqual(Array.from(expected));
      const [once, twice] = [back, read(new TextDecoder().decode(exportTrees(back)), new Map([["in0", tensorOf(graph, "in0").shape]]))];
      expect(Buffer.compare(exportTrees(twice), exportTrees(once))).toBe(0);
    });
  }

  it("keeps what pruning knows", () => {
    const graph = read({ ...TREE, holdout: { fraction: 0.25, seed: 7 } });
    const back = read(new TextDecoder().decode(exportTrees(graph)));
    expect(treesIn(back)).toEqual(treesIn(graph));
    expect(back.nodes.find(isTree)!.attrs).toEqual(graph.nodes.find(isTree)!.attrs);
  });

  it("refuses what is not trees alone", () => {
    const graph = read(TREE);
    const softmax = { name: "s", op: "Softmax", inputs: graph.outputs, outputs: ["p"], attrs: { axis: 1, beta: 1 } } as const;
    const tensors = new Map(graph.tensors).set("p", { name: "p", dtype: "float32", shape: [1, 2] });
    expect(() => exportTrees({ ...graph, tensors, nodes: [...graph.nodes, softmax], outputs: ["p"] })).toThrow(/only decision trees/);
  });
});

describe("reading refuses", () => {
  it.each<[string, unknown, RegExp]>([
    ["a cycle", { ...TREE, children_left: [1, -1, 0, -1, -1] }, /node 2 has the children 0 and 4/],
    ["a shared node", { ...TREE, children_left: [1, -1, 1, -1, -1] }, /node 1 is reached twice/],
    ["its own child", { ...TREE, children_left: [1, -1, 2, -1, -1] }, /node 2 is reached twice/],
    ["a child outside", { ...TREE, children_right: [2, -1, 5, -1, -1] }, /children 3 and 5/],
    ["a child that is no number", { ...TREE, children_right: [2, -1, 3.5, -1, -1] }, /children 3 and 3.5/],
    ["one child", { ...TREE, children_right: [2, -1, -1, -1, -1] }, /children 3 and -1/],
    ["lost nodes", { ...TREE, children_left: [1, -1, -1, -1, -1], children_right: [2, -1, -1, -1, -1] }, /2 of 5 nodes belong to no tree/],
    ["a feature outside", { ...TREE, feature: [0, -2, 2, -2, -2] }, /feature 2, expected 0..1/],
    ["no features", { ...TREE, n_features: undefined }, /expected "n_features"/],
    ["another number of features", { ...TREE, input: { shape: [3] } }, /disagrees/],
    ["a shape that is none", { ...TREE, input: { shape: [2, 0] } }, /input.shape/],
    ["short lists", { ...TREE, threshold: [1] }, /"threshold" has 1 entries, expected 5/],
    ["a text among numbers", { ...TREE, feature: [0, "a", 1, -2, -2] }, /"feature": expected a list of numbers/],
    ["ragged values", { ...TREE, value: [[1, 2], [1], [1, 2], [1, 2], [1, 2]] }, /"value"\[1\]: expected 2 numbers/],
    ["no values", { ...TREE, value: undefined }, /"value": expected a list of 5/],
    [
      "negative counts",
      {
        ...TREE,
        value: [
          [1, 2],
          [-1, 2],
          [1, 2],
          [1, 2],
          [1, 2],
        ],
      },
      /counts or shares/,
    ],
    ["negative weights", { ...TREE, weighted_n_node_samples: [10, 4, -6, 2, 4] }, /expected numbers from 0/],
    ["no trees", { trees: [], n_features: 2 }, /at least one tree/],
    [
      "trees of different outputs",
      { n_features: 2, trees: [TREE, { ...TREE, value: [[1], [1], [1], [1], [1]] }] },
      /different numbers of outputs/,
    ],
    ["an unknown task", { ...TREE, task: "ranking" }, /"task": expected "classification" or "regression"/],
    ["a fraction above 1", { ...TREE, holdout: { fraction: 2, seed: 1 } }, /"holdout"/],
    ["text that was cut", JSON.stringify(TREE).slice(0, -3), /decision trees as JSON, but/],
    ["other JSON", { layers: [] }, /looks like JSON text/],
  ])("%s", (_, value, message) => {
    expect(() => read(value)).toThrow(message);
  });

  it("a batch that does not fit", () => {
    expect(() => read(TREE, new Map([["x", [3, 1]]]))).toThrow(/expected \[batch, 2\]/);
    expect(() => read(TREE, new Map([["y", [3, 2]]]))).toThrow(/expected "x"/);
  });

  it("damaged bytes of JSON and ONNX with one of our errors, or reads them as trees (seed 11)", () => {
    const rand = random(11);
    const graph = read(TREE);
    let errors = 0;
    for (const whole of [exportTrees(graph), new Uint8Array(exportOnnx(graph))]) {
      for (let i = 0; i < 600; i++) {
        const bytes = whole.slice(0, rand() < 0.2 ? Math.floor(rand() * whole.length) : whole.length);
        for (let k = 0; k < 1 + i / 200; k++) {
          const at = Math.floor(rand() * bytes.length);
          // Digits for digits keep JSON readable, so that what it says is tested too.
          bytes[at] = whole[0] === 0x7b ? 0x2c + Math.floor(rand() * 14) : Math.floor(rand() * 256);
        }
        try {
          importModel(bytes, { name: "damaged", evaluate: evaluateNode });
        } catch (error) {
          expect(error, `mutation ${i}`).toBeInstanceOf(SlimbenchError);
          errors++;
        }
      }
    }
    expect(errors).toBeGreaterThan(300);
  });
});
