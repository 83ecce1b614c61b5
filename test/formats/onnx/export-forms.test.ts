/**
 * The other ways to write the same model: integer ops in QOperator form, initializers as lists of what is not zero. onnxruntime computes the same,
 * and reading the file back gives the same model.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../../src/compress/apply.ts";
import { parseRecipe } from "../../../src/compress/recipe.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { FormatError } from "../../../src/errors.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { decodeModel, encodeModel } from "../../../src/formats/onnx/proto.ts";
import { readSparse, writeSparse } from "../../../src/formats/onnx/sparse.ts";
import { writeTensor } from "../../../src/formats/onnx/tensor.ts";
import { tensorOf } from "../../../src/graph/access.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { standardPasses } from "../../../src/graph/passes/index.ts";
import { contextFor, mobileNet, plainNet, samplesFor } from "../../compress/nets.ts";
import { differences, runGraph } from "../../graph/run.ts";
import { importTest, runOrt } from "./model.ts";

async function compressed(make: () => Graph, recipe: string): Promise<Graph> {
  const original = standardPasses(make(), evaluateNode);
  return (await applyRecipe(original, parseRecipe(recipe), contextFor(original))).graph;
}

function opTypes(bytes: Uint8Array): ReadonlySet<string> {
  return new Set(decodeModel(bytes, "written").graph!.node.map(({ opType }) => opType));
}

/** Largest difference from onnxruntime over 40 samples; the graph that is read back must agree to the bit. */
async function judged(graph: Graph, bytes: Uint8Array): Promise<number> {
  const back = standardPasses(importTest(bytes), evaluateNode);
  const input = tensorOf(graph, graph.inputs[0]!);
  let worst = 0;
  for (const sample of samplesFor(graph, 40, 5)) {
    const ours = await runGraph(graph, sample);
    expect(differences(await runGraph(back, sample), ours)).toEqual({ float: 0, lsb: 0 });
    const theirs = await runOrt(bytes, { [input.name]: { shape: input.shape, data: sample[0]! } });
    theirs[0]!.data.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - ours[0]![i]!))));
  }
  return worst;
}

describe("QOperator form", () => {
  const pooled = ["QLinearGlobalAveragePool", "QLinearAveragePool"];
  it.each([
    { net: "plain", recipe: "int8", ops: ["QLinearConv", "QGemm", "QLinearSoftmax", "MaxPool"] },
    { net: "plain", recipe: "int8,activations=uint8", ops: ["QLinearConv", "QGemm", "QLinearSoftmax", "MaxPool"] },
    { net: "plain", recipe: "prune:0.5,block=1x8+int8", ops: ["QLinearConv", "QGemm"] },
    { net: "mobile", recipe: "int8", ops: ["QLinearConv", "QLinearMul", "QLinearAdd", "QLinearSigmoid", "QLinearConcat", ...pooled] },
  ])("$net net under $recipe", async ({ net, recipe, ops }) => {
    const graph = await compressed(net === "plain" ? plainNet : mobileNet, recipe);
    const bytes = exportOnnx(graph, { form: "qoperator" });
    const written = opTypes(bytes);
    for (const op of ops) expect(written).toContain(op);
    expect(written).not.toContain("Conv");
    expect(written).not.toContain("Gemm");
    // Probabilities on the grid 1/256: onnxruntime's kernels for single ops round a step apart here and there.
    expect(await judged(graph, bytes)).toBeLessThanOrEqual(3 / 256);
  });

  it("leaves a clamp that the grid does not imply to the QDQ form", async () => {
    const graph = await compressed(plainNet, "int8,range=conv1.out:-1:6");
    const bytes = exportOnnx(graph, { form: "qoperator" });
    expect([...opTypes(bytes)]).toEqual(expect.arrayContaining(["Conv", "Relu", "QLinearConv"]));
    expect(await judged(graph, bytes)).toBeLessThanOrEqual(3 / 256);
  });

  it("is the plain file where nothing is an integer", () => {
    expect(exportOnnx(mobileNet(), { form: "qoperator" })).toEqual(exportOnnx(mobileNet()));
  });
});

describe("sparse initializers", () => {
  it.each(["prune:0.9", "prune:0.95+int8", "prune:0.9,block=1x8+fp16"])(
    "under %s hold the weights where that is shorter",
    async (recipe) => {
      const graph = await compressed(plainNet, recipe);
      const [plain, bytes] = [exportOnnx(graph), exportOnnx(graph, { sparse: true })];
      const { sparseInitializer } = decodeModel(bytes, "written").graph!;
      if (recipe.endsWith("fp16")) expect(sparseInitializer).toEqual([]);
      else {
        expect(sparseInitializer.length).toBeGreaterThan(0);
        expect(bytes.length).toBeLessThan(plain.length);
      }
      // Where the file is sparse and where it is not, onnxruntime and we run the same numbers.
      expect(await judged(graph, bytes)).toBe(await judged(graph, plain));
    },
  );

  it("give any tensor back to the bit, or are not taken", () => {
    const value = fc.oneof(
      { weight: 5, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.constantFrom(-0, 1, -3.5, Infinity, 1e-40) },
    );
    let taken = 0;
    fc.assert(
      fc.property(fc.array(value, { maxLength: 80 }), (values) => {
        const data = Float32Array.from(values);
        const written = writeSparse("w", "float32", [data.length, 1], data);
        if (written === undefined) return;
        taken++;
        const bytes = encodeModel({ irVersion: 8, graph: { name: "g", sparseInitializer: [written] } });
        const read = readSparse(decodeModel(bytes, "t").graph!.sparseInitializer[0]!, "t");
        expect(read).toEqual({ dtype: "float32", shape: [data.length, 1], data });
      }),
    );
    expect(taken).toBeGreaterThan(10);
    expect(writeSparse("w", "int32", [100], new Int32Array(100))).toBeUndefined();
  });

  const sparse = (indices: readonly number[], shape: readonly number[], dims: readonly number[] = [2, 3]): (() => unknown) => {
    const values = writeTensor("w", "float32", [2], Float32Array.of(5, 7));
    const places = writeTensor("", "int64", shape, Float64Array.from(indices));
    const bytes = encodeModel({ irVersion: 8, graph: { name: "g", sparseInitializer: [{ values, indices: places, dims }] } });
    return () => readSparse(decodeModel(bytes, "t").graph!.sparseInitializer[0]!, "t").data;
  };

  it("are read by coordinates too", () => {
    expect(sparse([0, 1, 1, 2], [2, 2])()).toEqual(Float32Array.of(0, 5, 0, 0, 0, 7));
    expect(sparse([1, 5], [2])()).toEqual(Float32Array.of(0, 5, 0, 0, 0, 7));
  });

  it.each([
    [[5, 1], [2], undefined, "index 1 is 1 after 5, expected ascending ones below 6"],
    [[1, 1], [2], undefined, "index 1 is 1 after 1"],
    [[1, 6], [2], undefined, "index 1 is 6 after 1"],
    [[-1, 2], [2], undefined, "index 0 is -1 after -1"],
    [[0, 3, 1, 0], [2, 2], undefined, "index 0 is NaN"],
    [[1], [1], undefined, "2 values with int64 indices [1], expected int64 [2] or [2, 2]"],
    [[1, 2], [2], [2 ** 20, 2 ** 20], "elements, expected at most"],
  ] as const)("at %j of shape %j are refused", (indices, shape, dims, message) => {
    expect(sparse(indices, shape, dims)).toThrow(FormatError);
    expect(sparse(indices, shape, dims)).toThrow(message);
  });
});
