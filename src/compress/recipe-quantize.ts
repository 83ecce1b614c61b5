/** The forms of the step `int8`, and `int16x8`. */
import { CALIBRATION_KEYS, calibrationText, parseCalibration } from "./recipe-calibrate.ts";
import type { CalibrationOptions } from "./recipe-calibrate.ts";
import {
  FILTER_KEYS,
  WIDTH_KEY,
  formFilterText,
  parseFormFilter,
  parseInt8Dynamic,
  parseInt8Weights,
  parseWidth,
  widthText,
} from "./recipe-int8-forms.ts";
import type { FormFilter, Int8DynamicStep, Int8WeightsStep, WeightWidth } from "./recipe-int8-forms.ts";
import type { Fields } from "./recipe-fields.ts";

export interface Int8Step extends FormFilter, WeightWidth, CalibrationOptions {
  readonly kind: "int8";
  /** Fails where anything would stay float. */
  readonly strict?: "yes";
  /** Absent: int8. */
  readonly activations?: "uint8";
}

/** Activations int16 with zero point 0, weights int8. */
export interface Int16Step extends FormFilter, Omit<CalibrationOptions, "ranges"> {
  readonly kind: "int16x8";
  /** Fails where anything would stay float. */
  readonly strict?: "yes";
}

const FORMS = ["static", "dynamic", "weights"] as const;

/** Canonical text. */
export function int8Text(step: Int8Step): string {
  const words = [step.strict && `,strict=${step.strict}`, step.activations && `,activations=${step.activations}`];
  return `int8${words.join("")}${widthText(step)}${calibrationText(step)}${formFilterText(step)}`;
}

export function parseInt8(fields: Fields): Int8Step | Int8DynamicStep | Int8WeightsStep {
  const form = fields.word(FORMS, "static");
  if (form === "weights") return parseInt8Weights(fields);
  if (form === "dynamic") return parseInt8Dynamic(fields);
  fields.onlyOptions(["strict", "activations", WIDTH_KEY, ...CALIBRATION_KEYS, ...FILTER_KEYS]);
  const strict = fields.wordOption("strict", ["no", "yes"], "no");
  const activations = fields.wordOption("activations", ["int8", "uint8"], "int8");
  return {
    kind: "int8",
    ...(strict === "yes" && { strict }),
    ...(activations === "uint8" && { activations }),
    ...parseWidth(fields),
    ...parseCalibration(fields),
    ...parseFormFilter(fields),
  };
}

/** Canonical text. */
export function int16Text(step: Int16Step): string {
  return `int16x8${step.strict === undefined ? "" : `,strict=${step.strict}`}${calibrationText(step)}${formFilterText(step)}`;
}

export function parseInt16(fields: Fields): Int16Step {
  fields.noValue();
  // Its grids are symmetric, whatever the rule for int8.
  fields.onlyOptions(["strict", ...CALIBRATION_KEYS.filter((key) => key !== "ranges"), ...FILTER_KEYS]);
  const strict = fields.wordOption("strict", ["no", "yes"], "no");
  return { kind: "int16x8", ...(strict === "yes" && { strict }), ...parseCalibration(fields), ...parseFormFilter(fields) };
}
