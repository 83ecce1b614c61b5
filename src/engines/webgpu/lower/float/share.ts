/** Dense candidates in which four neighbouring threads share what each of them loads of the weights: for software adapters, and few columns. */
import type { Candidate } from "../candidates.ts";
import { HARDWARE_QUAD_COST } from "../problem.ts";
import { ACCESSES, denseInputs, isWhole, kernelName, reads } from "./problem.ts";
import type { Access, FloatProblem } from "./problem.ts";

const ROWS = 16;
const COLUMNS = 8;

/** Time relative to direct 4×4, by the same runs as of quads (lower/float/quad.ts): 1.3 of theirs. */
const SOFTWARE_COST = 0.56;

function share(access: Access): Candidate<FloatProblem> {
  const kernel = kernelName("share_16x8", access);
  return {
    kernel,
    requires: ["subgroups"],
    sparse: false,
    algorithm: "direct",
    estimate(problem, { software }) {
      if (!reads(problem, access)) return undefined;
      const { m, shape } = problem.gemm;
      const width = Math.ceil(shape.groupOut / 4) * 4;
      const waste = ((Math.ceil(m / ROWS) * ROWS) / m) * ((Math.ceil(width / COLUMNS) * COLUMNS) / width);
      return { cost: (software ? SOFTWARE_COST : HARDWARE_QUAD_COST) * waste, why: "dense weights" };
    },
    lower(c, problem) {
      const { m, shape } = problem.gemm;
      const quads = Math.ceil(m / ROWS) * Math.ceil(shape.groupOut / COLUMNS);
      const fit = isWhole(problem.gemm, ROWS, COLUMNS);
      c.flat({ kernel, ...denseInputs(c, problem), threads: quads * 4, z: shape.groups, fit });
    },
  };
}

export const SHARE_F32: readonly Candidate<FloatProblem>[] = ACCESSES.map(share);
