/**
 * Where a search looks next, from what it has seen. Everything random comes from the seed and the number of trials so far, so a search that goes
 * on proposes what it would have proposed.
 *
 * - random: points of every strength, uniformly.
 * - tpe: good trials with some knobs drawn anew, each choice as often as among the best quarter of trials (after Bergstra et al., Algorithms for
 *   Hyper-Parameter Optimization, 2011, with knobs that are categorical and taken as independent).
 * - halving: many points with a short look each (one process), the best third of them with a full one (Jamieson and Talwalkar, 2016).
 */
import { mulberry32 } from "../../data/random.ts";
import type { Random } from "../../data/random.ts";
import { randomPoint, recipeOf } from "./space.ts";
import type { Point, Space } from "./space.ts";

export const STRATEGIES = ["tpe", "halving", "random"] as const;
export type StrategyName = (typeof STRATEGIES)[number];

/** What a strategy sees of a trial. */
export interface Seen {
  readonly recipe: string;
  readonly point: Point;
  /** How far it stays below the goals; 0: it meets them. Infinite: it could not be judged. */
  readonly shortfall: number;
  /** What is minimized; absent where it was not measured. */
  readonly cost?: number | undefined;
  /** `look`: measured in one process; `full`: in as many as were asked for. */
  readonly effort: "look" | "full";
}

export interface Proposal {
  readonly points: readonly Point[];
  readonly effort: Seen["effort"];
}

/** Better first: those that meet the goals by cost, then the others by how far they are off. */
export function compareSeen(a: Seen, b: Seen): number {
  const miss = a.shortfall - b.shortfall;
  if (a.shortfall > 0 || b.shortfall > 0) return Number.isNaN(miss) ? 0 : miss;
  return (a.cost ?? Infinity) - (b.cost ?? Infinity) || 0;
}

/** Trials measured together share the original's measurement. */
const BATCH = 4;
/** TPE: trials before there is anything to learn from. */
const STARTUP = 10;
const BEST_SHARE = 0.25;
/** TPE: a choice nobody made yet counts as so many trials. */
const PRIOR = 0.7;
/** TPE: share of proposals that are random, so that no choice is out of reach. */
const EXPLORE = 0.1;
/** TPE: share of points that join two good trials, about how many knobs are drawn anew besides one, and how many of these without regard to trials. */
const JOIN = 0.5;
const TURNED = 1.5;
const UNIFORM = 0.3;
/** Halving: points of a bracket, and the share that is looked at again. */
const BRACKET = 6;
const ETA = 3;
const MOST_TRIES = 200;

/** @param seen in order of trial @returns undefined where nothing new can be found */
export function propose(strategy: StrategyName, space: Space, seen: readonly Seen[], seed: number): Proposal | undefined {
  // Two generators of close seeds are alike at first: spread them.
  const random = mulberry32(Math.imul(seed, 0x9e3779b1) ^ Math.imul(seen.length + 1, 0x85ebca6b));
  switch (strategy) {
    case "random":
      return batchOf(space, seen, BATCH, () => randomPoint(space, random), "full");
    case "tpe":
      return seen.length < STARTUP
        ? batchOf(space, seen, BATCH, () => randomPoint(space, random), "full")
        : batchOf(space, seen, BATCH, () => typicalPoint(space, seen, random), "full");
    case "halving":
      return halve(space, seen, random);
  }
}

/** Points that are not known yet, and that are recipes. */
function batchOf(space: Space, seen: readonly Seen[], size: number, draw: () => Point, effort: Seen["effort"]): Proposal | undefined {
  const known = new Set(seen.map(({ recipe }) => recipe));
  const points: Point[] = [];
  for (let tries = 0; tries < MOST_TRIES && points.length < size; tries++) {
    const point = draw();
    const recipe = recipeOf(space, point)?.text;
    if (recipe === undefined || known.has(recipe)) continue;
    known.add(recipe);
    points.push(point);
  }
  return points.length === 0 ? undefined : { points, effort };
}

/**
 * Drawn knob by knob, a point of many layers would miss every goal: what each layer loses adds up. So a point starts from a good trial, or from what
 * two of them do together, and some knobs are drawn anew. Choosing among many such points by the ratio of densities, as the original method does, found
 * worse ones in simulations (15 nets of 10 layers, 40 trials: 0.50 of the time against 0.46, optimum 0.40; 2026-11-24): the most typical point
 * is the one that differs least.
 */
function typicalPoint(space: Space, seen: readonly Seen[], random: Random): Point {
  if (random() < EXPLORE) return randomPoint(space, random);
  const latest = [...new Map(seen.map((trial) => [trial.recipe, trial])).values()];
  const good = latest.sort(compareSeen).slice(0, Math.max(2, Math.ceil(BEST_SHARE * latest.length)));
  const parent = joined(favoured(good, random), random() < JOIN ? favoured(good, random) : []);
  const turned = new Set(
    Array.from({ length: 1 + Math.floor(-TURNED * Math.log(1 - random())) }, () => Math.floor(random() * parent.length)),
  );
  return parent.map((choice, k) => {
    const choices = space.knobs[k]?.choices.length ?? 1;
    if (!turned.has(k)) return choice;
    return random() < UNIFORM ? Math.floor(random() * choices) : drawFrom(shares(good, k, choices), random);
  });
}

/** One of them, the first ones more often. */
function favoured(ranked: readonly Seen[], random: Random): Point {
  return ranked[Math.floor(ranked.length * random() ** 3)]?.point ?? [];
}

/** What either does: the first one's choices, and the other's where the first has none. */
function joined(first: Point, second: Point): Point {
  return first.map((choice, k) => (choice === 0 ? (second[k] ?? 0) : choice));
}

/** Of each choice of a knob among trials, smoothed. */
export function shares(trials: readonly Seen[], knob: number, choices: number): readonly number[] {
  const counts = Array.from({ length: choices }, () => PRIOR);
  for (const { point } of trials) {
    const choice = point[knob] ?? 0;
    counts[choice] = (counts[choice] ?? PRIOR) + 1;
  }
  return counts.map((count) => count / (trials.length + PRIOR * choices));
}

function drawFrom(weights: readonly number[], random: Random): number {
  let left = random();
  const found = weights.findIndex((weight) => (left -= weight) < 0);
  return found < 0 ? weights.length - 1 : found;
}

/** Looks until so many are worth it, then takes the best of them in full; what is left stays in the running. */
function halve(space: Space, seen: readonly Seen[], random: Random): Proposal | undefined {
  const latest = [...new Map(seen.map((trial) => [trial.recipe, trial])).values()];
  const looked = latest.filter(({ effort, shortfall, cost }) => effort === "look" && shortfall === 0 && cost !== undefined);
  if (looked.length < BRACKET) {
    const more = batchOf(space, seen, Math.min(BATCH, BRACKET - looked.length), () => randomPoint(space, random), "look");
    if (more !== undefined) return more;
  }
  const points = [...looked]
    .sort(compareSeen)
    .slice(0, Math.ceil(looked.length / ETA))
    .map(({ point }) => point);
  return points.length === 0 ? undefined : { points, effort: "full" };
}
