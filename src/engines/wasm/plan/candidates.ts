/**
 * Several kernels can execute one layer; which is fastest depends on the weights, the shape and the machine. Each is a candidate that
 * estimates its own time, so that adding a kernel adds a file and a line in a list, and no planner asks for kernels by name.
 */
import { UsageError, invariant } from "../../../errors.ts";
import type { Feature } from "../features.ts";
import type { NodePlan, PlanContext } from "../program.ts";

export interface Estimate {
  /** Expected time relative to the dense SIMD tile of the same problem, which is 1. */
  readonly cost: number;
  /** One clause for the record, e.g. "52 % of its 1×8 blocks are zero". */
  readonly why: string;
}

export interface Candidate<P> {
  readonly kernel: string;
  /** Beyond plain SIMD. */
  readonly requires: readonly Feature[];
  /** Whether it skips zeros: `sparse=on` and `sparse=off` choose by this. */
  readonly sparse: boolean;
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
  const { features, sparse, chosen } = context.selection;
  const applicable: { readonly candidate: Candidate<P>; readonly estimate: Estimate }[] = [];
  for (const candidate of candidates) {
    if (!candidate.requires.every((feature) => features.has(feature))) continue;
    if (candidate.sparse && sparse === "off") continue;
    const estimate = candidate.estimate(problem, features);
    if (estimate !== undefined) applicable.push({ candidate, estimate });
  }
  const forceSparse = sparse === "on" && applicable.some(({ candidate }) => candidate.sparse);
  const open = forceSparse ? applicable.filter(({ candidate }) => candidate.sparse) : applicable;
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
  const { why } = best.estimate;
  return { ...best.candidate.plan(context, problem), why: told === undefined ? why : `${why}; ${told.why}` };
}

/** Candidates by kernel, checked for repeats: a list with two of the same name could not be tuned. */
export function candidateList<P>(candidates: readonly Candidate<P>[]): readonly Candidate<P>[] {
  invariant(new Set(candidates.map(({ kernel }) => kernel)).size === candidates.length, "two candidates with the same kernel");
  return candidates;
}
