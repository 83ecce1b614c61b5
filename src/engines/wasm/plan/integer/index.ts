/** All candidates of an integer layer with constant weights, the heuristic's favourite first among equals. */
import type { WeightCode } from "../../../../graph/ir.ts";
import type { NodePlan, PlanContext } from "../../program.ts";
import { fitsTile } from "../../records.ts";
import { candidateList } from "../../../candidates.ts";
import { planBest } from "../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { BLOCK_SPARSE_I8 } from "./block-sparse.ts";
import { CODED_I8 } from "./coded.ts";
import { DENSE_I8 } from "./dense.ts";
import type { IntegerProblem } from "./problem.ts";
import { RELAXED_I8 } from "./relaxed.ts";
import { FIXED_I8, SCALAR_I8 } from "./scalar.ts";
import { SPARSE_DOT_I8 } from "./sparse-dot.ts";
import { UNSTRUCTURED_I8 } from "./unstructured.ts";

export const INTEGER_CANDIDATES = candidateList<Candidate<IntegerProblem>>([
  ...DENSE_I8,
  ...RELAXED_I8,
  ...BLOCK_SPARSE_I8,
  ...SPARSE_DOT_I8,
  ...UNSTRUCTURED_I8,
  ...CODED_I8,
]);

/** @returns undefined when accumulators may leave the range that the tiles requantize exactly */
export function planInteger(context: PlanContext, node: string, problem: IntegerProblem, code?: WeightCode): NodePlan | undefined {
  const { weights, k, bias, finish } = problem;
  if (finish.fixed !== undefined) return planBest(context, [FIXED_I8], problem, node, code);
  if (!fitsTile(weights, (i) => Math.floor(i / k), bias, finish.scales)) return undefined;
  return planBest(context, context.selection.simd ? INTEGER_CANDIDATES : [SCALAR_I8], problem, node, code);
}
