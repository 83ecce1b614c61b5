/**
 * What a search must keep, and what it makes small: `accuracy>=-0.5pt`, `accuracy>=0.97`, `agreement>=0.99`, `sqnr>=20`; `latency@wasm`, `size`,
 * `weightBytes`.
 */
import { suggestion } from "../../compress/names.ts";
import { UsageError } from "../../errors.ts";
import { parseTarget } from "../../harness/target.ts";
import type { Target } from "../../harness/target.ts";
import { sizeSchema } from "../../results/schema.ts";
import type { Size } from "../../results/schema.ts";
import type { Quality } from "../../results/sensitivity.ts";

export const GOAL_METRICS = ["accuracy", "agreement", "sqnr"] as const;

export interface Goal {
  /** Canonical. */
  readonly text: string;
  readonly metric: (typeof GOAL_METRICS)[number];
  /** `points`, `percent`: of the original's accuracy. */
  readonly unit: "absolute" | "points" | "percent";
  /** Not less than this. */
  readonly bound: number;
}

const FORM = "METRIC>=BOUND, e.g. accuracy>=-0.5pt (points below the original), accuracy>=0.97, agreement>=0.99, sqnr>=20";

/** @throws UsageError */
export function parseGoal(text: string): Goal {
  const match = /^\s*([A-Za-z]+)\s*(>=|<=|>|<|==?|!=)\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*([A-Za-z%]*)\s*$/.exec(text);
  if (match === null) throw new UsageError(`--goal ${text}: cannot be read, expected ${FORM}`);
  const [, word = "", sign = "", number = "", suffix = ""] = match;
  const metric = GOAL_METRICS.find((known) => known === word);
  if (metric === undefined) throw new UsageError(`--goal ${text}: unknown metric "${word}". ${suggestion(word, GOAL_METRICS)}`);
  if (sign !== ">=") throw new UsageError(`--goal ${text}: got "${sign}", expected >=: what is asked for is a least value`);
  const bound = Number(number);
  const goal = (unit: Goal["unit"], tail: string): Goal => ({ text: `${metric}>=${bound}${tail}`, metric, unit, bound });
  if (metric === "sqnr") {
    if (suffix !== "" && suffix.toLowerCase() !== "db")
      throw new UsageError(`--goal ${text}: got "${suffix}", expected decibels, e.g. sqnr>=20`);
    return goal("absolute", "");
  }
  if (suffix === "" && bound >= 0 && bound <= 1) return goal("absolute", "");
  if (metric === "accuracy" && suffix === "pt" && bound <= 100) return goal("points", "pt");
  if (metric === "accuracy" && suffix === "%" && bound <= 0 && bound >= -100) return goal("percent", "%");
  const expected =
    metric === "agreement"
      ? "a share 0..1, e.g. agreement>=0.99"
      : "a share 0..1 (accuracy>=0.97), points from the original (accuracy>=-0.5pt), or per cent of it to lose (accuracy>=-1%)";
  throw new UsageError(`--goal ${text}: got ${number}${suffix}, expected ${expected}`);
}

/** Rounding of shares must not decide. */
const EPSILON = 1e-9;

/** How far a quality stays below a goal: points of accuracy or agreement, a tenth of the decibels; 0 where it is met, infinite where it was not measured. */
export function shortfall(goal: Goal, quality: Quality): number {
  const missing = goal.bound * scaleOf(goal) - valueOf(goal, quality);
  return missing > EPSILON ? missing : 0;
}

function scaleOf({ metric, unit }: Goal): number {
  return metric === "sqnr" ? 0.1 : unit === "absolute" ? 100 : 1;
}

/** In the unit of the shortfall. */
function valueOf({ metric, unit }: Goal, { value, reference, delta, agreement, sqnrDb, identical }: Quality): number {
  switch (metric) {
    case "agreement":
      return identical === true ? 100 : agreement === undefined ? -Infinity : 100 * agreement;
    case "sqnr":
      return identical === true ? Infinity : sqnrDb === undefined ? -Infinity : sqnrDb / 10;
    case "accuracy":
      break;
  }
  if (value === undefined) return -Infinity;
  if (unit === "absolute") return 100 * value;
  // The original itself has no delta.
  const change = delta ?? 0;
  if (unit === "points") return 100 * change;
  const base = reference ?? value;
  return base === 0 ? -Infinity : (100 * change) / base;
}

/** Of all goals together. */
export function totalShortfall(goals: readonly Goal[], quality: Quality): number {
  return goals.reduce((sum, goal) => sum + shortfall(goal, quality), 0);
}

export type Minimize =
  | { readonly text: string; readonly metric: "latency"; readonly target: Target }
  | { readonly text: string; readonly metric: "size"; readonly key: SizeKey };

type SizeKey = Extract<keyof Size, `${string}Bytes`>;

const SIZE_KEYS = Object.keys(sizeSchema.shape).filter((key) => key.endsWith("Bytes")) as readonly SizeKey[];

/** @throws UsageError */
export function parseMinimize(text: string): Minimize {
  const word = text.trim();
  if (word.startsWith("latency@")) return { text: word, metric: "latency", target: parseTarget(word.slice("latency@".length)) };
  if (word === "latency") throw new UsageError(`--minimize ${text}: says not where, expected latency@TARGET, e.g. latency@wasm`);
  const key = word === "size" ? "fileBytes" : SIZE_KEYS.find((known) => known === word);
  if (key === undefined) throw new UsageError(`--minimize ${text}: unknown. ${suggestion(word, ["latency@TARGET", "size", ...SIZE_KEYS])}`);
  return { text: word, metric: "size", key };
}
