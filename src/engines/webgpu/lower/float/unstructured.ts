/** Candidates for zeros anywhere: every output channel has a list of its own. The baseline that blocks are compared with. */
import { invariant } from "../../../../errors.ts";
import { packCsr } from "../../pack-sparse.ts";
import type { Candidate } from "../candidates.ts";
import { FEW_ROWS } from "../problem.ts";
import { SINGLE, sparseEstimate } from "../sparse.ts";
import type { SparseCost } from "../sparse.ts";
import { biasOperand, floatDispatch } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

/** As of blocks (lower/float/block-sparse.ts): 2, 1.4, 0.65 and 0.42 at 25, 50, 75 and 90 % zeros, 2.2 to 0.26 for long sums; 1.7 at 50 % for one row. */
const COST: Readonly<Record<8 | 1, SparseCost>> = { 8: { each: 2.8, list: 20 }, 1: { each: 3.3, list: 50 } };

function csr(rows: 8 | 1, conv: boolean): Candidate<FloatProblem> {
  const kernel = `f32_${conv ? "conv" : "gemm"}_csr_${rows}x1__wgsl`;
  return {
    kernel,
    requires: [],
    sparse: true,
    estimate({ gemm }, facts) {
      if (gemm.conv !== conv || (gemm.m < FEW_ROWS ? 1 : 8) !== rows) return undefined;
      return sparseEstimate(gemm, SINGLE, COST[rows], facts);
    },
    lower(c, problem) {
      const { gemm, x } = problem;
      const { m, shape } = gemm;
      const lists = packCsr(shape, gemm.weight, gemm.position);
      invariant(lists !== undefined, "lowering of weights that were not estimated");
      c.flat({
        kernel,
        ...floatDispatch(c, problem),
        inputs: [c.operand(x), c.constant("entries", lists.entries), biasOperand(c, problem, 1), c.constant("starts", lists.starts)],
        threads: Math.ceil(m / rows) * shape.groupOut,
        z: shape.groups,
      });
    },
  };
}

export const UNSTRUCTURED_F32: readonly Candidate<FloatProblem>[] = ([8, 1] as const).flatMap((rows) =>
  [false, true].map((conv) => csr(rows, conv)),
);
