/** The forms of the step `int8`. */
import { filterText } from "./recipe-fields.ts";
import type { Fields, PlainFilter } from "./recipe-fields.ts";

export interface Int8Step extends PlainFilter {
  readonly kind: "int8";
}

const FORMS = ["static", "dynamic", "weights"] as const;

/** Canonical text. */
export function int8Text(step: Int8Step): string {
  return `int8${filterText(step)}`;
}

export function parseInt8(fields: Fields): Int8Step {
  const form = fields.word(FORMS, "static");
  fields.onlyOptions(["only", "exclude"]);
  if (form !== "static") throw fields.unsupported(`int8:${form}`, "Use int8 (static)");
  return { kind: "int8", ...fields.filter() };
}
