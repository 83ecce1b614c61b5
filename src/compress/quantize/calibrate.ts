/** Min-max calibration: the smallest and largest value that each float tensor took over the calibration samples. */
import { FormatError, UsageError } from "../../errors.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import { tensorOf } from "../../graph/access.ts";
import type { Graph } from "../../graph/ir.ts";
import type { CompressContext } from "../steps.ts";
import type { Range } from "./params.ts";

export interface Calibration {
  /** Float graph inputs and every float tensor that a node writes. */
  readonly ranges: ReadonlyMap<string, Range>;
  readonly samples: number;
}

/**
 * @param step text of the recipe step, for messages
 * @throws UsageError without samples, FormatError on a value that is not finite
 */
export async function calibrate(graph: Graph, context: CompressContext, step: string): Promise<Calibration> {
  if (context.calibration === undefined || context.observe === undefined) {
    throw new UsageError(`recipe step ${step}: needs calibration samples. Name a dataset with --dataset`);
  }
  const ranges = new Map<string, { min: number; max: number }>();
  const visit = (name: string, data: TypedArray): void => {
    if (tensorOf(graph, name).dtype !== "float32") return;
    let range = ranges.get(name);
    if (range === undefined) ranges.set(name, (range = { min: Infinity, max: -Infinity }));
    widen(range, data, name);
  };
  const observer = context.observe(graph);
  let samples = 0;
  for await (const inputs of context.calibration()) {
    await observer.run(inputs, visit);
    samples++;
  }
  if (samples === 0) throw new UsageError(`recipe step ${step}: got 0 calibration samples, expected at least 1. Raise --samples`);
  return { ranges, samples };
}

function widen(range: { min: number; max: number }, data: TypedArray, name: string): void {
  let { min, max } = range;
  let sum = 0;
  for (let i = 0; i < data.length; i++) {
    const x = data[i]!;
    if (x < min) min = x;
    if (x > max) max = x;
    sum += x;
  }
  // NaN compares false with everything and infinities do not add up to a number, so the sum tells both.
  if (!Number.isFinite(sum) && !data.every((x) => Number.isFinite(x))) {
    throw new FormatError(`calibration: tensor "${name}" takes a value that is not finite. Check the model and the dataset`);
  }
  range.min = min;
  range.max = max;
}
