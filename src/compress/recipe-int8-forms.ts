/** The forms of the step `int8` that need no calibration: `int8:weights` and `int8:dynamic`. */
import { filterText } from "./recipe-fields.ts";
import type { Fields, PlainFilter } from "./recipe-fields.ts";

/** Weights in 8 bits, all arithmetic in float32. */
export interface Int8WeightsStep extends PlainFilter {
  readonly kind: "int8weights";
}

/** Int8 weights, inputs quantized to their own range when a layer runs. */
export interface Int8DynamicStep extends PlainFilter {
  readonly kind: "int8dynamic";
}

export function int8WeightsText(step: Int8WeightsStep): string {
  return `int8:weights${filterText(step)}`;
}

export function parseInt8Weights(fields: Fields): Int8WeightsStep {
  fields.onlyOptions(["only", "exclude"]);
  return { kind: "int8weights", ...fields.filter() };
}

export function int8DynamicText(step: Int8DynamicStep): string {
  return `int8:dynamic${filterText(step)}`;
}

export function parseInt8Dynamic(fields: Fields): Int8DynamicStep {
  fields.onlyOptions(["only", "exclude"]);
  return { kind: "int8dynamic", ...fields.filter() };
}
