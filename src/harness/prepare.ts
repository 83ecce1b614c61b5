/**
 * Everything about a model, and about a model under one recipe, that does not depend on the target: import, compression, the file's
 * size, the samples that outputs are compared on, and what the CPU engine says about them. Done once in this process; the graph goes
 * to the children as a file.
 */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StepReport } from "../compress/apply.ts";
import { calibrates, calibrationSeed } from "../compress/recipe-calibrate.ts";
import type { Recipe } from "../compress/recipe.ts";
import { modelSize, weightSize } from "../compress/size.ts";
import { graphStats } from "../compress/stats.ts";
import type { Dataset } from "../data/dataset.ts";
import { mulberry32 } from "../data/random.ts";
import type { Session } from "../engines/engine.ts";
import { integerRange } from "../graph/numerics.ts";
import { UnavailableError } from "../errors.ts";
import { tensorOf } from "../graph/access.ts";
import { createArray, elementCount, isFloat } from "../graph/dtype.ts";
import type { TypedArray } from "../graph/dtype.ts";
import type { Graph } from "../graph/ir.ts";
import { graphTrees } from "../graph/tree.ts";
import { serializeGraph } from "../graph/serialize.ts";
import type { Compute, Size } from "../results/schema.ts";
import { feederFor } from "../data/feed.ts";
import { openLabelled } from "./labelled.ts";
import { isKernelModel } from "./kernels/shape.ts";
import { openModel } from "./model.ts";
import { sampleIndices } from "./order.ts";
import type { Outputs } from "./parity.ts";
import type { PlannedModel } from "./plan.ts";
import { asDatasetHeader } from "./sample-file.ts";
import { sparseGain } from "./sparse-gain.ts";

/** Inputs of one inference, in the graph's order. */
export type Inputs = readonly TypedArray[];

export interface OpenedDataset {
  /** Header of the test set: what a child opens. */
  readonly path: string;
  readonly test: Dataset;
  /** Header of the samples to calibrate on; the test set itself where the user's dataset names no other. */
  readonly trainPath: string;
}

export interface PreparedModel {
  readonly planned: PlannedModel;
  readonly graph: Graph;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly dataset?: OpenedDataset;
  /** Reading and importing the file. */
  readonly importMs: number;
}

export interface PreparedPair {
  readonly model: PreparedModel;
  readonly recipe: Recipe;
  readonly graph: Graph;
  /** The serialized graph, for the children. */
  readonly graphPath: string;
  readonly size: Size;
  readonly compute: Compute;
  readonly steps: readonly StepReport[];
  /** Inferences whose outputs are compared, and which timing rotates over. */
  readonly inputs: readonly Inputs[];
  /** The CPU engine's outputs for them. */
  readonly expected: readonly Outputs[];
}

/** About so many multiply-accumulates go into calibration: some seconds on the CPU engine. */
const CALIBRATION_MACS = 1e9;
/** A single layer calibrates on noise of other seeds than it is compared on. */
const LAYER_CALIBRATION = { seed: 1000, samples: 4 } as const;
const CALIBRATION_SAMPLES = { least: 32, most: 512 } as const;

/**
 * @param folder for files that the children read
 * @throws FormatError, ShapeError, UsageError: the model or its dataset cannot be used
 */
export async function prepareModel(planned: PlannedModel, folder: string): Promise<PreparedModel> {
  const begin = performance.now();
  const { graph, bytes } = await openModel(planned.path, { shapes: planned.shapes });
  const importMs = performance.now() - begin;
  const dataset = planned.dataset === undefined ? undefined : await openDataset(planned.dataset, graph, folder);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { planned, graph, bytes, sha256, importMs, ...(dataset === undefined ? {} : { dataset }) };
}

async function openDataset(name: string, graph: Graph, folder: string): Promise<OpenedDataset> {
  const { resolveDataset, readDataset } = await import("../data/index.ts");
  const word = name.endsWith(".json") ? asDatasetHeader(name, folder) : name;
  const path = await resolveDataset(word, "test");
  const test = readDataset(path);
  feederFor(graph, test);
  return { path, test, trainPath: await resolveDataset(word, "train") };
}

/** @param folder where the graph file goes */
export async function preparePair(
  model: PreparedModel,
  recipe: Recipe,
  options: {
    readonly folder: string;
    readonly seed: number;
    readonly paritySamples: number;
    /** Leave out what packing the file takes seconds to find out. */
    readonly weightsOnly?: boolean;
  },
): Promise<PreparedPair> {
  const { graph, steps } = await compressModel(model, recipe, options.seed);
  const graphPath = join(
    options.folder,
    `${model.planned.name}-${createHash("sha256").update(recipe.text).digest("hex").slice(0, 12)}.graph`,
  );
  await writeFile(graphPath, serializeGraph(graph));
  const inputs = sampleInputs(graph, model.dataset?.test, options.paritySamples, options.seed);
  return {
    model,
    recipe,
    graph,
    graphPath,
    size: options.weightsOnly === true ? weightSize(graph) : await modelSize(graph, await artifactOf(model, graph, recipe)),
    compute: computeOf(graph),
    steps,
    inputs,
    expected: await referenceOutputs(graph, inputs),
  };
}

/** Trees have nodes and no multiply-accumulates. */
function computeOf(graph: Graph): Compute {
  const { macs, effectiveMacs } = graphStats(graph).totals;
  const trees = graphTrees(graph);
  return {
    ...((trees === undefined || macs > 0) && { macs, effectiveMacs }),
    ...(trees && { trees: trees.trees, treeNodes: trees.nodes, treeLeaves: trees.leaves, treeDepth: trees.depth }),
  };
}

/**
 * The model under a recipe, as every record of it is made.
 * @param onNoise calibrate on noise where there is no dataset, rather than fail: for what is not a record
 * @throws what the steps throw
 */
export async function compressModel(
  model: PreparedModel,
  recipe: Recipe,
  seed: number,
  onNoise = false,
): Promise<{ readonly graph: Graph; readonly steps: readonly StepReport[] }> {
  const [{ applyRecipe }, { observeGraph }] = await Promise.all([import("../compress/apply.ts"), import("../engines/cpu/observe.ts")]);
  const calibration = await openCalibration(model, recipe, calibrationSeed(recipe) ?? seed, onNoise);
  return applyRecipe(model.graph, recipe, {
    observe: observeGraph,
    sparseGain: sparseGain(),
    ...(calibration === undefined ? {} : { calibration }),
    ...(model.dataset !== undefined && { labelled: openLabelled(model.dataset.trainPath) }),
  });
}

async function openCalibration(
  model: PreparedModel,
  recipe: Recipe,
  seed: number,
  onNoise: boolean,
): Promise<(() => Iterable<Inputs>) | undefined> {
  if (!calibrates(recipe)) return undefined;
  if (isKernelModel(model.planned.path) || (onNoise && model.dataset === undefined)) {
    return () => Array.from({ length: LAYER_CALIBRATION.samples }, (_, i) => randomInputs(model.graph, seed + LAYER_CALIBRATION.seed + i));
  }
  if (model.dataset === undefined) {
    throw new UnavailableError(
      "no-calibration-data",
      `recipe ${recipe.text}: calibrates on training samples, but model ${model.planned.name} has no dataset`,
      "Name one with --dataset",
    );
  }
  const { readDataset } = await import("../data/index.ts");
  const train = readDataset(model.dataset.trainPath);
  const indices = sampleIndices(train.count, calibrationSamples(model.graph), seed);
  return function* () {
    const feeder = feederFor(model.graph, train);
    for (let i = 0; i + feeder.batch <= indices.length; i += feeder.batch) yield feeder.inputs(indices.subarray(i, i + feeder.batch));
  };
}

/** How many training samples an int8 step sees: by the model's size, not by a clock, so that the result does not depend on the machine. */
export function calibrationSamples(graph: Graph): number {
  const affordable = Math.round(CALIBRATION_MACS / Math.max(1, graphStats(graph).totals.macs));
  return Math.min(CALIBRATION_SAMPLES.most, Math.max(CALIBRATION_SAMPLES.least, affordable));
}

/**
 * The original weighs what its file weighs; a compressed model what it takes as ONNX. Trees weigh that from the start: their JSON carries what
 * pruning needs, and before and after should say what the nodes weigh.
 */
export async function artifactOf(model: PreparedModel, graph: Graph, recipe: Recipe): Promise<Uint8Array> {
  if (recipe.text === "fp32" && graphTrees(graph) === undefined) return model.bytes;
  const { exportOnnx } = await import("../formats/onnx/export.ts");
  return exportOnnx(graph);
}

function sampleInputs(graph: Graph, dataset: Dataset | undefined, count: number, seed: number): readonly Inputs[] {
  if (dataset === undefined) return Array.from({ length: count }, (_, i) => randomInputs(graph, seed + i));
  const feeder = feederFor(graph, dataset);
  const indices = sampleIndices(dataset.count, Math.min(dataset.count, count * feeder.batch), seed);
  const inferences = Math.max(1, Math.floor(indices.length / feeder.batch));
  return Array.from({ length: inferences }, (_, i) => feeder.inputs(indices.subarray(i * feeder.batch, (i + 1) * feeder.batch)));
}

/** Uniform noise: -0.5..0.5 for floats, the whole range for 8-bit integers and int16 on a grid, zeros for indices and flags. */
export function randomInputs(graph: Graph, seed: number): Inputs {
  const random = mulberry32(seed);
  return graph.inputs.map((name) => {
    const { dtype, shape, quant } = tensorOf(graph, name);
    const array = createArray(dtype, elementCount(shape));
    if (isFloat(dtype)) return array.map(() => random() - 0.5);
    if (dtype !== "int8" && dtype !== "uint8" && (dtype !== "int16" || quant === undefined)) return array;
    const [min, max] = integerRange(dtype);
    return array.map(() => min + Math.floor(random() * (max - min + 1)));
  });
}

/** What the CPU engine computes, one inference after the other, in this process. */
export async function referenceOutputs(graph: Graph, inputs: readonly Inputs[]): Promise<readonly Outputs[]> {
  const session = await openReference(graph);
  try {
    const outputs: Outputs[] = [];
    for (const one of inputs) outputs.push(await session.run(one));
    return outputs;
  } finally {
    session.dispose();
  }
}

async function openReference(graph: Graph): Promise<Session> {
  const { cpuEngine } = await import("../engines/cpu/index.ts");
  return cpuEngine.compile(
    graph,
    { readAsset: () => Promise.reject(new Error("internal: the cpu engine reads no assets")), now: () => performance.now() },
    {},
  );
}
