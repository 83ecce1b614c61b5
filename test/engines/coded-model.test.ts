/** LeNet-5 through recipes that make compact codes: accuracy on MNIST, memory, and that engines run what they say. */
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { graphStats } from "../../src/compress/stats.ts";
import { readDataset, resolveDataset } from "../../src/data/index.ts";
import type { Dataset } from "../../src/data/index.ts";
import { cpuEngine } from "../../src/engines/cpu/index.ts";
import type { Engine } from "../../src/engines/engine.ts";
import { compareOutputs, graphTolerance } from "../../src/engines/tolerance.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { openModel } from "../../src/harness/model.ts";
import { argmax } from "../compress/nets.ts";
import { context } from "./wasm/context.ts";

const SAMPLES = 400;
let lenet: Graph;
let digits: Dataset;

beforeAll(async () => {
  lenet = (await openModel(fileURLToPath(new URL("../../suites/models/lenet5.onnx", import.meta.url)))).graph;
  digits = readDataset(await resolveDataset("mnist", "test"));
});

async function predictions(graph: Graph, engine: Engine): Promise<{ readonly right: number; readonly scores: readonly Float32Array[] }> {
  const session = await engine.compile(graph, context, {});
  const scores: Float32Array[] = [];
  let right = 0;
  for (let i = 0; i < SAMPLES; i++) {
    const [out] = await session.run([digits.sample(i)]);
    scores.push(out as Float32Array);
    if (argmax(out!) === digits.labels[i]) right++;
  }
  session.dispose();
  return { right, scores };
}

describe.each([
  ["cluster:16", 4, 0.01],
  ["cluster:256", 8, 0.005],
  ["int4", 4, 0.01],
  ["fp16", 16, 0.0025],
  ["int8:weights", 8, 0.0025],
  ["prune:0.5+cluster:16+fp16", 4, 0.015],
])("LeNet-5 %s", (recipe, bits, lost) => {
  it(`keeps its accuracy within ${100 * lost} points on ${SAMPLES} digits, on both engines alike`, async () => {
    const { graph } = await applyRecipe(lenet, parseRecipe(recipe), {});
    const original = await predictions(lenet, cpuEngine);
    const [cpu, wasm] = [await predictions(graph, cpuEngine), await predictions(graph, wasmEngine)];
    expect(original.right).toBeGreaterThan(0.97 * SAMPLES);
    expect(cpu.right).toBeGreaterThanOrEqual(original.right - lost * SAMPLES);
    expect(wasm.right).toBe(cpu.right);
    const tolerance = graphTolerance(graph, [digits.sample(0)]);
    cpu.scores.forEach((scores, i) => expect(compareOutputs([scores], [wasm.scores[i]!], tolerance).pass).toBe(true));
  });

  it("keeps its weights in their code, or says what that would cost", async () => {
    const { graph } = await applyRecipe(lenet, parseRecipe(recipe), {});
    const { totals } = graphStats(graph);
    expect((8 * totals.weightBytes) / totals.params).toBeLessThan(bits * 1.4);
    const small = await wasmEngine.compile(graph, context, { coded: "on" });
    expect(small.memory().weights).toBeLessThan((totals.params * bits * 2) / 8);
    const session = await wasmEngine.compile(graph, context, {});
    const layers = session.placement().filter(({ op }) => op === "Conv2D" || op === "Dense");
    expect(layers).toHaveLength(5);
    for (const { kernel, why = "" } of layers) {
      if (/codebook|int4|_int8_|float16/.test(kernel))
        expect(why).toMatch(
          /^(\d+ shared values, .-bit indices|int4 weights in blocks of 32|int8 weights with a scale per output|float16 weights)(; expanded|$)/,
        );
      else expect(why).toMatch(/; its code \(.*\) would take [3-9]\.\d times as long$/);
    }
  });
});
