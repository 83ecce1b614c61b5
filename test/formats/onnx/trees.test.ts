/** Decision trees of ai.onnx.ml: imported ones against onnxruntime, exported ones in onnxruntime, and what is refused. */
import { describe, expect, it } from "vitest";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { tensorOf } from "../../../src/graph/access.ts";
import { graphTrees, isTree, treesOf } from "../../../src/graph/tree.ts";
import { validateGraph } from "../../../src/graph/validate.ts";
import { random } from "../../engines/generated.ts";
import { randomTrees, treeCases } from "../../engines/trees.ts";
import type { RandomTrees } from "../../engines/trees.ts";
import { prepareCase } from "../../engines/vectors.ts";
import { runGraph } from "../../graph/run.ts";
import { importTest, onnxFile, runOrt, runOurs } from "./model.ts";
import type { TestNode, TestTensor } from "./model.ts";

const MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"];

interface Variant {
  readonly modes?: readonly string[];
  readonly missing?: boolean;
  /** Tree ids that do not count from 0. */
  readonly seed?: number;
}

/** The `nodes_…` attributes of random trees, in an order of their own. */
function nodeAttributes(
  trees: RandomTrees,
  rand: () => number,
  { modes = ["BRANCH_LEQ"], missing = false }: Variant,
): TestNode["attributes"] {
  const n = trees.feature.length;
  const leaf = trees.left.map((l, i) => l === i);
  return {
    nodes_treeids: treeIds(trees),
    nodes_nodeids: trees.left.map((_, i) => i),
    nodes_featureids: trees.feature,
    nodes_values: { floats: trees.threshold },
    nodes_modes: { strings: leaf.map((is) => (is ? "LEAF" : modes[Math.floor(rand() * modes.length)]!)) },
    nodes_truenodeids: trees.left.map((l, i) => (leaf[i] ? 0 : l)),
    nodes_falsenodeids: trees.right.map((r, i) => (leaf[i] ? 0 : r)),
    ...(missing && { nodes_missing_value_tracks_true: Array.from({ length: n }, () => Math.round(rand())) }),
  };
}

function treeIds(trees: RandomTrees): number[] {
  return trees.left.map((_, i) => 7 + trees.roots.filter((root) => root <= i).length);
}

function leafAttributes(
  trees: RandomTrees,
  prefix: string,
  targets: readonly number[],
  value: () => number,
): NonNullable<TestNode["attributes"]> {
  const entries = trees.left.flatMap((l, i) => (l === i ? targets.map((target) => ({ node: i, target, weight: value() })) : []));
  const tree = treeIds(trees);
  return {
    [`${prefix}_treeids`]: entries.map(({ node }) => tree[node]!),
    [`${prefix}_nodeids`]: entries.map(({ node }) => node),
    [`${prefix}_ids`]: entries.map(({ target }) => target),
    [`${prefix}_weights`]: { floats: entries.map(({ weight }) => Math.fround(weight)) },
  };
}

function samples(rand: () => number, count: number, features: number, missing: boolean): TestTensor {
  const data = Float32Array.from({ length: count * features }, () => (missing && rand() < 0.2 ? NaN : Math.round(rand() * 16 - 8) / 4));
  return { shape: [count, features], data };
}

async function agree(nodes: readonly TestNode[], x: TestTensor, outputs: readonly string[], mlOpset = 3): Promise<void> {
  const bytes = onnxFile({ inputs: { x: x.shape }, nodes, outputs, mlOpset });
  const [ours] = await runOurs(bytes, [x.data]);
  const all = await runOrt(bytes, { x });
  const theirs = all.at(-1)!;
  expect(ours!.shape).toEqual(theirs.shape);
  Array.from(ours!.data).forEach((value, i) => expect(value).toBeCloseTo(theirs.data[i]!, 5));
}

describe("import agrees with onnxruntime", () => {
  let seed = 100;
  for (const missing of [false, true]) {
    for (const modes of [["BRANCH_LEQ"], ...(missing ? [] : [MODES]), ["BRANCH_LT"]]) {
      const variant = { modes, missing };
      const title = `${modes.length > 1 ? "all modes" : modes[0]!}${missing ? ", NaN" : ""}`;
      const own = ++seed;

      it(`classifier of five classes, ${title}, seed ${own}`, async () => {
        const rand = random(own);
        const trees = randomTrees(rand, 4, 3, 4, "wild");
        const node: TestNode = {
          op: "TreeEnsembleClassifier",
          domain: "ai.onnx.ml",
          inputs: ["x"],
          outputs: ["label", "scores"],
          attributes: {
            ...nodeAttributes(trees, rand, variant),
            ...leafAttributes(trees, "class", [0, 1, 2, 3, 4], rand),
            classlabels_int64s: [10, 11, 12, 13, 14],
            base_values: { floats: [0.5, 0, 0, 0, -0.25] },
          },
        };
        await agree([node], samples(rand, 40, 3, missing), ["scores"]);
      });

      it(`regressor, sum and mean, ${title}, seed ${own}`, async () => {
        const rand = random(own + 50);
        const trees = randomTrees(rand, 5, 4, 5, "wild");
        for (const aggregate of ["SUM", "AVERAGE"]) {
          const node: TestNode = {
            op: "TreeEnsembleRegressor",
            domain: "ai.onnx.ml",
            inputs: ["x"],
            outputs: ["y"],
            attributes: {
              ...nodeAttributes(trees, rand, variant),
              ...leafAttributes(trees, "target", [0, 1], () => rand() - 0.5),
              n_targets: 2,
              aggregate_function: aggregate,
            },
          };
          await agree([node], samples(rand, 40, 4, missing), ["y"]);
        }
      });
    }
  }

  it.each<[string, readonly number[], boolean, string, readonly number[] | undefined]>([
    ["both classes", [0, 1], true, "NONE", undefined],
    ["both classes, softmax", [0, 1], false, "SOFTMAX", undefined],
    ["class 1 alone, probabilities", [1], true, "NONE", undefined],
    ["class 0 alone, probabilities", [0], true, "NONE", undefined],
    ["class 0 alone, scores", [0], false, "NONE", undefined],
    ["class 0 alone, logistic", [0], false, "LOGISTIC", undefined],
    ["class 0 alone, logistic, base", [0], false, "LOGISTIC", [0.25]],
    ["class 0 alone, probabilities, base", [0], true, "NONE", [0.125]],
  ])("two classes: %s", async (title, targets, positive, transform, base) => {
    const rand = random(title.length);
    const trees = randomTrees(rand, 3, 2, 3, "wild");
    const value = positive ? (): number => rand() / 3 : (): number => rand() - 0.5;
    const node: TestNode = {
      op: "TreeEnsembleClassifier",
      domain: "ai.onnx.ml",
      inputs: ["x"],
      outputs: ["label", "scores"],
      attributes: {
        ...nodeAttributes(trees, rand, {}),
        ...leafAttributes(trees, "class", targets, value),
        classlabels_strings: { strings: ["no", "yes"] },
        post_transform: transform,
        ...(base && { base_values: { floats: base } }),
      },
    };
    await agree([node], samples(rand, 20, 2, false), ["scores"]);
  });

  const version5 = (transform: number): TestNode => ({
    op: "TreeEnsemble",
    domain: "ai.onnx.ml",
    inputs: ["x"],
    outputs: ["y"],
    attributes: {
      tree_roots: [0, 2],
      n_targets: 2,
      nodes_featureids: [0, 1, 1],
      nodes_modes: { dtype: "uint8", shape: [3], data: Uint8Array.of(0, 3, 1) },
      nodes_splits: { shape: [3], data: Float32Array.of(0.5, -0.5, 1) },
      nodes_truenodeids: [0, 1, 2],
      nodes_trueleafs: [1, 1, 1],
      nodes_falsenodeids: [1, 2, 3],
      nodes_falseleafs: [0, 1, 1],
      leaf_targetids: [0, 1, 0, 1],
      leaf_weights: { shape: [4], data: Float32Array.of(1, 2, 3, 4) },
      aggregate_function: 1,
      post_transform: transform,
    },
  });

  it("TreeEnsemble of version 5", () => agree([version5(0)], samples(random(7), 20, 2, false), ["y"], 5));

  it("but for transforms of version 5, where it swaps the specification's softmax (1) and logistic (2)", async () => {
    const x = Float32Array.of(0, 0);
    const run = async (transform: number): Promise<number[]> => {
      const bytes = onnxFile({ inputs: { x: [1, 2] }, nodes: [version5(transform)], outputs: ["y"], mlOpset: 5 });
      return Array.from((await runOurs(bytes, [x]))[0]!.data);
    };
    expect(await run(0)).toEqual([4, 0]);
    const [softmax, logistic] = [await run(1), await run(2)];
    expect(softmax[0]).toBeCloseTo(1 / (1 + Math.exp(-4)), 6);
    expect(softmax[1]).toBeCloseTo(1 / (1 + Math.exp(4)), 6);
    expect(logistic[0]).toBeCloseTo(1 / (1 + Math.exp(-4)), 6);
    expect(logistic[1]).toBe(0.5);
  });
});

describe("a file as skl2onnx writes it", () => {
  const rand = random(3);
  const trees = randomTrees(rand, 2, 3, 3, "full");
  const classifier: TestNode = {
    op: "TreeEnsembleClassifier",
    domain: "ai.onnx.ml",
    inputs: ["x"],
    outputs: ["label", "probabilities"],
    attributes: {
      ...nodeAttributes(trees, rand, {}),
      ...leafAttributes(trees, "class", [0, 1, 2], rand),
      classlabels_int64s: [0, 1, 2],
    },
  };
  const nodes: TestNode[] = [
    classifier,
    { op: "Cast", inputs: ["label"], outputs: ["output_label"], attributes: { to: 7 } },
    {
      op: "ZipMap",
      domain: "ai.onnx.ml",
      inputs: ["probabilities"],
      outputs: ["output_probability"],
      attributes: { classlabels_int64s: [0, 1, 2] },
    },
  ];

  it("loses its labels and its map; scores stay", () => {
    const graph = importTest(onnxFile({ inputs: { x: ["N", 3] }, nodes, outputs: ["output_label", "output_probability"] }));
    expect(graph.outputs).toEqual(["output_probability"]);
    expect(tensorOf(graph, "output_probability").shape).toEqual([1, 3]);
    expect(graphTrees(graph)).toEqual({ trees: 2, nodes: 30, leaves: 16, depth: 3 });
    expect(graph.nodes.find(isTree)!.attrs).toEqual({ aggregate: "sum", task: "classification" });
  });

  it("is refused where only labels come out, or something computes with them", () => {
    const labels = onnxFile({ inputs: { x: ["N", 3] }, nodes: nodes.slice(0, 2), outputs: ["output_label"] });
    expect(() => importTest(labels)).toThrow(/class labels \("label"\) are read by another node/);
  });
});

describe("export", () => {
  for (const opCase of treeCases()) {
    const task = opCase.name.includes("average") ? "classification" : "regression";
    it(`runs in onnxruntime and comes back: ${opCase.name}`, async () => {
      const prepared = prepareCase({ ...opCase, attrs: { ...opCase.attrs, task } as typeof opCase.attrs });
      validateGraph(prepared.graph);
      const bytes = exportOnnx(prepared.graph);
      const [theirs] = await runOrt(bytes, { in0: { shape: opCase.inputs[0]!.shape, data: prepared.inputs[0]! } });
      expect(theirs!.shape).toEqual(opCase.output.shape);
      const back = importTest(bytes);
      const [again] = await runGraph(back, prepared.inputs);
      const one = treesOf(prepared.graph, prepared.graph.nodes.find(isTree)!).roots.length === 1;
      prepared.expected.forEach((value, i) => {
        // float32 sums in another order, and shares of a mean rounded one by one.
        const close = one ? 0 : Math.max(1e-5, prepared.tolerance);
        expect(Math.abs(theirs!.data[i]! - value)).toBeLessThanOrEqual(close);
        expect(Math.abs(again![i]! - value)).toBeLessThanOrEqual(close);
      });
    });
  }
});

describe("import refuses", () => {
  const base = {
    nodes_treeids: [0, 0, 0],
    nodes_nodeids: [0, 1, 2],
    nodes_featureids: [0, 0, 0],
    nodes_values: { floats: [0.5, 0, 0] },
    nodes_modes: { strings: ["BRANCH_LEQ", "LEAF", "LEAF"] },
    nodes_truenodeids: [1, 0, 0],
    nodes_falsenodeids: [2, 0, 0],
    target_treeids: [0, 0],
    target_nodeids: [1, 2],
    target_ids: [0, 0],
    target_weights: { floats: [1, 2] },
  };
  const file = (attributes: TestNode["attributes"]): Uint8Array =>
    onnxFile({
      inputs: { x: [1, 2] },
      nodes: [{ op: "TreeEnsembleRegressor", domain: "ai.onnx.ml", inputs: ["x"], outputs: ["y"], attributes: { ...base, ...attributes } }],
      outputs: ["y"],
    });

  it("nothing of the plain file", () => {
    validateGraph(importTest(file({})));
  });

  it.each<[string, NonNullable<TestNode["attributes"]>, RegExp]>([
    [
      "a cycle",
      { nodes_modes: { strings: ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"] }, nodes_truenodeids: [1, 0, 0], nodes_falsenodeids: [2, 2, 0] },
      /0 nodes without a parent/,
    ],
    ["a shared node", { nodes_falsenodeids: [1, 0, 0], nodes_treeids: [0, 0, 1], target_treeids: [0, 1] }, /reached twice/],
    ["an unknown child", { nodes_falsenodeids: [9, 0, 0] }, /tree 0 has no node 9/],
    ["a node twice", { nodes_nodeids: [0, 1, 1] }, /two nodes 1/],
    ["two roots", { nodes_modes: { strings: ["LEAF", "LEAF", "LEAF"] } }, /3 nodes without a parent in 1 trees/],
    ["a feature outside", { nodes_featureids: [2, 0, 0] }, /feature 2, expected 0..1/],
    ["lists of unequal length", { nodes_values: { floats: [1] } }, /1 entries of values for 3 nodes/],
    ["a leaf value without a node", { target_nodeids: [1, 7] }, /no node 7/],
    ["an output outside", { target_ids: [0, 1] }, /adds to output 1, expected 0..0/],
    ["too many outputs", { n_targets: 2 ** 40 }, /n_targets/],
    ["sets", { nodes_modes: { strings: ["BRANCH_EQ", "LEAF", "LEAF"] } }, /node mode BRANCH_EQ/],
    ["a mode that does not exist", { nodes_modes: { strings: ["BRANCH", "LEAF", "LEAF"] } }, /node mode BRANCH/],
    ["a maximum", { aggregate_function: "MAX" }, /aggregate_function MAX/],
    ["a transform without a kernel", { post_transform: "PROBIT" }, /post_transform PROBIT/],
    ["an infinite value", { target_weights: { floats: [Infinity, 0] } }, /expected a finite float32/],
    ["a NaN threshold", { nodes_values: { floats: [NaN, 0, 0] } }, /compares with NaN/],
  ])("%s", (_, attributes, message) => {
    expect(() => importTest(file(attributes))).toThrow(message);
  });
});
