/**
 * The calibration pass: a float graph runs over the samples, and every float tensor that it computes leaves a histogram. One pass and a fixed number of
 * bytes for each tensor, however many samples.
 */
import { FormatError, UsageError } from "../../errors.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import { tensorOf } from "../../graph/access.ts";
import type { Graph } from "../../graph/ir.ts";
import type { CompressContext } from "../steps.ts";
import { MINMAX, movingAverage, rangeFor } from "./calibrators.ts";
import type { Calibrator, TensorStatistics } from "./calibrators.ts";
import { Histogram, extentOf } from "./histogram.ts";
import type { Range } from "./params.ts";

export interface Calibration {
  /** Of float graph inputs and every float tensor that a node writes. */
  readonly statistics: ReadonlyMap<string, TensorStatistics>;
  readonly samples: number;
}

/**
 * @param step text of the recipe step, for messages
 * @param calibrator "moving" averages while the samples pass; the others only read the histograms
 * @throws UsageError without samples, FormatError on a value that is not finite
 */
export async function calibrate(
  graph: Graph,
  context: CompressContext,
  step: string,
  calibrator: Calibrator = MINMAX,
): Promise<Calibration> {
  const statistics = new Map<string, { readonly histogram: Histogram; moving?: Range }>();
  const samples = await observeSamples(graph, context, step, (name, data) => {
    let seen = statistics.get(name);
    if (seen === undefined) statistics.set(name, (seen = { histogram: new Histogram() }));
    const extent = extentOf(data);
    if (extent === undefined) {
      throw new FormatError(`calibration: tensor "${name}" takes a value that is not finite. Check the model and the dataset`);
    }
    seen.histogram.add(data, extent);
    if (calibrator.kind === "moving") seen.moving = movingAverage(seen.moving, extent, calibrator.average);
  });
  return { statistics, samples };
}

/** @param levels steps of the integer grid */
export function rangesOf({ statistics }: Calibration, calibrator: Calibrator, levels = 255): ReadonlyMap<string, Range> {
  return new Map([...statistics].map(([name, seen]) => [name, rangeFor(seen, calibrator, levels)]));
}

/**
 * Runs the graph over the calibration samples and shows its float tensors.
 * @returns how many samples there were
 * @throws UsageError without samples
 */
export async function observeSamples(
  graph: Graph,
  context: CompressContext,
  step: string,
  visit: (name: string, data: TypedArray) => void,
): Promise<number> {
  if (context.calibration === undefined || context.observe === undefined) {
    throw new UsageError(`recipe step ${step}: needs calibration samples. Name a dataset with --dataset`);
  }
  const observer = context.observe(graph);
  const floats = new Set([...graph.tensors.keys()].filter((name) => tensorOf(graph, name).dtype === "float32"));
  let samples = 0;
  for await (const inputs of context.calibration()) {
    await observer.run(inputs, (name, data) => {
      if (floats.has(name)) visit(name, data);
    });
    samples++;
  }
  if (samples === 0) throw new UsageError(`recipe step ${step}: got 0 calibration samples, expected at least 1. Raise --samples`);
  return samples;
}
