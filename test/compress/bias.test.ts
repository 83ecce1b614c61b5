/** Bias correction: what it takes back, measured sample by sample with plain loops. */
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { correctBiases } from "../../src/compress/quantize/bias.ts";
import { asymmetricParams, perTensorQuant } from "../../src/compress/quantize/params.ts";
import { quantizeLayer } from "../../src/compress/quantize/weights.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import { UsageError } from "../../src/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Constant, Graph } from "../../src/graph/ir.ts";
import { inverseScale, quantizeValue } from "../../src/graph/numerics.ts";
import { contextFor, filled, mobileNet, plainNet, samplesFor, uniform } from "./nets.ts";

/** One dense layer of 6 inputs and 4 outputs, without a bias. */
function denseNet(): Graph {
  const next = uniform(41);
  const b = new GraphBuilder("one");
  const x = b.input("x", "float32", [1, 6]);
  const w = b.constant("w", "float32", [4, 6], filled(24, next));
  return b.finish([b.add("Dense", "d", [x, w], {}, { name: "y" })]);
}

function sqnr(graph: Graph, other: Graph): number {
  const [float, integer] = [observeGraph(graph), observeGraph(other)];
  let [signal, noise] = [0, 0];
  for (const sample of samplesFor(graph, 100, 5)) {
    const [a, b] = [float.run(sample, () => undefined)[0]!, integer.run(sample, () => undefined)[0]!];
    a.forEach((x, i) => {
      signal += x ** 2;
      noise += (x - b[i]!) ** 2;
    });
  }
  return 10 * Math.log10(signal / noise);
}

describe("bias correction", () => {
  it("makes each channel's mean that of the float layer, over the samples", async () => {
    const graph = denseNet();
    const context = contextFor(graph, 25);
    // Clips most of the inputs, so that there is something to take back.
    const quant = perTensorQuant(asymmetricParams({ min: -0.2, max: 0.4 }));
    const { graph: corrected, integer } = await correctBiases(graph, new Set(graph.nodes), new Map([["x", quant]]), context, "int8");
    const bias = corrected.tensors.get(corrected.nodes[0]!.inputs[2]!) as Constant;
    expect(bias.shape).toEqual([4]);
    expect([...integer]).toEqual(corrected.nodes);

    const w = graph.tensors.get("w") as Constant;
    const { weight, weightQuant } = quantizeLayer(w, 0, undefined, quant.scales[0]!);
    const samples = samplesFor(graph, 25, 77);
    const [scale, zeroPoint] = [quant.scales[0]!, quant.zeroPoints[0]!];
    for (let o = 0; o < 4; o++) {
      let difference = 0;
      for (const [x] of samples) {
        for (let k = 0; k < 6; k++) {
          const code = quantizeValue(x![k]!, inverseScale(scale), zeroPoint, -128, 127) - zeroPoint;
          difference += w.data[o * 6 + k]! * x![k]! - weight[o * 6 + k]! * weightQuant.scales[o]! * code * scale;
        }
      }
      expect(Math.abs(difference / 25)).toBeGreaterThan(1e-3);
      expect(bias.data[o]).toBeCloseTo(difference / 25, 5);
    }
  });

  it.each([
    ["plain", plainNet()],
    ["mobile", mobileNet()],
  ])("%s: brings a net with coarse ranges closer to the float one", async (_, graph) => {
    const coarse = "int8,calibrator=percentile,percentile=90";
    const kept = await applyRecipe(graph, parseRecipe(coarse), contextFor(graph));
    const corrected = await applyRecipe(graph, parseRecipe(`${coarse},bias=correct`), contextFor(graph));
    expect(sqnr(graph, corrected.graph)).toBeGreaterThan(sqnr(graph, kept.graph));
    expect(corrected.steps[0]!.layers).toEqual(kept.steps[0]!.layers);
  });

  it("gives a layer whose bias another one reads a bias of its own", async () => {
    const next = uniform(43);
    const b = new GraphBuilder("shared");
    const x = b.input("x", "float32", [1, 4]);
    const w = b.constant("w", "float32", [4, 4], filled(16, next));
    const bias = b.constant("b", "float32", [4], filled(4, next));
    const one = b.add("Dense", "one", [x, w, bias], {});
    const graph = b.finish([b.add("Dense", "two", [one, w, bias], {})]);
    const { graph: q } = await applyRecipe(graph, parseRecipe("int8,bias=correct"), contextFor(graph));
    expect(q.nodes.filter((n) => n.op === "Dense").map((n) => n.inputs[2])).toEqual(["one_bias", "two_bias"]);
  });

  it("needs samples beside a table", async () => {
    const graph = plainNet();
    const quant = perTensorQuant({ scale: 0.01, zeroPoint: 0 });
    const grids = new Map([...graph.tensors.keys()].map((name) => [name, quant]));
    await expect(correctBiases(graph, new Set(graph.nodes), grids, {}, "int8,table=t,bias=correct")).rejects.toThrow(UsageError);
  });
});
