/** One model by the word that `run --model` takes too: a file, `npm:PACKAGE/PATH`, or a name from a suite with its shapes and dataset. */
import { invariant } from "../errors.ts";
import { makePlan } from "../harness/plan.ts";
import type { PlannedModel } from "../harness/plan.ts";

export interface ModelWords {
  readonly dataset?: string | undefined;
  readonly shapes?: ReadonlyMap<string, readonly number[]> | undefined;
}

/** @throws UsageError for a name that is neither a file nor known */
export function chooseModel(word: string, { dataset, shapes }: ModelWords): PlannedModel {
  const { records } = makePlan({ models: [word], recipes: ["fp32"], targets: ["cpu"], dataset, shapes, preset: "normal", seed: 1 });
  const [first] = records;
  invariant(first !== undefined, "a plan for one model has a record");
  return first.model;
}
