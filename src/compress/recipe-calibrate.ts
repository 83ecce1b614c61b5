/** The options of a step that say how activations get their grids: calibrator, table, grids that the recipe sets itself. */
import { FormatError } from "../errors.ts";
import { DEFAULT_AVERAGE, DEFAULT_PERCENTILE, MINMAX } from "./quantize/calibrators.ts";
import type { Calibrator } from "./quantize/calibrators.ts";
import { isGrid } from "./quantize/overrides.ts";
import type { GridOverride } from "./quantize/overrides.ts";
import type { RangeRule } from "./quantize/params.ts";
import { LIST_SEPARATOR } from "./names.ts";
import type { Fields } from "./recipe-fields.ts";

export interface CalibrationOptions {
  /** Absent: min-max, or what the table has. */
  readonly calibrator?: Calibrator;
  /** A calibration table to take ranges from, in place of samples. */
  readonly table?: string;
  /** Absent: onnxruntime's. */
  readonly ranges?: Exclude<RangeRule, "ort">;
  readonly overrides?: readonly GridOverride[];
  /** Factors move between layers, before calibration: see equalize.ts and smooth.ts. */
  readonly equalize?: "cle";
  /** SmoothQuant's alpha. */
  readonly smooth?: number;
  /** Chooses the samples; absent: the run's. */
  readonly seed?: number;
  /** Biases take back what rounding and clipping shift on average. */
  readonly bias?: "correct";
}

export const CALIBRATION_KEYS = [
  "calibrator",
  "average",
  "percentile",
  "table",
  "ranges",
  "range",
  "grid",
  "equalize",
  "smooth",
  "bias",
  "seed",
] as const;

const RANGE_RULES = ["ort", "tflite", "symmetric"] as const;
const EQUALIZATIONS = ["none", "cle"] as const;
const BIASES = ["keep", "correct"] as const;
const CALIBRATORS = ["minmax", "moving", "entropy", "percentile", "mse"] as const;

export function parseCalibration(fields: Fields): CalibrationOptions {
  const calibrator = parseCalibrator(fields);
  const table = fields.option("table");
  if (table === "") throw fields.error("table: got nothing, expected the path of a calibration table");
  const overrides = [
    ...parseOverrides(fields, "range", "NAME:MIN:MAX", ([min, max]) => (min <= max ? { min, max } : undefined)),
    ...parseOverrides(fields, "grid", "NAME:SCALE:ZEROPOINT", ([scale, zeroPoint]) =>
      scale > 0 && Number.isInteger(zeroPoint) ? { scale, zeroPoint } : undefined,
    ),
  ];
  // A table says which calibrator made it, so that only there the default is worth saying.
  const said = calibrator.kind !== "minmax" || (table !== undefined && fields.option("calibrator") !== undefined);
  const ranges = fields.wordOption("ranges", RANGE_RULES, "ort");
  const equalize = fields.wordOption("equalize", EQUALIZATIONS, "none");
  const smooth = fields.numberOption("smooth", "a number above 0, below 1, e.g. 0.5", (n) => n > 0 && n < 1);
  const bias = fields.wordOption("bias", BIASES, "keep");
  const draws = drawsSamples({ table, smooth, bias: bias === "correct" ? bias : undefined });
  if (!draws && fields.option("seed") !== undefined)
    throw fields.error("seed: chooses samples, of which the table spares the need. Leave it out");
  const seed = draws ? fields.seed() : undefined;
  return {
    ...(said && { calibrator }),
    ...(table !== undefined && { table }),
    ...(ranges !== "ort" && { ranges }),
    ...(overrides.length > 0 && { overrides }),
    ...(equalize === "cle" && { equalize }),
    ...(smooth !== undefined && { smooth }),
    ...(bias === "correct" && { bias }),
    ...(seed !== undefined && { seed }),
  };
}

function parseCalibrator(fields: Fields): Calibrator {
  const kind = fields.wordOption("calibrator", CALIBRATORS, "minmax");
  const [average, percentile] = [
    fields.numberOption("average", "a number above 0, at most 1, e.g. 0.01", (n) => n > 0 && n <= 1),
    fields.numberOption("percentile", "a number 50..100, e.g. 99.99", (n) => n >= 50 && n <= 100),
  ];
  if (average !== undefined && kind !== "moving") throw fields.error("average: is of calibrator=moving. Add that, or leave it out");
  if (percentile !== undefined && kind !== "percentile")
    throw fields.error("percentile: is of calibrator=percentile. Add that, or leave it out");
  switch (kind) {
    case "minmax":
      return MINMAX;
    case "moving":
      return { kind, average: average ?? DEFAULT_AVERAGE };
    case "percentile":
      return { kind, percentile: percentile ?? DEFAULT_PERCENTILE };
    default:
      return { kind };
  }
}

function parseOverrides(
  fields: Fields,
  key: string,
  form: string,
  read: (numbers: readonly [number, number]) => GridOverride["set"] | undefined,
): readonly GridOverride[] {
  const text = fields.option(key);
  if (text === undefined) return [];
  return text.split(LIST_SEPARATOR).map((entry) => {
    // Names may hold colons, numbers do not.
    const parts = entry.split(":");
    const numbers = parts.splice(-2).map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    const tensor = parts.join(":");
    const [a = Number.NaN, b = Number.NaN] = numbers;
    const set = tensor !== "" && Number.isFinite(a) && Number.isFinite(b) ? read([a, b]) : undefined;
    if (set === undefined) throw fields.error(`${key}: got "${entry}", expected ${form}, several joined by "${LIST_SEPARATOR}"`);
    return { tensor, set };
  });
}

/** Whether a step runs the model over training samples; a table spares it that where it needs ranges only. */
function drawsSamples({
  table,
  smooth,
  bias,
}: {
  readonly table: string | undefined;
  readonly smooth: number | undefined;
  readonly bias: "correct" | undefined;
}): boolean {
  return table === undefined || smooth !== undefined || bias !== undefined;
}

interface CalibratingRecipe {
  readonly steps: readonly (CalibrationOptions & { readonly kind: string })[];
}

function calibratingStep({ steps }: CalibratingRecipe): CalibrationOptions | undefined {
  return steps.find(({ kind, table, smooth, bias }) => (kind === "int8" || kind === "int16x8") && drawsSamples({ table, smooth, bias }));
}

/** Whether a recipe runs the model over training samples. */
export function calibrates(recipe: CalibratingRecipe): boolean {
  return calibratingStep(recipe) !== undefined;
}

/** Chooses the training samples of a recipe; undefined where it leaves that to the run. */
export function calibrationSeed(recipe: CalibratingRecipe): number | undefined {
  return calibratingStep(recipe)?.seed;
}

/** Canonical text, to follow the step's form. */
export function calibrationText({ calibrator, table, ranges, overrides = [], equalize, smooth, bias, seed }: CalibrationOptions): string {
  const parts: string[] = [];
  if (calibrator !== undefined) parts.push(`calibrator=${calibrator.kind}`);
  if (calibrator?.kind === "moving" && calibrator.average !== DEFAULT_AVERAGE) parts.push(`average=${calibrator.average}`);
  if (calibrator?.kind === "percentile" && calibrator.percentile !== DEFAULT_PERCENTILE) parts.push(`percentile=${calibrator.percentile}`);
  if (table !== undefined) parts.push(`table=${table}`);
  if (ranges !== undefined) parts.push(`ranges=${ranges}`);
  const extents = overrides.flatMap(({ tensor, set }) => (isGrid(set) ? [] : [`${tensor}:${set.min}:${set.max}`]));
  const grids = overrides.flatMap(({ tensor, set }) => (isGrid(set) ? [`${tensor}:${set.scale}:${set.zeroPoint}`] : []));
  if (extents.length > 0) parts.push(`range=${extents.join(LIST_SEPARATOR)}`);
  if (grids.length > 0) parts.push(`grid=${grids.join(LIST_SEPARATOR)}`);
  if (equalize !== undefined) parts.push(`equalize=${equalize}`);
  if (smooth !== undefined) parts.push(`smooth=${smooth}`);
  if (bias !== undefined) parts.push(`bias=${bias}`);
  if (seed !== undefined) parts.push(`seed=${seed}`);
  return parts.map((part) => `,${part}`).join("");
}

/**
 * The `overrides` of a recipe file, `{"conv1.out": {"min": 0, "max": 6}, "image": {"scale": 0.02, "zeroPoint": -5}}`, as the options `range` and `grid`.
 * @param where for messages
 * @throws FormatError
 */
export function overrideOptions(overrides: unknown, where: string): ReadonlyMap<string, string> {
  const expected = `an object of tensor names with {"min", "max"} or {"scale", "zeroPoint"}`;
  if (typeof overrides !== "object" || overrides === null || Array.isArray(overrides))
    throw new FormatError(`${where}: expected ${expected}`);
  const [ranges, grids]: [string[], string[]] = [[], []];
  for (const [tensor, set] of Object.entries(overrides as Readonly<Record<string, unknown>>)) {
    const keys = typeof set === "object" && set !== null ? Object.keys(set).sort().join() : "";
    const value = set as Readonly<Record<string, unknown>>;
    const pair = keys === "max,min" ? [value["min"], value["max"]] : keys === "scale,zeroPoint" ? [value["scale"], value["zeroPoint"]] : [];
    if (pair.length === 0 || !pair.every((item) => typeof item === "number"))
      throw new FormatError(`${where}: ${tensor}: got ${JSON.stringify(set)}, expected ${expected}`);
    (keys === "max,min" ? ranges : grids).push(`${tensor}:${pair.join(":")}`);
  }
  const options = new Map<string, string>();
  if (ranges.length > 0) options.set("range", ranges.join(LIST_SEPARATOR));
  if (grids.length > 0) options.set("grid", grids.join(LIST_SEPARATOR));
  return options;
}
