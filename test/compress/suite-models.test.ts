/**
 * The recipes on the models of the suite `mobile`, real ones: they run, keep their promises, and the WASM engine computes of the result what the CPU
 * engine does. Accuracy is the oracle's matter and the suite's.
 */
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { graphStats } from "../../src/compress/stats.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { readDataset, resolveDataset } from "../../src/data/index.ts";
import { feederFor } from "../../src/data/feed.ts";
import { cpuEngine } from "../../src/engines/cpu/index.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import { engineContextHere } from "../../src/harness/here.ts";
import { checkParity } from "../../src/harness/parity.ts";
import { openModel } from "../../src/harness/model.ts";
import { loadSuite } from "../../src/harness/suite.ts";

const RECIPES = [
  "prune:0.5",
  "prune:0.6,scope=global,importance=lamp",
  "prune,nm=2:4",
  "prune,nm=2:4,block=1x8",
  "prune:0.5,block=1x8,pool=max,ties=keep",
  "prune,channels=0.5",
  "prune,channels=0.5,multiple=8,importance=fpgm+int8",
  "cluster:16",
  "cluster:8,per=channel",
  "cluster:16,init=density,refine=no+int8",
  "prune:0.5+cluster:16",
  "prune:0.5+cluster:16+int8",
  "prune:0.5+int8:dynamic",
  "prune:0.5,block=1x4+int8:weights",
  "int8,calibrator=entropy,equalize=cle,bias=correct",
  "int8,calibrator=percentile,smooth=0.5",
  "int8,calibrator=mse,activations=uint8,weightbits=7",
  "int8,calibrator=moving,ranges=tflite",
  "cluster:64+fp16",
  "int4,block=64",
];
const CALIBRATION = 4;

describe.each(loadSuite("mobile").models)("$name", ({ path, dataset, shapes }) => {
  it.each(RECIPES)("under %s", async (recipe) => {
    const { graph } = await openModel(path, { shapes: new Map(Object.entries(shapes ?? {})) });
    const train = readDataset(await resolveDataset(dataset!, "train"));
    const feed = feederFor(graph, train);
    const calibration = function* (): Generator<readonly TypedArray[]> {
      for (let i = 0; i < CALIBRATION; i++) yield feed.inputs([i]);
    };
    const { graph: small, steps } = await applyRecipe(graph, parseRecipe(recipe), { observe: observeGraph, calibration });
    for (const { layers } of steps) expect(layers.length).toBeGreaterThan(0);
    const sessions = [await cpuEngine.compile(small, engineContextHere(), {}), await wasmEngine.compile(small, engineContextHere(), {})];
    try {
      const inputs = feed.inputs([CALIBRATION]);
      const [expected, got] = [await sessions[0]!.run(inputs), await sessions[1]!.run(inputs)];
      expect((expected[0] as Float32Array).every(Number.isFinite)).toBe(true);
      const { parity, message } = checkParity(small, [expected], [got]);
      expect(parity.pass, message).toBe(true);
      if (recipe.includes("int8,") || recipe.endsWith("+int8")) expect(parity.exact).toBe(true);
    } finally {
      for (const session of sessions) session.dispose();
    }
  });

  it("loses 60 % of its MACs and more with half of its channels", async () => {
    const { graph } = await openModel(path, { shapes: new Map(Object.entries(shapes ?? {})) });
    const { graph: narrow } = await applyRecipe(graph, parseRecipe("prune,channels=0.5"), {});
    expect(graphStats(narrow).totals.macs).toBeLessThan(0.4 * graphStats(graph).totals.macs);
  });
});
