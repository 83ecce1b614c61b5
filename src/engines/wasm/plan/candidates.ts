/**
 * Several kernels can execute one layer; which is fastest depends on the weights, the shape and the machine. Each is a candidate that
 * estimates its own time, so that adding a kernel adds a file and a line in a list, and no planner asks for kernels by name.
 */
import { UsageError, invariant } from "../../../errors.ts";
import type { Feature } from "../features.ts";
import type { NodePlan, PlanContext } from "../program.ts";
import { percent } from "./windows.ts";

export interface Estimate {
  /** Expected time relative to the dense SIMD tile of the same problem, which is 1. */
  readonly cost: number;
  /** One clause for the record, e.g. "dense weights"; of a candidate that skips zeros, derived from `skips`. */
  readonly why: string;
  readonly skips?: Skips;
}

/** How the cost of a candidate that skips zeros depends on them: fixed + perLive × (1 - zeros). */
export interface Skips {
  /** Share of `units` that are zero. */
  readonly zeros: number;
  /** What it can skip, e.g. "1×8 blocks". */
  readonly units: string;
  /** E.g. "1×8" or "unstructured". */
  readonly name: string;
  readonly fixed: number;
  readonly perLive: number;
}

export interface Candidate<P> {
  readonly kernel: string;
  /** Beyond plain SIMD. */
  readonly requires: readonly Feature[];
  /** Whether it skips zeros: `sparse=on` and `sparse=off` choose by this. */
  readonly sparse: boolean;
  /** Whether it keeps only a compact code of the weights: `coded` chooses by this. */
  readonly coded?: boolean;
  /**
   * @param features of the session, all of `requires` among them
   * @returns undefined when it cannot execute the problem
   */
  estimate(problem: P, features: ReadonlySet<Feature>): Estimate | undefined;
  plan(context: PlanContext, problem: P): NodePlan;
}

/**
 * Plans a node with the cheapest candidate that applies, or the one that the session's selection names.
 * @returns undefined when none applies
 * @throws UsageError when the kernel chosen for this node cannot execute it
 */
export function planBest<P>(context: PlanContext, candidates: readonly Candidate<P>[], problem: P, node: string): NodePlan | undefined {
  const { features, sparse, coded, chosen } = context.selection;
  const applicable: Applicable<P>[] = [];
  for (const candidate of candidates) {
    if (!candidate.requires.every((feature) => features.has(feature))) continue;
    if (candidate.sparse && sparse === "off") continue;
    if (candidate.coded === true && coded === "off") continue;
    const estimate = candidate.estimate(problem, features);
    // Without zeros there is nothing to race about.
    if (estimate === undefined || (estimate.skips?.zeros === 0 && sparse === "auto")) continue;
    applicable.push({ candidate, estimate });
  }
  const forceSparse = sparse === "on" && applicable.some(({ candidate }) => candidate.sparse);
  const open = forceSparse ? applicable.filter(({ candidate }) => candidate.sparse) : preferCoded(applicable, coded);
  // The sort is stable: of equals, the earlier in the list.
  open.sort((a, b) => a.estimate.cost - b.estimate.cost);
  const kernels = open.map(({ candidate }) => candidate.kernel);
  context.noteAlternatives(node, kernels);
  const told = chosen.get(node);
  const best = told === undefined ? open[0] : open.find(({ candidate }) => candidate.kernel === told.kernel);
  if (best === undefined) {
    if (told === undefined) return undefined;
    throw new UsageError(`node "${node}": kernel ${told.kernel} cannot execute it, expected one of ${kernels.join(", ")}`);
  }
  const why = best.candidate.coded === true ? codedText(best, applicable) : reason(best, applicable) + expandedText(best, applicable);
  return { ...best.candidate.plan(context, problem), why: told === undefined ? why : `${why}; ${told.why}` };
}

interface Applicable<P> {
  readonly candidate: Candidate<P>;
  readonly estimate: Estimate;
}

/**
 * A compact code is there to save memory, so it is kept unless that costs too much: expanded weights only where the fastest kernel on them
 * takes less than 1 / CODED_LIMIT of the time. A tuner then chooses among what is left.
 */
const CODED_LIMIT = 3;

function preferCoded<P>(applicable: readonly Applicable<P>[], coded: "auto" | "on" | "off"): Applicable<P>[] {
  const kept = applicable.filter(({ candidate }) => candidate.coded === true);
  const least = (list: readonly Applicable<P>[]): number => Math.min(...list.map(({ estimate }) => estimate.cost));
  return kept.length > 0 && (coded === "on" || least(kept) <= CODED_LIMIT * least(applicable)) ? kept : [...applicable];
}

/** What is kept, and what the small size costs where that is noticeable. */
function codedText<P>({ estimate }: Applicable<P>, applicable: readonly Applicable<P>[]): string {
  const ratio = estimate.cost / Math.min(...applicable.map((other) => other.estimate.cost));
  return ratio < NOTICEABLE ? estimate.why : `${estimate.why}; expanded they would run ${ratio.toFixed(1)} times as fast`;
}

/** Ratio of times from which the record mentions what a code costs. */
const NOTICEABLE = 1.1;

/** Why a layer that has a compact code is expanded nevertheless. */
function expandedText<P>({ candidate, estimate }: Applicable<P>, applicable: readonly Applicable<P>[]): string {
  const kept = applicable.find((other) => other.candidate.coded === true);
  if (kept === undefined || candidate.coded === true) return "";
  return `; its code (${kept.estimate.why}) would take ${(kept.estimate.cost / estimate.cost).toFixed(1)} times as long`;
}

/** Share of zeros from which a record says why they are not skipped: fewer are chance. */
const NOTABLE_ZEROS = 0.05;

function reason<P>({ estimate }: Applicable<P>, applicable: readonly Applicable<P>[]): string {
  const dense = applicable.filter(({ candidate }) => !candidate.sparse).map((other) => other.estimate.cost);
  const denseCost = Math.min(1, ...dense);
  if (estimate.skips !== undefined) return `${zerosText(estimate.skips)}; ${breakEvenText(estimate.skips, denseCost)}`;
  const [nearest] = applicable
    .filter((other) => (other.estimate.skips?.zeros ?? 0) >= NOTABLE_ZEROS)
    .sort((a, b) => a.estimate.cost - b.estimate.cost);
  const skips = nearest?.estimate.skips;
  if (skips === undefined) return estimate.why;
  return `${zerosText(skips)}; ${skips.name} ${breakEvenText(skips, estimate.cost)}; ${estimate.why.replace("dense weights", "dense kernel")}`;
}

function zerosText({ zeros, units }: Skips): string {
  return `${percent(zeros)} of its ${units} are zero`;
}

/** The share of zeros at which fixed + perLive × (1 - zeros) is the dense cost. */
function breakEvenText({ fixed, perLive }: Skips, denseCost: number): string {
  const zeros = 1 - (denseCost - fixed) / perLive;
  if (zeros >= 1) return "does not pay at this size";
  return zeros <= 0 ? "pays at any share" : `pays from ${percent(zeros)}`;
}

/** Candidates by kernel, checked for repeats: a list with two of the same name could not be tuned. */
export function candidateList<P>(candidates: readonly Candidate<P>[]): readonly Candidate<P>[] {
  invariant(new Set(candidates.map(({ kernel }) => kernel)).size === candidates.length, "two candidates with the same kernel");
  return candidates;
}
