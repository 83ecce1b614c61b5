/** Dense candidates that share a tile of both operands in workgroup memory. */
import type { Candidate } from "../candidates.ts";
import { FEW_ROWS } from "../problem.ts";
import { ACCESSES, denseInputs, kernelName, reads } from "./problem.ts";
import type { Access, FloatProblem } from "./problem.ts";

/** Time on SwiftShader 5.0 relative to registers only (784×64×64: 48 ms and 4.5 ms): a barrier splits its code into coroutines. */
const SOFTWARE_COST = 10;

function tiled(access: Access): Candidate<FloatProblem> {
  const kernel = kernelName("tiled_32x32", access);
  return {
    kernel,
    requires: [],
    workgroup: { invocations: 64, storageBytes: 8192 },
    sparse: false,
    algorithm: "tiled",
    estimate(problem, { software }) {
      if (!reads(problem, access) || problem.gemm.m < FEW_ROWS) return undefined;
      return { cost: software ? SOFTWARE_COST : 1, why: "dense weights" };
    },
    lower(c, problem) {
      const { m, shape } = problem.gemm;
      const groups = c.fold(Math.ceil(m / 32) * Math.ceil(shape.groupOut / 32), shape.groups);
      c.dispatch({ kernel, ...denseInputs(c, problem), groups });
    },
  };
}

export const TILED_F32: readonly Candidate<FloatProblem>[] = ACCESSES.map(tiled);
