/**
 * Compressed models written as ONNX (QDQ): onnxruntime computes what our integer engine computes, and reading the file back gives the
 * same integer graph.
 */
import { readFileSync } from "node:fs";
import ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../../src/compress/apply.ts";
import { parseRecipe } from "../../../src/compress/recipe.ts";
import { readDataset, resolveDataset } from "../../../src/data/index.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { observeGraph } from "../../../src/engines/cpu/observe.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { decodeModel } from "../../../src/formats/onnx/proto.ts";
import { tensorOf } from "../../../src/graph/access.ts";
import { bytesPerElement, elementCount, type TypedArray } from "../../../src/graph/dtype.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { standardPasses } from "../../../src/graph/passes/index.ts";
import { argmax, contextFor, mobileNet, plainNet, samplesFor } from "../../compress/nets.ts";
import { context } from "../../engines/wasm/context.ts";
import { differences, runGraph } from "../../graph/run.ts";
import { importTest, runOrt } from "./model.ts";

function readBack(bytes: Uint8Array): Graph {
  return standardPasses(importTest(bytes), evaluateNode);
}

/** Ops that compute on an 8-bit tensor. */
function integerOps(graph: Graph): readonly string[] {
  return graph.nodes
    .filter((node) => node.op !== "Quantize" && node.op !== "Dequantize" && node.op !== "Transpose" && node.op !== "Reshape")
    .filter((node) => bytesPerElement(tensorOf(graph, node.outputs[0]!).dtype) === 1)
    .map((node) => node.op);
}

/** Bytes of all constants. */
function constantBytes(graph: Graph): number {
  let bytes = 0;
  for (const t of graph.tensors.values()) if (t.data !== undefined) bytes += t.data.byteLength;
  return bytes;
}

describe.each([
  ["plain net", plainNet],
  ["mobile net", mobileNet],
] as const)("%s", (_, make) => {
  it.each(["int8", "prune:0.5,block=1x8+int8"])("%s", async (recipe) => {
    const original = standardPasses(make(), evaluateNode);
    const { graph } = await applyRecipe(original, parseRecipe(recipe), contextFor(original));
    const bytes = exportOnnx(graph);
    const back = readBack(bytes);
    expect(integerOps(back)).toEqual(integerOps(graph));
    expect(integerOps(graph).length).toBeGreaterThan(5);
    expect(constantBytes(back)).toBeLessThanOrEqual(constantBytes(graph) * 1.05);

    const input = tensorOf(graph, graph.inputs[0]!);
    let exact = 0;
    const samples = samplesFor(original, 40, 5);
    for (const sample of samples) {
      const ours = await runGraph(graph, sample);
      // Bit for bit: the same integers and the same arithmetic.
      expect(differences(await runGraph(back, sample), ours)).toEqual({ float: 0, lsb: 0 });
      const theirs = await runOrt(bytes, { [input.name]: { shape: input.shape, data: sample[0]! } });
      // The output is a probability on the grid 1/256.
      const worst = Math.max(...Array.from(theirs[0]!.data, (v, i) => Math.abs(v - ours[0]![i]!))) * 256;
      expect(worst).toBeLessThanOrEqual(3);
      if (worst === 0) exact++;
    }
    expect(exact).toBeGreaterThan(samples.length / 2);
  });

  it("prune:0.7 keeps its zeros in the file", async () => {
    const original = standardPasses(make(), evaluateNode);
    const { graph } = await applyRecipe(original, parseRecipe("prune:0.7"), contextFor(original));
    const zeros = (g: Graph): number => {
      let n = 0;
      for (const t of g.tensors.values()) for (const v of t.data ?? []) if (v === 0) n++;
      return n;
    };
    const back = readBack(exportOnnx(graph));
    expect(zeros(back)).toBe(zeros(graph));
    const [sample] = samplesFor(original, 1, 9);
    expect(differences(await runGraph(back, sample!), await runGraph(graph, sample!)).float).toBe(0);
  });
});

describe("the written file", () => {
  it("holds int8 weights, int32 biases, and one DequantizeLinear per tensor", async () => {
    const original = standardPasses(plainNet(), evaluateNode);
    const { graph } = await applyRecipe(original, parseRecipe("int8"), contextFor(original));
    const { graph: file } = decodeModel(exportOnnx(graph), "written");
    const weights = file!.initializer.filter((t) => t.dataType === 3 && t.dims.length > 1);
    expect(weights.length).toBe(4);
    expect(file!.initializer.filter((t) => t.dataType === 6).length).toBe(4);
    const dequantized = file!.node.filter((n) => n.opType === "DequantizeLinear").map((n) => n.input[0]);
    expect(new Set(dequantized).size).toBe(dequantized.length);
    const floats = file!.initializer.filter((t) => t.dataType === 1 && t.dims.length > 1);
    expect(floats).toEqual([]);
  });
});

describe.each(["lenet5", "dsnet"])("%s on MNIST", (name) => {
  it("int8: same top-1 in onnxruntime as in our engine on 1,000 images, within 0.2 point", async () => {
    const file = readFileSync(new URL(`../../../suites/models/${name}.onnx`, import.meta.url));
    const original = readBack(file);
    const train = readDataset(await resolveDataset("mnist", "train"));
    const test = readDataset(await resolveDataset("mnist", "test"));
    const calibration = (): Iterable<readonly TypedArray[]> => Array.from({ length: 100 }, (_, i) => [train.sample(i * 37)]);
    const { graph } = await applyRecipe(original, parseRecipe("int8"), { calibration, observe: observeGraph });
    const bytes = exportOnnx(graph);
    expect(bytes.length).toBeLessThan(file.length / 2);

    const input = tensorOf(graph, graph.inputs[0]!);
    expect(elementCount(input.shape)).toBe(elementCount(test.input.shape));
    const ours = await wasmEngine.compile(graph, context, {});
    const theirs = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
    const count = 1000;
    let [oursRight, theirsRight, same] = [0, 0, 0];
    for (let i = 0; i < count; i++) {
      const sample = test.sample(i) as Float32Array;
      const a = argmax((await ours.run([sample]))[0]!);
      const outputs = await theirs.run({ [input.name]: new ort.Tensor("float32", sample, [...input.shape]) });
      const b = argmax(outputs[theirs.outputNames[0]!]!.data as Float32Array);
      if (a === test.labels[i]) oursRight++;
      if (b === test.labels[i]) theirsRight++;
      if (a === b) same++;
    }
    ours.dispose();
    await theirs.release();
    expect(oursRight).toBeGreaterThan(count * 0.97);
    expect(Math.abs(oursRight - theirsRight)).toBeLessThanOrEqual(count * 0.002);
    expect(same).toBeGreaterThanOrEqual(count * 0.995);
  });
});
