/**
 * Calibration tables: the ranges that a calibration found, as a JSON file, so that a later run has them without samples. A table says which graph it is
 * of, by a fingerprint of structure and weights, and which calibrator made it; where either differs it is refused.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { FormatError, UsageError } from "../../errors.ts";
import type { Graph } from "../../graph/ir.ts";
import { serializeGraph } from "../../graph/serialize.ts";
import type { Calibrator } from "./calibrators.ts";
import type { Range } from "./params.ts";

export const TABLE_SCHEMA = "slimbench/calibration@1";

export interface CalibrationTable {
  readonly schema: typeof TABLE_SCHEMA;
  /** For people. */
  readonly model: string;
  /** Of the float graph that was calibrated: after the steps before, and after what the step itself does to float weights. */
  readonly fingerprint: string;
  /** As in a recipe: `minmax`, `percentile,percentile=99.99`. */
  readonly calibrator: string;
  readonly samples: number;
  /** Tensor → [min, max] */
  readonly ranges: Readonly<Record<string, readonly [number, number]>>;
}

export function calibratorText(calibrator: Calibrator): string {
  switch (calibrator.kind) {
    case "moving":
      return `moving,average=${calibrator.average}`;
    case "percentile":
      return `percentile,percentile=${calibrator.percentile}`;
    default:
      return calibrator.kind;
  }
}

export function tableOf(
  graph: Graph,
  calibrator: Calibrator,
  { ranges, samples }: { readonly ranges: ReadonlyMap<string, Range>; readonly samples: number },
): CalibrationTable {
  return {
    schema: TABLE_SCHEMA,
    model: graph.name,
    fingerprint: fingerprintOf(graph),
    calibrator: calibratorText(calibrator),
    samples,
    ranges: Object.fromEntries([...ranges].map(([name, { min, max }]) => [name, [min, max]])),
  };
}

/**
 * @param calibrator the one that the recipe names, if it does
 * @param step text of the recipe step, for messages
 * @throws FormatError where the file is no table, UsageError where it is one of something else
 */
export function rangesFromTable(path: string, graph: Graph, calibrator: Calibrator | undefined, step: string): ReadonlyMap<string, Range> {
  const table = readTable(path);
  const differs = (what: string, got: string, expected: string): UsageError =>
    new UsageError(`recipe step ${step}: ${path} is a table of another ${what}, got ${got}, expected ${expected}. Calibrate again`);
  const fingerprint = fingerprintOf(graph);
  if (table.fingerprint !== fingerprint) {
    throw differs("graph", `"${table.model}" ${table.fingerprint.slice(0, 12)}`, `"${graph.name}" ${fingerprint.slice(0, 12)}`);
  }
  const wanted = calibrator === undefined ? table.calibrator : calibratorText(calibrator);
  if (table.calibrator !== wanted) throw differs("calibrator", table.calibrator, wanted);
  return new Map(Object.entries(table.ranges).map(([name, [min, max]]) => [name, { min, max }]));
}

/** @throws FormatError */
export function readTable(path: string): CalibrationTable {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new FormatError(`${path}: cannot be read as a calibration table. bench compress --save-calibration writes one`, "", error);
  }
  if (!isRecord(value)) throw new FormatError(`${path}: expected an object`);
  const { schema, model, fingerprint, calibrator, samples, ranges } = value;
  if (schema !== TABLE_SCHEMA)
    throw new FormatError(`${path}: schema: got ${schema === undefined ? "none" : JSON.stringify(schema)}, expected "${TABLE_SCHEMA}"`);
  if (typeof model !== "string" || typeof fingerprint !== "string" || typeof calibrator !== "string")
    throw new FormatError(`${path}: expected texts "model", "fingerprint" and "calibrator"`);
  if (!Number.isInteger(samples) || (samples as number) < 1) throw new FormatError(`${path}: samples: expected an integer from 1 on`);
  if (!isRecord(ranges)) throw new FormatError(`${path}: ranges: expected an object`);
  const checked = Object.entries(ranges).map(([name, range]): readonly [string, readonly [number, number]] => {
    const [min, max] = Array.isArray(range) && range.length === 2 ? (range as readonly unknown[]) : [];
    if (!(typeof min === "number" && typeof max === "number" && min <= max))
      throw new FormatError(`${path}: ranges: ${name}: got ${JSON.stringify(range)}, expected [min, max]`);
    return [name, [min, max]];
  });
  return { schema, model, fingerprint, calibrator, samples: samples as number, ranges: Object.fromEntries(checked) };
}

/** Of structure and weights; not of the file's name. */
function fingerprintOf(graph: Graph): string {
  return createHash("sha256")
    .update(serializeGraph({ ...graph, name: "" }))
    .digest("hex");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
