/** What a search keeps of a recipe that it tried, and which of them are best. */
import type { Recipe } from "../../compress/recipe.ts";
import type { Size } from "../../results/schema.ts";
import type { Trial } from "../../results/search.ts";
import type { Quality } from "../../results/sensitivity.ts";
import type { Minimize } from "./goal.ts";
import { paretoFront } from "./pareto.ts";
import type { Point } from "./space.ts";
import { compareSeen } from "./strategies.ts";
import type { Seen } from "./strategies.ts";

/** What judging a recipe found; without a quality, `why` says why there is no such model. */
export interface Judged {
  readonly quality?: Quality;
  readonly shortfall: number;
  readonly size?: Size;
  readonly why?: string;
}

export function trialOf(
  recipe: Recipe,
  point: Point,
  about: Pick<Trial, "origin" | "effort"> & { readonly of?: string },
  { quality, shortfall, size, why }: Judged,
): Trial {
  const base = { recipe: recipe.text, point, ...about };
  if (quality === undefined) return { ...base, status: "invalid", ...(why === undefined ? {} : { why }) };
  return { ...base, status: "ok", quality, shortfall, ...(size === undefined ? {} : { size }) };
}

/** The latest trial of each recipe, those that meet the goals by cost, then those that miss them least. */
export function bestFirst(trials: readonly Trial[]): readonly Trial[] {
  const latest = [...new Map(trials.filter(({ status }) => status === "ok").map((trial) => [trial.recipe, trial])).values()];
  const seen = (trial: Trial): Seen => ({ ...trial, shortfall: trial.shortfall ?? Infinity, cost: trial.cost });
  return latest.sort((a, b) => compareSeen(seen(a), seen(b)));
}

/** By quality, cost and bytes of weights; only what has all three. */
export function frontOf(trials: readonly Trial[]): readonly Trial[] {
  return paretoFront(bestFirst(trials), ({ quality, cost, size }) => {
    if (quality === undefined || cost === undefined || size?.weightBytes === undefined) return undefined;
    return [-(quality.value ?? quality.agreement ?? Number.NaN), cost, size.weightBytes];
  });
}

/** What one trial is worth a line. */
export function trialLine({ recipe, status, why = "", quality, shortfall = 0, cost, latency, size }: Trial, minimize: Minimize): string {
  if (status !== "ok") return `${recipe}: ${status}, ${why}`;
  const judged = [
    ...(quality?.delta === undefined ? [] : [`accuracy ${(100 * quality.delta).toFixed(2)} points`]),
    ...(quality?.agreement === undefined ? [] : [`agreement ${(100 * quality.agreement).toFixed(2)} %`]),
    ...(shortfall > 0 ? ["misses the goal"] : []),
    ...(latency === undefined ? [] : [`${latency.ms.toPrecision(3)} ms, ${latency.ratio.toFixed(2)}× the original's`]),
    ...(latency === undefined && cost !== undefined ? [`${minimize.text} ${cost}`] : []),
    ...(size?.weightBytes === undefined ? [] : [`${(size.weightBytes / 1000).toFixed(1)} KB of weights`]),
  ];
  return `${recipe}: ${judged.join(", ")}`;
}
