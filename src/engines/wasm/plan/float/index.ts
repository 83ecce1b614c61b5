/** All candidates of a float layer with constant weights, the heuristic's favourite first among equals. */
import { invariant } from "../../../../errors.ts";
import type { WeightCode } from "../../../../graph/ir.ts";
import type { NodePlan, PlanContext } from "../../program.ts";
import { candidateList } from "../../../candidates.ts";
import { planBest } from "../candidates.ts";
import { additionCall } from "../elementwise.ts";
import type { Candidate } from "../candidates.ts";
import { BLOCK_SPARSE_F32 } from "./block-sparse.ts";
import { CODED_F32 } from "./coded.ts";
import { DENSE_F32 } from "./dense.ts";
import type { FloatProblem } from "./problem.ts";
import { RELAXED_F32 } from "./relaxed.ts";
import { SCALAR_F32 } from "./scalar.ts";
import { UNSTRUCTURED_F32 } from "./unstructured.ts";
import { VECTOR_BLOCKS_F32 } from "./vector.ts";

export const FLOAT_CANDIDATES = candidateList<Candidate<FloatProblem>>([
  ...DENSE_F32,
  ...CODED_F32,
  ...RELAXED_F32,
  ...VECTOR_BLOCKS_F32,
  ...BLOCK_SPARSE_F32,
  ...UNSTRUCTURED_F32,
]).map(withResidual);

/** Kernels without a residual of their own: it is added where the sums lie, and the activation comes then. */
function withResidual(candidate: Candidate<FloatProblem>): Candidate<FloatProblem> {
  if (candidate.addsResidual === true) return candidate;
  return {
    ...candidate,
    plan(context, problem) {
      const { residual, activation, output, windows, groups, n } = problem;
      if (residual === undefined) return candidate.plan(context, problem);
      const plan = candidate.plan(context, { ...problem, residual: undefined, activation: undefined });
      const addition = additionCall(context, [output, residual, output], windows.m * groups * n, activation);
      return { ...plan, calls: (scratch) => [...plan.calls(scratch), addition] };
    },
  };
}

export function planFloat(context: PlanContext, node: string, problem: FloatProblem, code?: WeightCode): NodePlan {
  const plan = planBest(context, context.selection.simd ? FLOAT_CANDIDATES : [SCALAR_F32], problem, node, code);
  invariant(plan !== undefined, `no kernel for float node "${node}"`);
  return plan;
}
