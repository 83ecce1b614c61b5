/**
 * onnxruntime as the judge: an exported model (QDQ, run-time quantization, weights in 8, 16 or 4 bits, zeros, shared values) must behave there as in our
 * engines. Single bytes may differ by one step where the two round another intermediate differently, so real models are compared by accuracy,
 * synthetic ones by outputs.
 */
import { existsSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { readDataset, resolveDataset } from "../../src/data/index.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import { exportOnnx } from "../../src/formats/onnx/export.ts";
import type { OnnxForm } from "../../src/formats/onnx/export.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { feederFor } from "../../src/data/feed.ts";
import { openModel } from "../../src/harness/model.ts";
import { sampleIndices } from "../../src/harness/order.ts";
import { loadSuite } from "../../src/harness/suite.ts";
import { context } from "../engines/wasm/context.ts";
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

/** Images of the test set. */
const SAMPLES = 1000;
/** 0.2 point of 1,000 images. */
const TOLERATED_IMAGES = 2;
/** What static int8 may cost, as a share of the images: of the larger model, which is not one of ours, twice as much. */
const INT8_LOSS = { ours: 0.005, other: 0.01 };

/** One of so many images is computed by the CPU engine too, which is slow: the WASM engine must decide alike. */
const CPU_SHARE = 10;

/** Whatever is asked for a second time is not computed again. */
function once<K, T>(make: (key: K) => Promise<T>): (key: K) => Promise<T> {
  const made = new Map<K, Promise<T>>();
  return (key) => {
    const value = made.get(key) ?? make(key);
    made.set(key, value);
    return value;
  };
}

describe.each(loadSuite("mobile").models)("$name in onnxruntime", ({ path, dataset, shapes }) => {
  const present = path.startsWith("npm:") || existsSync(path);
  const cases: readonly (readonly [recipe: string, form: OnnxForm])[] = [
    ...["int8", "int16x8", "int8:dynamic", "int8:weights", "fp16", "prune:0.1", "cluster:32", "prune:0.1+cluster:32+int8", "int4"].map(
      (recipe) => [recipe, "qdq"] as const,
    ),
    ["int8", "qoperator"],
  ];

  const original = once(async () => {
    const { graph } = await openModel(path, { shapes: new Map(Object.entries(shapes ?? {})) });
    const [train, test] = [readDataset(await resolveDataset(dataset!, "train")), readDataset(await resolveDataset(dataset!, "test"))];
    const [calibrationFeed, feed] = [feederFor(graph, train), feederFor(graph, test)];
    const calibration = [...sampleIndices(train.count, 64, 1)].map((i) => calibrationFeed.inputs([i]));
    const indices = sampleIndices(test.count, SAMPLES, 1);
    const images = [...indices].map((i) => ({ inputs: feed.inputs([i]), label: test.labels[i]! }));
    return { graph, calibration, images };
  });
  type Images = Awaited<ReturnType<typeof original>>["images"];

  async function classes(images: Images, run: Runner): Promise<readonly number[]> {
    const found: number[] = [];
    for (const { inputs } of images) found.push(argmax(await run(inputs)));
    return found;
  }
  const rightOf = (images: Images, found: readonly number[]): number => images.filter(({ label }, i) => label === found[i]).length;

  /** A compressed model, and the classes that our engines find: alike for every form of its file. */
  const compressed = once(async (recipe: string) => {
    const { graph, calibration, images } = await original("");
    const { graph: small } = await applyRecipe(graph, parseRecipe(recipe), { observe: observeGraph, calibration: () => calibration });
    const session = await wasmEngine.compile(small, context, {});
    const ours = await classes(images, async (inputs) => (await session.run(inputs))[0]!);
    session.dispose();
    const some = images.slice(0, images.length / CPU_SHARE);
    expect(await classes(some, ourRunner(small))).toEqual(ours.slice(0, some.length));
    return { small, ours };
  });

  it.skipIf(!present).each(cases)("%s in form %s: as many images right, to 0.2 point, and nearly all the same", async (recipe, form) => {
    const { graph, images } = await original("");
    const { small, ours } = await compressed(recipe);
    const theirs = await classes(images, await ortRunner(small, form));
    const [right, rightThere] = [rightOf(images, ours), rightOf(images, theirs)];
    if (recipe === "int8" && form === "qdq") {
      const rightBefore = rightOf(images, await classes(images, await ortRunner(graph)));
      const loss = path.startsWith("npm:") ? INT8_LOSS.other : INT8_LOSS.ours;
      expect((rightBefore - right) / images.length).toBeLessThanOrEqual(loss);
    }
    expect(Math.abs(right - rightThere)).toBeLessThanOrEqual(TOLERATED_IMAGES);
    expect(ours.filter((found, i) => found === theirs[i]).length).toBeGreaterThanOrEqual(0.98 * images.length);
    expect(right).toBeGreaterThan(0.9 * images.length);
  });
});
