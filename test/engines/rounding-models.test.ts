/**
 * Real int8 models in all three ways of rounding: DS-CNN as TensorFlow Lite quantized it, and ResNet-8 quantized here. Every engine gives the same
 * bytes; against rounding in float32, few outputs move, by a step or so, and answers hardly.
 */
import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { evaluateNode } from "../../src/engines/cpu/evaluate.ts";
import { cpuEngine } from "../../src/engines/cpu/index.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import type { Engine, EngineContext } from "../../src/engines/engine.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import type { SharedDevice } from "../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../src/engines/webgpu/index.ts";
import { importModel } from "../../src/formats/detect.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { context as wasmContext } from "./wasm/context.ts";
import { keepDevice, testContext } from "./webgpu/context.ts";

const TINY = new URL("../../../shared/tiny/", import.meta.url);
const present = existsSync(new URL("kws_ref_model.tflite", TINY));
const MODES = ["float", "double", "single"] as const;
type Mode = (typeof MODES)[number];
/** Software adapters take long. */
const ON_GPU = 8;

let shared: SharedDevice;
let gpuContext: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  gpuContext = await testContext();
});
afterAll(() => {
  shared.release();
});

function open(file: string): Graph {
  return importModel(new Uint8Array(readFileSync(new URL(file, TINY))), { name: file, evaluate: evaluateNode });
}

async function outputsOf(graph: Graph, inputs: readonly TypedArray[], engine: Engine, context: EngineContext): Promise<TypedArray[]> {
  const session = await engine.compile(graph, context, {});
  const outputs: TypedArray[] = [];
  for (const input of inputs) outputs.push((await session.run([input]))[0]!);
  session.dispose();
  return outputs;
}

/** Outputs in every mode, once every engine has given the same. */
async function inAllModes(graphs: Readonly<Record<Mode, Graph>>, inputs: readonly TypedArray[]): Promise<Record<Mode, TypedArray[]>> {
  const found: Partial<Record<Mode, TypedArray[]>> = {};
  for (const mode of MODES) {
    const expected = await outputsOf(graphs[mode], inputs, cpuEngine, wasmContext);
    expect(await outputsOf(graphs[mode], inputs, wasmEngine, wasmContext)).toEqual(expected);
    expect(await outputsOf(graphs[mode], inputs.slice(0, ON_GPU), webgpuEngine, gpuContext)).toEqual(expected.slice(0, ON_GPU));
    found[mode] = expected;
  }
  return found as Record<Mode, TypedArray[]>;
}

const argmax = (values: TypedArray): number => values.indexOf(Math.max(...Array.from(values)));

/** How many outputs differ from those of the other run, and by how much at most. */
function distance(
  a: readonly TypedArray[],
  b: readonly TypedArray[],
): { readonly moved: number; readonly most: number; readonly answers: number } {
  const steps = a.flatMap((values, i) => Array.from(values, (v, k) => Math.abs(v - b[i]![k]!)));
  return {
    moved: steps.filter((step) => step > 0).length,
    most: Math.max(...steps),
    answers: a.filter((values, i) => argmax(values) !== argmax(b[i]!)).length,
  };
}

async function modesOf(graph: Graph): Promise<Record<Mode, Graph>> {
  const graphs: Partial<Record<Mode, Graph>> = { float: graph };
  for (const mode of ["double", "single"] as const) graphs[mode] = (await applyRecipe(graph, parseRecipe(`requantize:${mode}`), {})).graph;
  return graphs as Record<Mode, Graph>;
}

describe.skipIf(!present)("rounding of MLPerf Tiny models (skipped where ../shared/tiny is absent)", () => {
  it("keyword spotting of TensorFlow Lite: 200 samples", async () => {
    const { labels } = JSON.parse(readFileSync(new URL("kws01_first200.json", TINY), "utf8")) as { labels: number[] };
    const samples = new Int8Array(new Uint8Array(readFileSync(new URL("kws01_first200.int8.bin", TINY))).buffer);
    const inputs = labels.map((_, i) => samples.slice(i * 490, (i + 1) * 490));
    const found = await inAllModes(await modesOf(open("kws_ref_model.tflite")), inputs);
    const right = (mode: Mode): number => found[mode].filter((output, i) => argmax(output) === labels[i]).length;
    expect(MODES.map(right)).toEqual([183, 183, 183]);
    // Of 2,400 outputs. Rounding twice moves a sum just below a half; once differs from float32 in ties alone, and in what float32 cannot hold.
    expect(distance(found.double, found.float)).toEqual({ moved: 174, most: 22, answers: 2 });
    expect(distance(found.single, found.float)).toEqual({ moved: 0, most: 0, answers: 0 });
  });

  it("ResNet-8, quantized here: 64 seeded inputs", async () => {
    let x = 1;
    const image = (): Float32Array =>
      Float32Array.from({ length: 32 * 32 * 3 }, () => (x = (Math.imul(x, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5);
    const calibration = Array.from({ length: 16 }, () => [image()]);
    const inputs = Array.from({ length: 64 }, image);
    const { graph } = await applyRecipe(open("pretrainedResnet.tflite"), parseRecipe("int8"), {
      observe: observeGraph,
      calibration: () => calibration,
    });
    const found = await inAllModes(await modesOf(graph), inputs);
    const [double, single] = [distance(found.double, found.float), distance(found.single, found.float)];
    expect(double.moved).toBeGreaterThan(single.moved);
    expect(single.moved).toBeGreaterThan(0);
    // Steps of the softmax are 1/256.
    for (const { most, answers } of [double, single]) {
      expect(most).toBeLessThanOrEqual(8 / 256);
      expect(answers).toBeLessThanOrEqual(4);
    }
  });
});
