/** A candidate of the WASM engine: a kernel of the modules, what it needs beyond plain SIMD, and its plan. How one is chosen is in ../../candidates.ts. */
import { chooseCandidate } from "../../candidates.ts";
import type { Choosable, Estimate } from "../../candidates.ts";
import type { WeightCode } from "../../../graph/ir.ts";
import type { Feature } from "../features.ts";
import type { NodePlan, PlanContext } from "../program.ts";

export interface Candidate<P> extends Choosable {
  /** Beyond plain SIMD. */
  readonly requires: readonly Feature[];
  /** Whether its kernel adds a residual before the activation. */
  readonly addsResidual?: boolean;
  /**
   * @param features of the session, all of `requires` among them
   * @returns undefined when it cannot execute the problem
   */
  estimate(problem: P, features: ReadonlySet<Feature>): Estimate | undefined;
  plan(context: PlanContext, problem: P): NodePlan;
}

/**
 * Plans a node with the cheapest candidate that applies, or the one that the session's selection names.
 * @param code of the weights, for the record
 * @returns undefined when none applies
 * @throws UsageError when the kernel chosen for this node cannot execute it
 */
export function planBest<P>(
  context: PlanContext,
  candidates: readonly Candidate<P>[],
  problem: P,
  node: string,
  code?: WeightCode,
): NodePlan | undefined {
  const { selection } = context;
  const { features } = selection;
  const estimate = (candidate: Candidate<P>): Estimate | undefined =>
    candidate.requires.every((feature) => features.has(feature)) ? candidate.estimate(problem, features) : undefined;
  const { best, why, kernels } = chooseCandidate(selection, candidates, estimate, node, code);
  context.noteAlternatives(node, kernels);
  return best === undefined ? undefined : { ...best.plan(context, problem), why };
}
