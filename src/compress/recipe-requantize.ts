/** The step `requantize`: how integer layers get from sums to their output grids. */
import type { Rounding } from "../graph/ir.ts";
import { filterText } from "./recipe-fields.ts";
import type { Fields, PlainFilter } from "./recipe-fields.ts";

export interface RequantizeStep extends PlainFilter {
  readonly kind: "requantize";
  /** TFLite's fixed point, rounded twice or once; `float`: the float32 product that layers have without this step. */
  readonly mode: "float" | Rounding;
}

const MODES = ["float", "double", "single"] as const;

export function parseRequantize(fields: Fields): RequantizeStep {
  fields.onlyOptions(["only", "exclude"]);
  const mode = fields.word(MODES, "float");
  if (mode === "float" && !fields.isValue("float"))
    throw fields.error(`got no value, expected ${MODES.join(", ")}, e.g. requantize:double`);
  return { kind: "requantize", mode, ...fields.filter() };
}

/** Canonical text. */
export function requantizeText(step: RequantizeStep): string {
  return `requantize:${step.mode}${filterText(step)}`;
}
