/** int16 activations written as ONNX (QDQ, opset 21): onnxruntime computes what our integer engine computes, and reading the file back gives the same graph. */
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../../src/compress/apply.ts";
import { parseRecipe } from "../../../src/compress/recipe.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { decodeModel } from "../../../src/formats/onnx/proto.ts";
import { tensorOf } from "../../../src/graph/access.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { standardPasses } from "../../../src/graph/passes/index.ts";
import { contextFor, mobileNet, plainNet, samplesFor } from "../../compress/nets.ts";
import { differences, runGraph } from "../../graph/run.ts";
import { importTest, runOrt } from "./model.ts";

const readBack = (bytes: Uint8Array): Graph => standardPasses(importTest(bytes), evaluateNode);

/** Ops that compute on int16. */
function integerOps(graph: Graph): readonly string[] {
  return graph.nodes.filter(({ op, outputs }) => op !== "Quantize" && tensorOf(graph, outputs[0]!).dtype === "int16").map(({ op }) => op);
}

describe.each([
  ["plain net", plainNet],
  ["mobile net", mobileNet],
] as const)("%s", (_, make) => {
  it("int16x8", async () => {
    const original = standardPasses(make(), evaluateNode);
    const { graph } = await applyRecipe(original, parseRecipe("int16x8"), contextFor(original));
    const bytes = exportOnnx(graph);
    const { irVersion, opsetImport } = decodeModel(bytes, "written") as unknown as {
      irVersion: unknown;
      opsetImport: { version: unknown }[];
    };
    expect([irVersion, opsetImport[0]!.version].map(Number)).toEqual([10, 21]);
    const back = readBack(bytes);
    expect(integerOps(back)).toEqual(integerOps(graph));
    expect(integerOps(graph).length).toBeGreaterThan(5);
    const input = tensorOf(graph, graph.inputs[0]!);
    for (const sample of samplesFor(original, 20, 5)) {
      const ours = await runGraph(graph, sample);
      expect(differences(await runGraph(back, sample), ours)).toEqual({ float: 0, lsb: 0 });
      const theirs = await runOrt(bytes, { [input.name]: { shape: input.shape, data: sample[0]! } });
      // A probability on the grid 2^-15; onnxruntime adds in float32 between the grids.
      const worst = Math.max(...Array.from(theirs[0]!.data, (v, i) => Math.abs(v - ours[0]![i]!))) * 2 ** 15;
      expect(worst).toBeLessThanOrEqual(24);
    }
  });
});

it("writes an int64 bias in float32, and reads it back as int64", async () => {
  const b = new GraphBuilder("long");
  const x = b.input("x", "float32", [1, 2]);
  const w = b.constant("w", "float32", [2, 2], Float32Array.of(0.01, -0.01, 0.005, 0.01));
  const bias = b.constant("b", "float32", [2], Float32Array.of(100, -0.25));
  const original = b.finish([b.add("Dense", "dense", [x, w, bias], {})]);
  const recipe = parseRecipe("int16x8,range=x:-1:1");
  const { graph } = await applyRecipe(original, recipe, contextFor(original));
  const longs = (g: Graph): readonly string[] =>
    [...g.tensors.values()].filter((t) => t.dtype === "int64" && t.quant !== undefined).map((t) => t.dtype);
  expect(longs(graph)).toEqual(["int64"]);
  const back = readBack(exportOnnx(graph));
  expect(longs(back)).toEqual(["int64"]);
  for (const sample of samplesFor(original, 5, 3)) {
    expect(differences(await runGraph(back, sample), await runGraph(graph, sample))).toEqual({ float: 0, lsb: 0 });
  }
});
