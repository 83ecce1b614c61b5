/** LeNet-5 with 16 shared values and int8: the same bits on every engine, from the indices, and what its weights take. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { readDataset, resolveDataset } from "../../src/data/index.ts";
import type { Dataset } from "../../src/data/index.ts";
import { cpuEngine } from "../../src/engines/cpu/index.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import type { Engine, EngineContext, Placement } from "../../src/engines/engine.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import type { SharedDevice } from "../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../src/engines/webgpu/index.ts";
import { codeBytes, withoutCode } from "../../src/graph/code.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import type { Graph, Tensor } from "../../src/graph/ir.ts";
import { openModel } from "../../src/harness/model.ts";
import { argmax } from "../compress/nets.ts";
import { keepDevice, testContext } from "./webgpu/context.ts";

const SAMPLES = 100;
let shared: SharedDevice;
let context: EngineContext;
let original: Graph;
let graph: Graph;
let digits: Dataset;

beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
  original = (await openModel(fileURLToPath(new URL("../../suites/models/lenet5.onnx", import.meta.url)))).graph;
  const training = readDataset(await resolveDataset("mnist", "train"));
  digits = readDataset(await resolveDataset("mnist", "test"));
  const samples = Array.from({ length: 64 }, (_, i) => [training.sample(i)]);
  graph = (await applyRecipe(original, parseRecipe("cluster:16+int8"), { observe: observeGraph, calibration: () => samples })).graph;
});
afterAll(() => {
  shared.release();
});

interface Ran {
  readonly scores: readonly TypedArray[];
  readonly layers: readonly Placement[];
  readonly weights: number;
}

/** Most codes of its largest layer are zero, which lists would skip. */
function keeping(engine: Engine): Readonly<Record<string, string>> {
  return engine === cpuEngine ? { sparse: "off" } : { sparse: "off", coded: "on" };
}

async function run(engine: Engine, model: Graph, options: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const session = await engine.compile(model, context, options);
  const scores: TypedArray[] = [];
  for (let i = 0; i < SAMPLES; i++) scores.push((await session.run([digits.sample(i)]))[0]!);
  const layers = session.placement().filter(({ op, kernel }) => (op === "Conv2D" || op === "Dense") && !kernel.includes("im2col"));
  const { weights } = session.memory();
  session.dispose();
  return { scores, layers, weights };
}

const right = ({ scores }: Ran): number => scores.filter((score, i) => argmax(score) === digits.labels[i]).length;

function weightsOf(model: Graph): readonly Tensor[] {
  return [...model.tensors.values()].filter(({ code }) => code?.kind === "int8Codebook");
}

function expanded(model: Graph): Graph {
  return { ...model, tensors: new Map(weightsOf(model).reduce((all, w) => all.set(w.name, withoutCode(w)), new Map(model.tensors))) };
}

const ENGINES: readonly (readonly [string, Engine])[] = [
  ["cpu", cpuEngine],
  ["wasm", wasmEngine],
  ["webgpu", webgpuEngine],
];

describe("LeNet-5 cluster:16+int8", () => {
  it("has a code for every layer, and keeps its accuracy", async () => {
    expect(weightsOf(graph)).toHaveLength(5);
    expect(right(await run(cpuEngine, graph))).toBeGreaterThanOrEqual(right(await run(cpuEngine, original)) - 2);
  });

  it.each(ENGINES)("runs from the indices on %s, with the bits of expanded weights", async (_, engine) => {
    const { scores, layers, weights } = await run(engine, graph, keeping(engine));
    expect(scores).toEqual((await run(cpuEngine, expanded(graph))).scores);
    expect(layers).toHaveLength(5);
    for (const { kernel, why } of layers) {
      expect(kernel).toContain("codebook4");
      expect(why).toMatch(/^\d+ shared values an output, 4-bit indices/);
    }
    const codes = weightsOf(graph).reduce((sum, { code }) => sum + codeBytes(code!), 0);
    const elements = weightsOf(graph).reduce((sum, { data }) => sum + data!.length, 0);
    const plain = (await run(engine, expanded(graph), keeping(engine))).weights;
    expect(codes).toBeLessThan(0.6 * elements);
    expect(weights).toBeGreaterThanOrEqual(codes);
    // Biases, scales and padding are the same in both; what is saved is nearly half a byte a weight.
    expect(plain - weights).toBeGreaterThan(0.75 * (elements - codes));
  });

  it.each(ENGINES)("by default keeps them on %s, or says what that would cost", async (_, engine) => {
    const { layers } = await run(engine, graph);
    for (const { kernel, why = "" } of layers) {
      if (kernel.includes("codebook4"))
        expect(why).toMatch(/^\d+ shared values an output, 4-bit indices(; expanded they would run [12]\.\d times as fast)?$/);
      else
        expect(why).toMatch(
          /; its code \(\d+ shared values an output, 4-bit indices\) (would take [3-9]\.\d times as long|would skip none)$/,
        );
    }
  });

  it("notices one wrong index", async () => {
    const [w] = weightsOf(graph);
    if (w?.code?.kind !== "int8Codebook") throw new Error("codebook expected");
    const indices = w.code.indices.map((index, i) => (i === 12 ? (index + 5) % 16 : index));
    const wrong = { ...graph, tensors: new Map(graph.tensors).set(w.name, { ...w, code: { ...w.code, indices } }) };
    const { scores } = await run(cpuEngine, expanded(graph));
    for (const [, engine] of ENGINES) expect((await run(engine, wrong, keeping(engine))).scores).not.toEqual(scores);
  });
});
