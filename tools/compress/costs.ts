/** What compressing itself costs: time and memory of the steps that could take much of either. */
import { applyRecipe } from "../../src/compress/apply.ts";
import { clusterValues } from "../../src/compress/cluster/kmeans.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { feederFor } from "../../src/data/feed.ts";
import { readDataset, resolveDataset } from "../../src/data/index.ts";
import { mulberry32 } from "../../src/data/random.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import { openModel } from "../../src/harness/model.ts";
import { sampleIndices } from "../../src/harness/order.ts";

export interface Cost {
  readonly what: string;
  readonly value: number;
  readonly unit: "s" | "MB";
  /** Of this process on its processors: what is left of `value` when others take their share of them. */
  readonly processorSeconds: number;
  readonly atMost: number;
}

const SEED = 1;
const DSNET = new URL("../../suites/models/dsnet.onnx", import.meta.url).pathname;

export async function measureCosts(): Promise<readonly Cost[]> {
  return [kmeansCost(), await quantizeCost(), await memoryCost()];
}

function kmeansCost(): Cost {
  const random = mulberry32(SEED);
  // Normal by Box and Muller: about as weights are.
  const weights = Float32Array.from({ length: 1_000_000 }, () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
  const clock = startClock();
  clusterValues(weights, 256, false);
  return { what: "k-means of 1,000,000 weights, 256 shared values", ...clock(), unit: "s", atMost: 3 };
}

async function quantizeCost(): Promise<Cost> {
  const { graph } = await openModel(DSNET);
  const { calibration } = await samplesOf(graph, 500);
  const clock = startClock();
  await applyRecipe(graph, parseRecipe("int8"), { calibration, observe: observeGraph });
  return { what: "int8 of dsnet, calibrated on 500 samples", ...clock(), unit: "s", atMost: 5 };
}

/** Resident memory beyond what the model, the dataset and ten samples take. */
async function memoryCost(): Promise<Cost> {
  const { graph } = await openModel(DSNET);
  const few = await samplesOf(graph, 10);
  await applyRecipe(graph, parseRecipe("int8"), { calibration: few.calibration, observe: observeGraph });
  const many = await samplesOf(graph, 10_000);
  const before = process.memoryUsage.rss();
  let most = before;
  const watched = function* (): Generator<readonly TypedArray[]> {
    let i = 0;
    for (const sample of many.calibration()) {
      if (i++ % 100 === 0) most = Math.max(most, process.memoryUsage.rss());
      yield sample;
    }
  };
  const clock = startClock();
  await applyRecipe(graph, parseRecipe("int8,calibrator=entropy"), { calibration: watched, observe: observeGraph });
  most = Math.max(most, process.memoryUsage.rss());
  const { processorSeconds } = clock();
  const what = "growth of resident memory: int8,calibrator=entropy of dsnet on 10,000 samples";
  return { what, value: (most - before) / 1e6, unit: "MB", processorSeconds, atMost: 300 };
}

async function samplesOf(
  graph: Parameters<typeof feederFor>[0],
  count: number,
): Promise<{ readonly calibration: () => Iterable<readonly TypedArray[]> }> {
  const train = readDataset(await resolveDataset("mnist", "train"));
  const feeder = feederFor(graph, train);
  const indices = sampleIndices(train.count, count, SEED);
  return {
    calibration: function* () {
      for (const i of indices) yield feeder.inputs([i]);
    },
  };
}

function startClock(): () => { readonly value: number; readonly processorSeconds: number } {
  const [begin, cpu] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { value: (performance.now() - begin) / 1000, processorSeconds: (user + system) / 1e6 };
  };
}
