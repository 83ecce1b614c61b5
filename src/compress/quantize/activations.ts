/** From a step's options and the calibration samples, or a table, to the range of each activation, with a word on ranges that few values drive. */
import { FormatError } from "../../errors.ts";
import type { Graph } from "../../graph/ir.ts";
import { producersOf } from "../../graph/access.ts";
import type { CalibrationOptions } from "../recipe-calibrate.ts";
import type { CompressContext } from "../steps.ts";
import { calibrate, rangesOf } from "./calibrate.ts";
import type { Calibration } from "./calibrate.ts";
import { MINMAX, percentileRange } from "./calibrators.ts";
import { pinnedParams } from "./grid.ts";
import type { Range } from "./params.ts";
import { rangesFromTable, tableOf } from "./table.ts";

/** A range is driven by few values where so many percent of them would need so many bits less. */
const BULK = { percentile: 99.9, bits: 2 } as const;

export interface ActivationRanges {
  /** Of float graph inputs and every float tensor that a node writes. */
  readonly ranges: ReadonlyMap<string, Range>;
  readonly notes: readonly string[];
}

/**
 * @param step text of the recipe step, for messages
 * @param levels steps of the integer grid
 * @throws UsageError without samples, or with a table of something else; FormatError on values that are not finite and on bad tables
 */
export async function activationRanges(
  graph: Graph,
  options: CalibrationOptions,
  context: CompressContext,
  step: string,
  levels = 255,
): Promise<ActivationRanges> {
  const { calibrator = MINMAX, table } = options;
  if (table !== undefined) {
    const ranges = rangesFromTable(table, graph, options.calibrator, step);
    const missing = observed(graph).find((name) => !ranges.has(name));
    if (missing !== undefined) throw new FormatError(`${table}: ranges: tensor "${missing}" is missing. Calibrate again`);
    return { ranges, notes: [] };
  }
  const calibration = await calibrate(graph, context, step, calibrator);
  const ranges = rangesOf(calibration, calibrator, levels);
  context.onCalibration?.(tableOf(graph, calibrator, { ranges, samples: calibration.samples }));
  return { ranges, notes: outlierNotes(graph, calibration, ranges) };
}

/** Names of the tensors that calibration sees. */
function observed(graph: Graph): readonly string[] {
  const written = [...graph.inputs, ...graph.nodes.flatMap((node) => node.outputs)];
  return written.filter((name) => graph.tensors.get(name)?.dtype === "float32");
}

function outlierNotes(graph: Graph, { statistics }: Calibration, ranges: ReadonlyMap<string, Range>): readonly string[] {
  const writers = producersOf(graph);
  const notes: string[] = [];
  for (const [name, { histogram }] of statistics) {
    const writer = writers.get(name);
    if (writer !== undefined && pinnedParams(writer) !== undefined) continue;
    const { min, max } = ranges.get(name)!;
    const bulk = percentileRange(histogram, BULK.percentile);
    const bits = Math.log2(width({ min, max }) / width(bulk));
    if (!(bits >= BULK.bits)) continue;
    const [range, most] = [{ min, max }, bulk].map((r) => `${shortNumber(r.min)}..${shortNumber(r.max)}`);
    notes.push(
      `the range ${range} of "${name}" is driven by few values: ${BULK.percentile} % lie within ${most}, and get ${bits.toFixed(1)} bits less. ` +
        "Try calibrator=percentile or calibrator=mse",
    );
  }
  return notes;
}

/** Of the grid that holds a range and 0. */
function width({ min, max }: Range): number {
  return Math.max(max, 0) - Math.min(min, 0);
}

function shortNumber(x: number): string {
  return String(Number(x.toPrecision(3)));
}
