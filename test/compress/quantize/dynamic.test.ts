/** `int8:dynamic`: which layers take which form, the promise, and the file: onnxruntime computes the same, reading it back gives the same graph. */
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../../src/compress/apply.ts";
import type { Compressed } from "../../../src/compress/apply.ts";
import { parseRecipe } from "../../../src/compress/recipe.ts";
import { graphStats } from "../../../src/compress/stats.ts";
import { readDataset, resolveDataset } from "../../../src/data/index.ts";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { compareOutputs, graphTolerance } from "../../../src/engines/tolerance.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { isDynamic } from "../../../src/graph/dynamic.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { standardPasses } from "../../../src/graph/passes/index.ts";
import { openModel } from "../../../src/harness/model.ts";
import { context } from "../../engines/wasm/context.ts";
import { importTest, runOrt } from "../../formats/onnx/model.ts";
import { runGraph } from "../../graph/run.ts";
import { argmax, mobileNet, plainNet, samplesFor } from "../nets.ts";

function apply(graph: Graph, recipe = "int8:dynamic"): Promise<Compressed> {
  return applyRecipe(graph, parseRecipe(recipe), {});
}

function dynamicOf(graph: Graph): readonly string[] {
  return graph.nodes.filter(isDynamic).map(({ name }) => name);
}

describe("layers", () => {
  it("of plain convolutions and products quantize their inputs, without calibration", async () => {
    const { graph, steps } = await apply(plainNet());
    expect(dynamicOf(graph)).toEqual(["conv1", "conv2", "fc1", "fc2"]);
    expect(steps[0]).toMatchObject({ layers: ["conv1", "conv2", "fc1", "fc2"], skipped: [] });
    expect(graph.tensors.get("fc1.w")).toMatchObject({ dtype: "int8", quant: { axis: 0 } });
    expect(graph.tensors.get("fc1.b")!.dtype).toBe("float32");
  });

  it("without such a form keep float arithmetic on int8 weights, which the report says", async () => {
    const { graph, steps } = await apply(mobileNet());
    expect(dynamicOf(graph)).not.toContain("dw");
    expect(graph.tensors.get("dw.w")!.code).toMatchObject({ kind: "int8", axis: 3 });
    expect(steps[0]!.layers).toContain("dw");
    expect(steps[0]!.notes).toEqual([
      "dw (DepthwiseConv2D): int8 weights, but float arithmetic: DepthwiseConv2D has few products for each input, or no dynamic form",
    ]);
  });

  it("can be left out", async () => {
    const { graph, steps } = await apply(plainNet(), "int8:dynamic,only=fc*,exclude=fc2");
    expect(dynamicOf(graph)).toEqual(["fc1"]);
    expect(steps[0]!.skipped.map(({ layer, why }) => `${layer}: ${why}`)).toEqual([
      "conv1: not among the recipe's layers",
      "conv2: not among the recipe's layers",
      "fc2: excluded by the recipe",
    ]);
  });

  it("that share weights take one form", async () => {
    const b = new GraphBuilder("shared");
    const x = b.input("x", "float32", [2, 3]);
    const w = b.constant("w", "float32", [3, 3], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9));
    const first = b.add("Dense", "first", [x, w], {});
    const graph = b.finish([b.add("Dense", "second", [first, w], {})]);
    expect(dynamicOf((await apply(graph)).graph)).toEqual(["first", "second"]);
    await expect(apply(graph, "int8:dynamic,exclude=second")).rejects.toThrow(/no layer of "shared" has an int8 form/);
    const other = new GraphBuilder("mixed");
    const image = other.input("x", "float32", [1, 3, 3, 4]);
    const kernel = other.constant("w", "float32", [1, 2, 2, 4], new Float32Array(16).fill(0.5));
    const window = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 4 } as const;
    const a = other.add("Conv2D", "a", [image, kernel], { ...window, groups: 1 });
    const mixed = other.finish([a, other.add("DepthwiseConv2D", "b", [image, kernel], window)]);
    const { steps } = await apply(mixed);
    expect(steps[0]!.notes).toHaveLength(2);
    expect(steps[0]!.notes![0]).toBe("a (Conv2D): int8 weights, but float arithmetic: shares its weights with b");
  });

  it("keep zeros and shared values that earlier steps promised", async () => {
    const pruned = (await apply(plainNet(), "prune:0.5+int8:dynamic")).graph.tensors.get("fc1.w")!;
    expect(pruned.data!.filter((q) => q === 0).length).toBeGreaterThanOrEqual(0.5 * pruned.data!.length);
    const { graph, steps } = await apply(plainNet(), "cluster:16+int8:dynamic");
    expect(new Set(graph.tensors.get("fc1.w")!.data!.subarray(0, 720)).size).toBeLessThanOrEqual(16);
    expect(steps[1]!.notes).toContain("fc1 (Dense): its 16 shared values become int8 codes, at most as many on each scale");
  });

  it("count one byte a weight", async () => {
    const { totals } = graphStats((await apply(plainNet())).graph);
    expect(totals.weightBytes).toBe(6 * 9 + 20 * 54 + 720 * 24 + 240 + 4 * (6 + 20 + 24 + 10));
  });

  it("of an integer model are refused", async () => {
    const { graph } = await apply(plainNet());
    await expect(apply(graph)).rejects.toThrow(/is quantized already: tensor "conv1.w" is int8/);
  });
});

describe.each([
  ["plain net", plainNet],
  ["mobile net", mobileNet],
] as const)("%s", (_, make) => {
  it("as ONNX is the same model in onnxruntime and read back", async () => {
    const original = standardPasses(make(), evaluateNode);
    const { graph } = await apply(original);
    const file = exportOnnx(graph);
    const back = standardPasses(importTest(file), evaluateNode);
    expect(dynamicOf(back)).toEqual(dynamicOf(graph));
    expect(graphStats(back).totals).toEqual(graphStats(graph).totals);
    const [name] = graph.inputs;
    const { shape } = graph.tensors.get(name!)!;
    let worst = 0;
    for (const sample of samplesFor(original, 20, 5)) {
      const [ours] = await runGraph(graph, sample);
      expect(await runGraph(back, sample)).toEqual([ours]);
      const theirs = (await runOrt(file, { [name!]: { shape, data: sample[0]! } }))[0]!.data;
      ours!.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - theirs[i]!))));
    }
    // Probabilities; where the two round a value to neighbouring steps, as they do at ties, a step of 1/255 shows.
    expect(worst).toBeLessThan(0.02);
  });

  it("is the same on WASM", async () => {
    const { graph } = await apply(standardPasses(make(), evaluateNode));
    const [wasm, cpu] = [await wasmEngine.compile(graph, context, {}), await cpuEngine.compile(graph, context, {})];
    for (const sample of samplesFor(graph, 10, 6)) {
      const want = await cpu.run(sample);
      const { pass, message } = compareOutputs(want, await wasm.run(sample), graphTolerance(graph, want));
      expect(pass, message).toBe(true);
    }
    const kernels = wasm.placement().filter(({ node }) => dynamicOf(graph).includes(node));
    expect(kernels.every(({ kernel }) => kernel.includes("_dynamic_"))).toBe(true);
    wasm.dispose();
    cpu.dispose();
  });
});

describe("LeNet-5", () => {
  it.each(["int8:dynamic", "int8:weights"])("%s: as right as before, and in onnxruntime the same digits", async (recipe) => {
    const { graph: lenet } = await openModel(fileURLToPath(new URL("../../../suites/models/lenet5.onnx", import.meta.url)));
    const digits = readDataset(await resolveDataset("mnist", "test"));
    const { graph } = await apply(lenet, recipe);
    const file = exportOnnx(graph);
    const [small, whole] = [await wasmEngine.compile(graph, context, {}), await wasmEngine.compile(lenet, context, {})];
    const [name] = graph.inputs;
    const { shape } = graph.tensors.get(name!)!;
    let [right, before, same] = [0, 0, 0];
    const samples = 200;
    for (let i = 0; i < samples; i++) {
      const sample = digits.sample(i);
      const ours = argmax((await small.run([sample]))[0]!);
      if (ours === digits.labels[i]) right++;
      if (argmax((await whole.run([sample]))[0]!) === digits.labels[i]) before++;
      if (argmax((await runOrt(file, { [name!]: { shape, data: sample } }))[0]!.data) === ours) same++;
    }
    expect(Math.abs(right - before)).toBeLessThanOrEqual(1);
    expect(same).toBeGreaterThanOrEqual(samples - 1);
  });
});

describe("a file of another writer", () => {
  it("with an unknown use of DynamicQuantizeLinear is refused by name", async () => {
    const { graph } = await apply(standardPasses(plainNet(), evaluateNode));
    const text = Buffer.from(exportOnnx(graph)).toString("latin1");
    const damaged = Buffer.from(text.replace("MatMulInteger", "MatMulIntegar"), "latin1");
    expect(() => importTest(damaged)).toThrow(/op DynamicQuantizeLinear of domain ai.onnx, opset 17, is not supported/);
  });
});
