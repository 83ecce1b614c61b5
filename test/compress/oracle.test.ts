/**
 * onnxruntime as the judge: an exported model (QDQ, run-time quantization, weights in 8, 16 or 4 bits, zeros, shared values) must behave there as in our
 * engines. Single bytes may differ by one step where the two round another intermediate differently, so real models are compared by accuracy,
 * synthetic ones by outputs.
 */
import { existsSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { graphStats } from "../../src/compress/stats.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { readDataset, resolveDataset } from "../../src/data/index.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import { exportOnnx } from "../../src/formats/onnx/export.ts";
import type { OnnxForm } from "../../src/formats/onnx/export.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { feederFor } from "../../src/data/feed.ts";
import { openModel } from "../../src/harness/model.ts";
import { sampleIndices } from "../../src/harness/order.ts";
import { loadSuite } from "../../src/harness/suite.ts";
import { argmax, contextFor, mobileNet, plainNet, samplesFor } from "./nets.ts";

type Runner = (inputs: readonly TypedArray[]) => Promise<ArrayLike<number>>;

async function ortRunner(graph: Graph, form?: OnnxForm): Promise<Runner> {
  const session = await ort.InferenceSession.create(exportOnnx(graph, form && { form }), { logSeverityLevel: 3, intraOpNumThreads: 1 });
  return async (inputs) => {
    const feeds = Object.fromEntries(
      graph.inputs.map((name, i) => [name, new ort.Tensor("float32", inputs[i] as Float32Array, graph.tensors.get(name)!.shape)]),
    );
    const outputs = await session.run(feeds);
    return outputs[graph.outputs[0]!]!.data as Float32Array;
  };
}

function ourRunner(graph: Graph): Runner {
  const observer = observeGraph(graph);
  return (inputs) => Promise.resolve(observer.run(inputs, () => undefined)[0]!);
}

describe("synthetic nets in onnxruntime", () => {
  it.each([
    ["plain", "int8", plainNet()],
    ["plain", "prune:0.7,block=1x8+int8", plainNet()],
    ["mobile", "int8", mobileNet()],
    ["plain", "int16x8", plainNet()],
    ["mobile", "int16x8", mobileNet()],
    ["mobile", "prune:0.5", mobileNet()],
  ])("%s %s gives the same outputs within three steps of 1/256", async (_, recipe, graph) => {
    const { graph: small } = await applyRecipe(graph, parseRecipe(recipe), contextFor(graph));
    const [ours, theirs] = [ourRunner(small), await ortRunner(small)];
    let worst = 0;
    for (const sample of samplesFor(graph, 50, 8)) {
      const [a, b] = [await ours(sample), await theirs(sample)];
      expect(b.length).toBe(a.length);
      for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    }
    expect(worst).toBeLessThanOrEqual(3 / 256);
  });
});

/** Of a model with so many MACs or fewer; a larger one takes a quarter of them. */
const SAMPLES = { all: 1000, few: 250, macs: 5e6 };
/** 0.2 point of 1,000 images. */
const TOLERATED_IMAGES = 2;
/** What static int8 may cost, as a share of the images: of the larger model, which is not one of ours, twice as much. */
const INT8_LOSS = { ours: 0.005, other: 0.01 };

describe.each(loadSuite("mobile").models)("$name in onnxruntime", ({ path, dataset, shapes }) => {
  const present = path.startsWith("npm:") || existsSync(path);
  const cases: readonly (readonly [recipe: string, form: OnnxForm])[] = [
    ...["int8", "int16x8", "int8:dynamic", "int8:weights", "fp16", "prune:0.1", "cluster:32", "prune:0.1+cluster:32+int8", "int4"].map(
      (recipe) => [recipe, "qdq"] as const,
    ),
    ["int8", "qoperator"],
  ];
  it.skipIf(!present).each(cases)("%s in form %s: as many images right, to 0.2 point, and nearly all the same", async (recipe, form) => {
    const { graph } = await openModel(path, { shapes: new Map(Object.entries(shapes ?? {})) });
    const [train, test] = [readDataset(await resolveDataset(dataset!, "train")), readDataset(await resolveDataset(dataset!, "test"))];
    const [calibrationFeed, feed] = [feederFor(graph, train), feederFor(graph, test)];
    const chosen = sampleIndices(train.count, 64, 1);
    const calibration = function* (): Generator<readonly TypedArray[]> {
      for (const i of chosen) yield calibrationFeed.inputs([i]);
    };
    const { graph: small } = await applyRecipe(graph, parseRecipe(recipe), { observe: observeGraph, calibration });
    const [ours, theirs] = [ourRunner(small), await ortRunner(small, form)];
    const indices = sampleIndices(test.count, graphStats(graph).totals.macs > SAMPLES.macs ? SAMPLES.few : SAMPLES.all, 1);
    const original = await ortRunner(graph);
    let [right, rightThere, rightBefore, same] = [0, 0, 0, 0];
    for (const i of indices) {
      const inputs = feed.inputs([i]);
      const [a, b] = [argmax(await ours(inputs)), argmax(await theirs(inputs))];
      if (a === test.labels[i]) right++;
      if (b === test.labels[i]) rightThere++;
      if (a === b) same++;
      if (recipe === "int8" && argmax(await original(inputs)) === test.labels[i]) rightBefore++;
    }
    if (recipe === "int8") {
      const loss = path.startsWith("npm:") ? INT8_LOSS.other : INT8_LOSS.ours;
      expect((rightBefore - right) / indices.length).toBeLessThanOrEqual(loss);
    }
    expect(Math.abs(right - rightThere)).toBeLessThanOrEqual(TOLERATED_IMAGES);
    expect(same).toBeGreaterThanOrEqual(0.98 * indices.length);
    expect(right).toBeGreaterThan(0.9 * indices.length);
  });
});
