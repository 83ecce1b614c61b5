/** The steps that prune decision trees: `ccp:ALPHA` and `ccp:auto`, `rep`, `pessimistic:CF`, `minerror:M`. */
import { filterText } from "./recipe-fields.ts";
import type { Fields, PlainFilter } from "./recipe-fields.ts";

/** Which labelled samples choose: those that the trees have not seen while they grew, or all training samples. */
const SAMPLES = ["heldout", "all"] as const;

export type TreeStep = PlainFilter & { readonly kind: "trees" } & (
    | { readonly method: "ccp"; readonly alpha: number }
    | { readonly method: "ccp"; readonly alpha: "auto"; readonly samples: (typeof SAMPLES)[number] }
    | { readonly method: "rep"; readonly samples: (typeof SAMPLES)[number] }
    | { readonly method: "pessimistic"; readonly confidence: number }
    | { readonly method: "minerror"; readonly m: number }
  );

export const TREE_STEP_NAMES = ["ccp", "rep", "pessimistic", "minerror"] as const;

const DEFAULT_CONFIDENCE = 0.25;
const DEFAULT_M = 2;

/** Canonical text. */
export function treeText(step: TreeStep): string {
  const samples = "samples" in step && step.samples === "all" ? ",samples=all" : "";
  return `${headText(step)}${samples}${filterText(step)}`;
}

function headText(step: TreeStep): string {
  switch (step.method) {
    case "ccp":
      return `ccp:${step.alpha}`;
    case "rep":
      return "rep";
    case "pessimistic":
      return step.confidence === DEFAULT_CONFIDENCE ? "pessimistic" : `pessimistic:${step.confidence}`;
    case "minerror":
      return step.m === DEFAULT_M ? "minerror" : `minerror:${step.m}`;
  }
}

/** Whether labelled samples decide how far a step prunes. */
export function choosesBySamples(step: TreeStep): boolean {
  return "samples" in step;
}

export function parseTreeStep(fields: Fields, method: (typeof TREE_STEP_NAMES)[number]): TreeStep {
  const bySamples = method === "rep" || (method === "ccp" && fields.isValue("auto"));
  fields.onlyOptions([...(bySamples ? ["samples"] : []), "only", "exclude"]);
  const samples = bySamples ? { samples: fields.wordOption("samples", SAMPLES, "heldout") } : undefined;
  const base = { kind: "trees", ...fields.filter() } as const;
  switch (method) {
    case "ccp":
      if (samples !== undefined) return { ...base, method, alpha: "auto", ...samples };
      return { ...base, method, alpha: fields.value("an alpha from 0, e.g. ccp:0.001, or auto", (n) => n >= 0) };
    case "rep":
      fields.noValue();
      return { ...base, method, samples: samples?.samples ?? "heldout" };
    case "pessimistic":
      return {
        ...base,
        method,
        confidence: fields.valueOr(DEFAULT_CONFIDENCE, "a confidence above 0 and up to 0.5", (n) => n > 0 && n <= 0.5),
      };
    case "minerror":
      return { ...base, method, m: fields.valueOr(DEFAULT_M, "a number of samples m above 0", (n) => n > 0) };
  }
}
