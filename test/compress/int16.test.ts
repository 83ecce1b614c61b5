/** The recipe step `int16x8`: its graph, its grids, and how close it stays to float. */
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { WEIGHT_LIMIT, quantizeLayer } from "../../src/compress/quantize/weights.ts";
import { INT16_FORM, activationParams } from "../../src/compress/quantize/params.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { readDataset, resolveDataset } from "../../src/data/index.ts";
import { feederFor } from "../../src/data/feed.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import { UsageError } from "../../src/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import type { Constant, Graph } from "../../src/graph/ir.ts";
import { INT16_BIAS_LIMIT } from "../../src/graph/int16.ts";
import { sampleIndices } from "../../src/harness/order.ts";
import { DSNET, LENET5 } from "../engines/models.ts";
import { context } from "../engines/wasm/context.ts";
import { argmax, contextFor, mobileNet, plainNet, samplesFor } from "./nets.ts";

const int16 = parseRecipe("int16x8");

/** Of the first output over samples, in decibels. */
function sqnr(float: Graph, quantized: Graph): number {
  const [want, got] = [observeGraph(float), observeGraph(quantized)];
  let [signal, noise] = [0, 0];
  for (const sample of samplesFor(float, 100, 5)) {
    const [a, b] = [want.run(sample, () => undefined)[0]!, got.run(sample, () => undefined)[0]!];
    for (let i = 0; i < a.length; i++) [signal, noise] = [signal + a[i]! ** 2, noise + (a[i]! - b[i]!) ** 2];
  }
  return 10 * Math.log10(signal / noise);
}

describe("int16x8 graph", () => {
  it.each([
    ["plain", plainNet()],
    ["mobile", mobileNet()],
  ])("%s: int16 all the way, and closer to float than int8", async (_, graph) => {
    const result = await applyRecipe(graph, int16, contextFor(graph));
    expect(result.steps).toEqual([{ step: "int16x8", layers: expect.any(Array) as string[], skipped: [] }]);
    const activations = [...result.graph.tensors.values()].filter((t) => t.data === undefined);
    expect(activations.filter((t) => t.dtype !== "int16").map((t) => t.name)).toEqual([graph.inputs[0], graph.outputs[0]]);
    expect(activations.every((t) => t.quant === undefined || t.quant.zeroPoints[0] === 0)).toBe(true);
    const int8 = await applyRecipe(graph, parseRecipe("int8"), contextFor(graph));
    // 8-bit weights are what is left of the error.
    expect(sqnr(graph, result.graph)).toBeGreaterThan(sqnr(graph, int8.graph) + 3);
  });

  it("calibrates to ± the largest magnitude on -32767..32767", () => {
    expect(activationParams({ min: -1, max: 3 }, "ort", INT16_FORM)).toEqual({ scale: 3 / 32767, zeroPoint: 0 });
  });

  it("holds biases in int64 where they leave int32, and in int32 elsewhere", () => {
    const weight: Constant = { name: "w", dtype: "float32", shape: [2, 1], data: Float32Array.of(0.01, 0.01) };
    const scale = Math.fround(1 / 32767);
    const layer = quantizeLayer(weight, 0, [100, 1], scale, WEIGHT_LIMIT, INT16_BIAS_LIMIT);
    expect(layer.widened).toBe(0);
    expect(layer.bias).toBeInstanceOf(Float64Array);
    expect(layer.bias![0]).toBeGreaterThan(2 ** 31);
    expect(layer.bias![0]! * layer.biasQuant!.scales[0]!).toBeCloseTo(100, 6);
    expect(quantizeLayer(weight, 0, [0.1, 1], scale, WEIGHT_LIMIT, INT16_BIAS_LIMIT).bias).toBeInstanceOf(Int32Array);
  });

  it("names what has no int16 form, and refuses it with strict=yes", async () => {
    const b = new GraphBuilder("larger");
    const x = b.input("x", "float32", [1, 4]);
    const w = b.constant(
      "w",
      "float32",
      [4, 4],
      Float32Array.from({ length: 16 }, (_, i) => (i % 5) / 5),
    );
    const dense = b.add("Dense", "dense", [x, w], {});
    const graph = b.finish([b.add("Binary", "larger", [dense, x], { fn: "max" })]);
    const { steps } = await applyRecipe(graph, int16, contextFor(graph));
    expect(steps[0]!.skipped).toEqual([{ layer: "larger", op: "Binary", why: "max has no integer form" }]);
    await expect(applyRecipe(graph, parseRecipe("int16x8,strict=yes"), contextFor(graph))).rejects.toThrow(/larger \(Binary\): max/);
  });

  it("takes calibration options in canonical form, but no rule for ranges", () => {
    expect(parseRecipe("int16x8,exclude=fc*,bias=correct,calibrator=mse").text).toBe("int16x8,calibrator=mse,bias=correct,exclude=fc*");
    expect(() => parseRecipe("int16x8,ranges=tflite")).toThrow(
      new UsageError('recipe "int16x8,ranges=tflite": int16x8: unknown option "ranges". Did you mean range?'),
    );
    expect(() => parseRecipe("int16x8+prune:0.5")).toThrow(/prune edits float weights and cannot follow int16x8/);
  });

  it("refuses a zero point in an override", async () => {
    const graph = plainNet();
    const recipe = parseRecipe(`int16x8,grid=${graph.inputs[0]!}:0.01:3`);
    await expect(applyRecipe(graph, recipe, contextFor(graph))).rejects.toThrow(/the zero point of ".*": got 3, expected 0/);
  });
});

/** 0.1 point of 1,000 images. */
const [IMAGES, TOLERATED] = [1000, 1];

describe.each([LENET5, DSNET])("$name", ({ load }) => {
  it("int16x8 gets as many images right as float, to 0.1 point", { timeout: 120_000 }, async () => {
    const graph = await load();
    const dataset = await resolveDataset("mnist", "test").then(readDataset);
    const train = readDataset(await resolveDataset("mnist", "train"));
    const [feed, calibrationFeed] = [feederFor(graph, dataset), feederFor(graph, train)];
    const chosen = sampleIndices(train.count, 64, 1);
    const calibration = function* (): Generator<readonly TypedArray[]> {
      for (const i of chosen) yield calibrationFeed.inputs([i]);
    };
    const { graph: small, steps } = await applyRecipe(graph, int16, { observe: observeGraph, calibration });
    expect(steps[0]!.skipped).toEqual([]);
    // The same int16 bits as the CPU engine's, in a fraction of the time.
    const [float, integer] = [await wasmEngine.compile(graph, context, {}), await wasmEngine.compile(small, context, {})];
    let [right, rightInteger] = [0, 0];
    for (const i of sampleIndices(dataset.count, IMAGES, 1)) {
      const inputs = feed.inputs([i]);
      if (argmax((await float.run(inputs))[0]!) === dataset.labels[i]) right++;
      if (argmax((await integer.run(inputs))[0]!) === dataset.labels[i]) rightInteger++;
    }
    float.dispose();
    integer.dispose();
    expect(right).toBeGreaterThan(0.95 * IMAGES);
    expect(Math.abs(right - rightInteger)).toBeLessThanOrEqual(TOLERATED);
  });
});
