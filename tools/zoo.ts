/**
 * `npm run zoo [-- NAME… --epochs N --lasso-scale X --dry-run]`: trains the suite's own models on MNIST and writes
 * suites/models/NAME.onnx. Everything is seeded: the same Node version writes the same bytes. Prints accuracy on the test set after
 * each epoch, and at the end what one-shot block pruning would leave; neither decides anything (no early stopping, no choice of
 * epoch). Fails, and writes nothing, below the model's accuracy goal.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readDataset, resolveDataset } from "../src/data/index.ts";
import { exportOnnx } from "../src/formats/onnx/export.ts";
import { pruneBlocks, shrinkBlocks, shrinkWeights, zeroBlockShare, zeroShare } from "../src/train/block-sparsity.ts";
import type { Compute } from "../src/train/compute.ts";
import { wasmCompute } from "../src/train/compute-wasm.ts";
import type { Parameter } from "../src/train/layer.ts";
import { localExecutor, train } from "../src/train/loop.ts";
import { buildNetwork, parameterCount, type Network } from "../src/train/network.ts";
import { cosineSchedule, sgd } from "../src/train/optimizer.ts";
import { evaluate, shardRunner, type TrainingSet } from "../src/train/shard.ts";
import { networkToGraph } from "../src/train/to-graph.ts";
import { ARCHITECTURES, type Architecture } from "./zoo-architectures.ts";
import { compileTrainingKernels } from "./zoo-kernels.ts";

const SEED = 1;
const BATCH = 128;
const SHARDS = 2;
const WARMUP_STEPS = 200;
const MEMORY_MEGABYTES = 512;
const AUGMENTATION = { shift: 2, rotation: 10, scale: 0.1 };
const MODELS = new URL("../suites/models/", import.meta.url);

async function mnist(split: "test" | "train"): Promise<TrainingSet> {
  const dataset = readDataset(await resolveDataset("mnist", split));
  const [, height = 0, width = 0] = dataset.input.shape;
  const pixels = new Uint8Array(dataset.count * height * width);
  for (let i = 0; i < dataset.count; i++)
    pixels.set(
      Uint8Array.from(dataset.sample(i), (value) => Math.round(value * 255)),
      i * height * width,
    );
  return { height, width, pixels, labels: Uint8Array.from(dataset.labels), valueScale: 1 / 255 };
}

/** Accuracy after zeroing the share of blocks in every inner layer; the weights are put back. */
function accuracyPruned(network: Network, sparsity: number, accuracy: () => number): number {
  const inner = innerWeights(network);
  const saved = inner.map((p) => p.value.slice());
  for (const p of inner) pruneBlocks(p.value, p.shape, sparsity);
  const result = accuracy();
  inner.forEach((p, i) => p.value.set(saved[i]!));
  return result;
}

/** Prunable weights but the first and the last layer's: the ones that carry the most information a weight. */
function innerWeights(network: Network): Network["parameters"] {
  return network.parameters.filter((p) => p.prunable).slice(1, -1);
}

interface Shrinkage {
  readonly weights: Parameter;
  /** Times the learning rate: by how much a step shrinks. */
  readonly strength: number;
  readonly shrink: (weights: Parameter, amount: number) => void;
  readonly what: string;
}

/** The weights of layers that have a strength. */
function shrinkage(
  parameters: readonly Parameter[],
  strengths: Readonly<Record<string, number>>,
  scale: number,
  shrink: Shrinkage["shrink"],
  what: string,
): readonly Shrinkage[] {
  return parameters.flatMap((weights) => {
    const strength = weights.prunable ? strengths[weights.name.replace(/\.weight$/, "")] : undefined;
    return strength === undefined ? [] : [{ weights, strength: scale * strength, shrink, what }];
  });
}

async function trainModel(
  architecture: Architecture,
  compute: Compute,
  sets: { train: TrainingSet; test: TrainingSet },
  { lassoScale, dryRun }: { lassoScale: number; dryRun: boolean },
): Promise<void> {
  const { name, layers, epochs, learningRate, weightDecay, groupLasso = {}, lasso = {} } = architecture;
  const network = buildNetwork(name, [sets.train.height, sets.train.width, 1], layers, { compute, maxBatch: BATCH / SHARDS, seed: SEED });
  const accuracy = evaluate(network, sets.test, (length) => compute.allocate(length));
  const run = shardRunner(network, sets.train, (length) => compute.allocate(length));
  const inner = innerWeights(network);
  const shrunk = [
    ...shrinkage(inner, groupLasso, lassoScale, shrinkBlocks, "group lasso"),
    ...shrinkage(network.parameters, lasso, lassoScale, shrinkWeights, "lasso"),
  ];
  const strengths = shrunk.map(({ weights, strength, what }) => `${what} ${weights.name} ${strength}`).join(", ");
  console.log(`${name}: ${parameterCount(network)} parameters, ${epochs} epochs, ${strengths}`);
  const samples = sets.train.labels.length;
  await train(network, sgd(network.parameters, { momentum: 0.9, weightDecay }), localExecutor(network, run), {
    samples,
    epochs,
    batch: BATCH,
    shards: SHARDS,
    seed: SEED,
    augmentation: AUGMENTATION,
    learningRate: cosineSchedule(learningRate, epochs * Math.floor(samples / BATCH), WARMUP_STEPS),
    afterStep: (rate) => {
      for (const { weights, strength, shrink } of shrunk) shrink(weights, rate * strength);
    },
    afterEpoch: ({ epoch, loss, seconds }) => {
      console.log(`${name} epoch ${epoch}: loss ${loss.toFixed(4)}, test ${percent(accuracy())}, ${seconds.toFixed(0)} s`);
    },
  });
  const reached = accuracy();
  if (reached < architecture.accuracy) {
    throw new Error(`${name}: ${percent(reached)} on the test set, expected at least ${percent(architecture.accuracy)}`);
  }
  if (architecture.lasso !== undefined) {
    const weights = network.parameters.filter((p) => p.prunable);
    console.log(`${name} weights already zero: ${weights.map((p) => `${p.name} ${percent(zeroShare(p))}`).join(", ")}`);
  }
  for (const sparsity of architecture.groupLasso === undefined ? [] : [0.5, 0.7, 0.8]) {
    console.log(`${name} with ${percent(sparsity, 0)} of 1×8 blocks pruned: test ${percent(accuracyPruned(network, sparsity, accuracy))}`);
  }
  if (architecture.groupLasso !== undefined)
    console.log(`${name} blocks already zero: ${inner.map((p) => `${p.name} ${percent(zeroBlockShare(p), 0)}`).join(", ")}`);
  if (dryRun) return;
  const bytes = exportOnnx(networkToGraph(network));
  const path = fileURLToPath(new URL(`${name}.onnx`, MODELS));
  writeFileSync(path, bytes);
  console.log(`${path}: ${bytes.length} bytes, ${percent(reached)} on the test set`);
}

function percent(share: number, decimals = 2): string {
  return `${(share * 100).toFixed(decimals)} %`;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { epochs: { type: "string" }, "lasso-scale": { type: "string" }, "dry-run": { type: "boolean", default: false } },
    allowPositionals: true,
  });
  const unknown = positionals.find((name) => !ARCHITECTURES.some((architecture) => architecture.name === name));
  if (unknown !== undefined) throw new Error(`zoo: no model "${unknown}", expected ${ARCHITECTURES.map((a) => a.name).join(" or ")}`);
  const number = (option: "epochs" | "lasso-scale", fallback: number): number => {
    const value = values[option] === undefined ? fallback : Number(values[option]);
    if (!Number.isFinite(value) || value < 0) throw new Error(`zoo: --${option} "${values[option] ?? ""}", expected a number of 0 or more`);
    return value;
  };
  const kernels = compileTrainingKernels();
  const sets = { train: await mnist("train"), test: await mnist("test") };
  for (const known of ARCHITECTURES) {
    if (positionals.length > 0 && !positionals.includes(known.name)) continue;
    const architecture = { ...known, epochs: number("epochs", known.epochs) };
    const options = { lassoScale: number("lasso-scale", 1), dryRun: values["dry-run"] };
    await trainModel(architecture, wasmCompute(kernels, MEMORY_MEGABYTES), sets, options);
  }
}

await main();
