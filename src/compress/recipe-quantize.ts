/** The forms of the step `int8`. */
import { CALIBRATION_KEYS, calibrationText, parseCalibration } from "./recipe-calibrate.ts";
import type { CalibrationOptions } from "./recipe-calibrate.ts";
import { parseInt8Dynamic, parseInt8Weights } from "./recipe-int8-forms.ts";
import type { Int8DynamicStep, Int8WeightsStep } from "./recipe-int8-forms.ts";
import { filterText } from "./recipe-fields.ts";
import type { Fields, PlainFilter } from "./recipe-fields.ts";

export interface Int8Step extends PlainFilter, CalibrationOptions {
  readonly kind: "int8";
}

const FORMS = ["static", "dynamic", "weights"] as const;

/** Canonical text. */
export function int8Text(step: Int8Step): string {
  return `int8${calibrationText(step)}${filterText(step)}`;
}

export function parseInt8(fields: Fields): Int8Step | Int8DynamicStep | Int8WeightsStep {
  const form = fields.word(FORMS, "static");
  if (form === "weights") return parseInt8Weights(fields);
  if (form === "dynamic") return parseInt8Dynamic(fields);
  fields.onlyOptions([...CALIBRATION_KEYS, "only", "exclude"]);
  return { kind: "int8", ...parseCalibration(fields), ...fields.filter() };
}
