import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyRecipe, runSteps } from "../../src/compress/apply.ts";
import { layersOf, withTensors } from "../../src/compress/layers.ts";
import { coupleIndices } from "../../src/compress/prune/channels/couple.ts";
import { channelGroups } from "../../src/compress/prune/channels/groups.ts";
import { pruneChannels, roundedCount } from "../../src/compress/prune/channels/prune.ts";
import { channelScores } from "../../src/compress/prune/channels/score.ts";
import { prune } from "../../src/compress/prune/prune.ts";
import { checkPromises } from "../../src/compress/promises.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import type { ChannelStep, PruneStep } from "../../src/compress/recipe.ts";
import { graphStats } from "../../src/compress/stats.ts";
import { compareOutputs, graphTolerance } from "../../src/engines/tolerance.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import { openModel } from "../../src/harness/model.ts";
import { SlimbenchError, UsageError } from "../../src/errors.ts";
import { inputTensor, isConstant } from "../../src/graph/access.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Tensor } from "../../src/graph/ir.ts";
import { foldBatchNorm } from "../../src/graph/passes/batch-norm.ts";
import { validateGraph } from "../../src/graph/validate.ts";
import { expectSameResults, runGraph } from "../graph/run.ts";
import { contextFor, filled, mobileNet, plainNet, relu, samplesFor, uniform } from "./nets.ts";
import { branchyNet } from "./prune-nets.ts";

const step = (text: string): ChannelStep => parseRecipe(text).steps[0] as ChannelStep;

const shapeOf = (graph: Graph, name: string): readonly number[] => graph.tensors.get(name)!.shape;

/** The original with zeros wherever a weight or bias of a layer was removed. */
function zeroed(graph: Graph, survivors: ReadonlyMap<string, Int32Array>): Graph {
  const tensors = new Map<string, Tensor>();
  for (const { node } of layersOf(graph)) {
    for (const i of [1, 2]) {
      const tensor = inputTensor(graph, node, i);
      const kept = tensor === undefined ? undefined : survivors.get(tensor.name);
      if (tensor === undefined || kept === undefined || !isConstant(tensor)) continue;
      const data = new Float32Array(tensor.data.length);
      for (const at of kept) data[at] = tensor.data[at]!;
      tensors.set(tensor.name, { ...tensor, data });
    }
  }
  return withTensors(graph, tensors.values());
}

describe("removing channels", () => {
  it("leaves what the original computes without those weights, through residuals, concats, depthwise layers, splits and flattens", async () => {
    let cuts = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.constantFrom("0.5", "0.25", "0.8", "0.5,multiple=2", "0.6,scope=global", "0.5,importance=fpgm", "0.5,importance=random"),
        async (seed, options) => {
          const graph = branchyNet(seed);
          const { graph: cut, survivors } = pruneChannels(graph, step(`prune,channels=${options}`));
          validateGraph(cut);
          cuts += survivors!.size;
          expect(graphStats(cut).totals.macs).toBeLessThan(graphStats(graph).totals.macs);
          await expectSameResults(foldBatchNorm(zeroed(graph, survivors!)), foldBatchNorm(cut), seed);
        },
      ),
      { numRuns: 150 },
    );
    expect(cuts).toBeGreaterThan(150);
  }, 60_000);

  it("notices a difference", async () => {
    const graph = branchyNet(3);
    const { graph: cut } = pruneChannels(graph, step("prune,channels=0.5"));
    await expect(expectSameResults(foldBatchNorm(graph), foldBatchNorm(cut), 3)).rejects.toThrow("float difference");
  });

  it("cuts a plain net from the first layer to the flatten", () => {
    const graph = plainNet();
    const { graph: cut, layers, skipped } = pruneChannels(graph, step("prune,channels=0.5"));
    expect(layers).toEqual(["conv1", "conv2", "fc1"]);
    expect(skipped).toEqual([{ layer: "fc2", op: "Dense", why: 'Softmax "softmax" needs it whole' }]);
    expect(shapeOf(cut, "conv1.w")).toEqual([3, 3, 3, 1]);
    expect(shapeOf(cut, "conv2.w")).toEqual([10, 3, 3, 3]);
    expect(shapeOf(cut, "conv2.b")).toEqual([10]);
    expect(shapeOf(cut, "fc1.w")).toEqual([12, 360]);
    expect(shapeOf(cut, "fc2.w")).toEqual([10, 12]);
    expect(shapeOf(graph, "fc2.w")).toEqual([10, 24]);
  });

  it("cuts what a residual and a gate tie together", () => {
    const graph = mobileNet();
    const { graph: cut, layers, skipped } = pruneChannels(graph, step("prune,channels=0.5"));
    expect(layers).toEqual(["stem", "dw", "se1", "se2", "project"]);
    expect(skipped.map(({ layer }) => layer)).toEqual(["head"]);
    // The residual ties project to stem; the gate is as wide as the depthwise layer.
    for (const name of ["stem.w", "project.w", "se2.w"]) expect(shapeOf(cut, name)[0]).toBe(4);
    expect(shapeOf(cut, "dw.w")).toEqual([1, 3, 3, 4]);
    expect(cut.nodes.find(({ name }) => name === "dw")!.attrs).toMatchObject({ groups: 4 });
    expect(shapeOf(cut, "shift")).toEqual([8]);
    expect(shapeOf(cut, "head.w")).toEqual([10, 8]);
  });

  it("removes the channels with the smallest norm", () => {
    const b = new GraphBuilder("small");
    const x = b.input("x", "float32", [1, 2]);
    const w1 = b.constant("w1", "float32", [4, 2], Float32Array.of(3, 3, 1, -1, 5, 0, 0, 0.5));
    const w2 = b.constant("w2", "float32", [2, 4], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const hidden = b.add("Dense", "one", [x, w1], { activation: relu });
    const graph = b.finish([b.add("Dense", "two", [hidden, w2], {})]);
    const { graph: cut, survivors } = pruneChannels(graph, step("prune,channels=0.5"));
    expect([...cut.tensors.get("w1")!.data!]).toEqual([3, 3, 5, 0]);
    expect([...cut.tensors.get("w2")!.data!]).toEqual([1, 3, 5, 7]);
    expect([...survivors!.get("w2")!]).toEqual([0, 2, 4, 6]);
    // By the sum of magnitudes [3, 3] counts more than [5, 0].
    const l1 = pruneChannels(graph, step("prune,channels=0.75,importance=l1"));
    expect([...l1.graph.tensors.get("w1")!.data!]).toEqual([3, 3]);
    const l2 = pruneChannels(graph, step("prune,channels=0.75"));
    expect([...l2.graph.tensors.get("w1")!.data!]).toEqual([5, 0]);
  });

  it.each([
    [10, 20, 8, 8],
    [12, 24, 8, 16],
    [3, 24, 8, 8],
    [3, 6, 8, 6],
    [22, 22, 8, 22],
    [0, 9, 1, 1],
    [5, 9, 1, 5],
  ])("%i of %i with multiple %i become %i", (count, size, multiple, expected) => {
    expect(roundedCount(count, size, multiple)).toBe(expected);
  });

  it("keeps a multiple in every group", () => {
    const graph = plainNet();
    const { graph: cut } = pruneChannels(graph, step("prune,channels=0.5,multiple=4"));
    expect(shapeOf(cut, "conv1.w")[0]).toBe(4);
    expect(shapeOf(cut, "conv2.w")[0]).toBe(12);
    expect(shapeOf(cut, "fc1.w")[0]).toBe(12);
  });

  it("respects exclude and include, and says why layers stay", () => {
    const graph = mobileNet();
    const without = pruneChannels(graph, step("prune,channels=0.5,exclude=project"));
    expect(without.layers).toEqual(["se1"]);
    expect(without.skipped).toContainEqual({ layer: "stem", op: "Conv2D", why: "excluded by the recipe" });
    const only = pruneChannels(graph, step("prune,channels=0.5,include=se1"));
    expect(only.layers).toEqual(["se1"]);
    expect(only.skipped).toContainEqual({ layer: "stem", op: "Conv2D", why: "not included by the recipe" });
    expect(() => pruneChannels(graph, step("prune,channels=0.5,include=head"))).toThrow(
      new UsageError('recipe step prune,channels=0.5,include=head: no channel of "mobile" can be removed. Use prune:X'),
    );
    expect(() => pruneChannels(plainNet(), step("prune,channels=0.3,multiple=64"))).toThrow(/Use a smaller multiple than 64/);
  });

  it("leaves grouped convolutions and integer weights whole", () => {
    const b = new GraphBuilder("grouped");
    const next = uniform(1);
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] } as const;
    let x = b.input("x", "float32", [1, 4, 4, 3]);
    x = b.add("Conv2D", "a", [x, b.constant("a.w", "float32", [8, 1, 1, 3], filled(24, next))], { ...attrs, groups: 1 });
    x = b.add("Conv2D", "g", [x, b.constant("g.w", "float32", [8, 1, 1, 4], filled(32, next))], { ...attrs, groups: 2 });
    x = b.add("Conv2D", "b", [x, b.constant("b.w", "float32", [6, 1, 1, 8], filled(48, next))], { ...attrs, groups: 1 });
    x = b.add("Conv2D", "c", [x, b.constant("c.w", "float32", [2, 1, 1, 6], filled(12, next))], { ...attrs, groups: 1 });
    const graph = b.finish([x]);
    const { layers, skipped } = pruneChannels(graph, step("prune,channels=0.5"));
    expect(layers).toEqual(["b"]);
    expect(skipped.map(({ layer, why }) => [layer, why])).toEqual([
      ["a", 'Conv2D "g" needs it whole'],
      ["g", 'Conv2D "g" needs it whole'],
      ["c", "it is an output of the model"],
    ]);
  });
});

describe("groups", () => {
  it("ranks each set of channels with the same producers for itself", () => {
    const graph = mobileNet();
    const { groups } = channelGroups(graph, coupleIndices(graph), () => undefined);
    const layers = groups.map(({ filters }) => filters.map(({ layer }) => layer.node.name));
    expect(layers).toEqual([["stem", "dw", "se2", "project"], ["se1"]]);
    expect(groups.map(({ channels }) => channels.length)).toEqual([8, 4]);
  });

  it("scores by batch norm where there is one", () => {
    const b = new GraphBuilder("bn");
    const x = b.input("x", "float32", [1, 3]);
    const dense = b.add("Dense", "d", [x, b.constant("w", "float32", [3, 3], filled(9, uniform(1)))], {});
    const row = (name: string, ...values: number[]): string => b.constant(name, "float32", [3], Float32Array.from(values));
    const bn = b.add("BatchNorm", "bn", [dense, row("γ", 0.5, -2, 0.25), row("β", 0, 0, 0), row("μ", 0, 0, 0), row("σ", 1, 1, 1)], {
      epsilon: 1e-3,
    });
    const y = b.add("Dense", "e", [bn, b.constant("v", "float32", [1, 3], Float32Array.of(1, 2, 3))], {});
    const graph = b.finish([y]);
    const { graph: cut } = pruneChannels(graph, step("prune,channels=0.6,importance=bn"));
    expect([...cut.tensors.get("γ")!.data!]).toEqual([-2]);
    expect([...cut.tensors.get("v")!.data!]).toEqual([2]);
    expect(() => pruneChannels(plainNet(), step("prune,channels=0.5,importance=bn"))).toThrow(
      'channel pruning: importance bn: no batch norm follows "conv1"; loading a model folds them. Use l2, lamp or fpgm',
    );
  });

  it("scores filters as defined", () => {
    const b = new GraphBuilder("three");
    const x = b.input("x", "float32", [1, 2]);
    // Three filters on a line: the middle one is nearest to the others.
    const w = b.constant("w", "float32", [3, 2], Float32Array.of(0, 0, 3, 4, 9, 12));
    const y = b.add("Dense", "d", [x, w], {});
    const graph = b.finish([b.add("Dense", "e", [y, b.constant("v", "float32", [1, 3], Float32Array.of(1, 1, 1))], {})]);
    const classes = coupleIndices(graph);
    const [group] = channelGroups(graph, classes, () => undefined).groups;
    const scores = (importance: ChannelStep["importance"]): number[] => [...channelScores(group!, importance, { graph, classes, seed: 5 })];
    expect(scores("l1")).toEqual([0, 7, 21]);
    expect(scores("l2")).toEqual([0, 5, 15]);
    expect(scores("fpgm")).toEqual([20, 15, 25]);
    expect(scores("lamp")).toEqual([0, 25 / 250, 1]);
    expect(scores("random")).toEqual(scores("random"));
  });
});

describe("channels in a recipe", () => {
  it("later steps work on what is left, and earlier masks follow the cut", async () => {
    const graph = plainNet();
    const recipe = parseRecipe("prune:0.5+prune,channels=0.5+prune:0.8+int8");
    const { graph: q, steps } = await applyRecipe(graph, recipe, contextFor(graph));
    expect(steps.map(({ step: text }) => text)).toEqual(["prune:0.5", "prune,channels=0.5", "prune:0.8", "int8"]);
    expect(q.tensors.get("fc1.w")).toMatchObject({ dtype: "int8", shape: [12, 360], sparsity: { pattern: "unstructured" } });
    const outputs = await runGraph(q, samplesFor(graph, 1, 5)[0]!);
    expect(outputs[0]!.length).toBe(10);
  });

  it("makes blocks unstructured, since its neighbours are gone", () => {
    const blocked = parseRecipe("prune:0.7,block=1x8+prune,channels=0.5");
    return applyRecipe(plainNet(), blocked, {}).then(({ graph }) => {
      expect(graph.tensors.get("conv2.w")!.sparsity).toEqual({ pattern: "unstructured" });
    });
  });

  it("fails the run when a later step changes the width, or fills an earlier step's zeros", async () => {
    const channels = { text: "prune,channels=0.5", run: (g: Graph) => pruneChannels(g, step("prune,channels=0.5")) };
    const replace = (
      name: string,
      change: (tensor: Tensor) => Tensor,
    ): { text: string; run: (g: Graph) => ReturnType<typeof pruneChannels> } => ({
      text: "vandal",
      run: (g) => ({ graph: withTensors(g, [change(g.tensors.get(name)!)]), layers: [], skipped: [], promises: [] }),
    });
    const { graph: cut, promises } = pruneChannels(plainNet(), step("prune,channels=0.5"));
    const wide = withTensors(cut, [plainNet().tensors.get("fc1.w")!]);
    expect(() => checkPromises(wide, promises, "vandal")).toThrow(
      'layer "fc1": its constant "fc1.w" has shape [24, 720], expected [12, 360], though prune,channels=0.5 promised it',
    );
    const zeros = { text: "prune:0.5", run: (g: Graph) => prune(g, parseRecipe("prune:0.5").steps[0] as PruneStep) };
    const filler = replace("fc1.w", (tensor) => ({ ...tensor, data: new Float32Array(tensor.data!.length).fill(1) }));
    const broken = runSteps(plainNet(), [zeros, channels, filler]);
    await expect(broken).rejects.toThrow(SlimbenchError);
    await expect(broken).rejects.toThrow(/layer "fc1": weight \d+ is 1, expected a pruned zero, though prune:0\.5 promised it/);
  });

  it("draws the same channels from the same seed", () => {
    const a = pruneChannels(branchyNet(11), step("prune,channels=0.5,importance=random,seed=4"));
    const b = pruneChannels(branchyNet(11), step("prune,channels=0.5,importance=random,seed=4"));
    expect([...a.survivors!]).toEqual([...b.survivors!]);
    const c = pruneChannels(branchyNet(11), step("prune,channels=0.5,importance=random,seed=5"));
    expect([...c.survivors!]).not.toEqual([...a.survivors!]);
  });
});

describe("real models", () => {
  it.each(["lenet5", "dsnet"])(
    "%s with half of its channels keeps less than 40 %% of its MACs, and the WASM engine computes what the CPU engine does",
    async (name) => {
      const { graph } = await openModel(fileURLToPath(new URL(`../../suites/models/${name}.onnx`, import.meta.url)));
      const { graph: cut, skipped } = pruneChannels(graph, step("prune,channels=0.5"));
      expect(skipped.map(({ why }) => why)).toEqual(["it is an output of the model"]);
      expect(graphStats(cut).totals.macs).toBeLessThan(0.4 * graphStats(graph).totals.macs);
      const inputs = samplesFor(cut, 1, 8)[0]!;
      const context = { readAsset: (path: string) => readFile(new URL(`../../${path}`, import.meta.url)), now: () => performance.now() };
      const session = await wasmEngine.compile(cut, context, {});
      const [wasm, cpu] = [await session.run(inputs), await runGraph(cut, inputs)];
      session.dispose();
      expect(compareOutputs(cpu, wasm, graphTolerance(cut, cpu))).toMatchObject({ pass: true });
    },
  );
});
