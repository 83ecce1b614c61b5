/** What changes of a model are judged by: samples of its dataset with their labels, or seeded noise where it has none. */
import { graphStats } from "../compress/stats.ts";
import type { Graph } from "../graph/ir.ts";
import { classesOf, feederFor } from "../data/feed.ts";
import { sampleIndices } from "../harness/order.ts";
import { randomInputs } from "../harness/prepare.ts";
import type { Inputs, PreparedModel } from "../harness/prepare.ts";

export interface Samples {
  /** How many; an inference takes `batch` of them, the last one fewer. */
  readonly n: number;
  readonly batch: number;
  readonly inferences: number;
  readonly inputs: (inference: number) => Inputs;
  /** Absent for noise. */
  readonly labelled?: { readonly indices: Int32Array; readonly labels: readonly number[]; readonly classes: number; readonly seed: number };
}

/** Multiply-accumulates of all samples of one change, about: a second or two. By the model's size, not by a clock, so that results repeat. */
const AFFORDABLE_MACS = 1e10;
const RUNGS = [100, 200, 500, 1000, 2000] as const;
const NOISE_SAMPLES = 64;

/** How many samples judge a change where nobody says. */
export function defaultSamples(graph: Graph): number {
  const affordable = AFFORDABLE_MACS / Math.max(1, graphStats(graph).totals.macs);
  return RUNGS.filter((rung) => rung <= affordable).at(-1) ?? RUNGS[0];
}

/** @param most of the dataset's test samples, the first of a shuffle; of noise, 64 unless said otherwise */
export function openSamples({ graph, dataset }: PreparedModel, most: number | undefined, seed: number): Samples {
  if (dataset === undefined) {
    const n = most ?? NOISE_SAMPLES;
    return { n, batch: 1, inferences: n, inputs: (i) => randomInputs(graph, seed + i) };
  }
  const { test } = dataset;
  const feeder = feederFor(graph, test);
  const indices = sampleIndices(test.count, Math.min(test.count, most ?? defaultSamples(graph)), seed);
  const { batch } = feeder;
  return {
    n: indices.length,
    batch,
    inferences: Math.ceil(indices.length / batch),
    inputs: (i) => feeder.inputs(indices.subarray(i * batch, (i + 1) * batch)),
    labelled: { indices, labels: test.labels, classes: classesOf(graph, test, batch), seed },
  };
}
