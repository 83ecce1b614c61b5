/**
 * Where a search looks next, from what it has seen. Everything random comes from the seed and the number of trials so far, so a search that goes
 * on proposes what it would have proposed.
 *
 * - random: points of every strength, uniformly.
 * - tpe: each knob's choices as often as among the best quarter of trials; of many such points the one that is most typical of them and least
 *   of the rest (Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011; knobs taken as independent, all of them categorical).
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
const CANDIDATES = 48;
/** TPE: a choice nobody made yet counts as so many trials. */
const PRIOR = 0.7;
/** TPE: share of proposals that are random, so that no choice is out of reach. */
const EXPLORE = 0.1;
/** Halving: points of a bracket, and the share that is looked at again. */
const BRACKET = 12;
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

function typicalPoint(space: Space, seen: readonly Seen[], random: Random): Point {
  if (random() < EXPLORE) return randomPoint(space, random);
  const ranked = [...seen].sort(compareSeen);
  const count = Math.max(2, Math.ceil(BEST_SHARE * ranked.length));
  const [good, rest] = [ranked.slice(0, count), ranked.slice(count)];
  const densities = space.knobs.map(({ choices }, k) => ({
    good: shares(good, k, choices.length),
    rest: shares(rest, k, choices.length),
  }));
  let best: { readonly point: Point; readonly score: number } | undefined;
  for (let i = 0; i < CANDIDATES; i++) {
    const point = densities.map(({ good: of }) => drawFrom(of, random));
    const score = densities.reduce((sum, density, k) => sum + Math.log((density.good[point[k]!] ?? 1) / (density.rest[point[k]!] ?? 1)), 0);
    if (best === undefined || score > best.score) best = { point, score };
  }
  return best?.point ?? randomPoint(space, random);
}

/** Of each choice of a knob among trials, smoothed. */
export function shares(trials: readonly Seen[], knob: number, choices: number): readonly number[] {
  const counts = Array.from({ length: choices }, () => PRIOR);
  for (const { point } of trials) counts[point[knob] ?? 0]! += 1;
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
