/** Dense candidates of few rows: k is split over the threads of a workgroup. */
import { kUnits } from "../../pack.ts";
import type { Candidate } from "../candidates.ts";
import { FEW_ROWS } from "../problem.ts";
import { ROW_ACCESSES, denseInputs, kernelName, reads } from "./problem.ts";
import type { Access, FloatProblem } from "./problem.ts";

/** Units of k for 16 threads, below which they have too little to share. */
const MIN_K4 = 16;

function split(access: Access): Candidate<FloatProblem> {
  const kernel = kernelName("split_1x4", access);
  return {
    kernel,
    requires: [],
    workgroup: { invocations: 64, storageBytes: 1024 },
    sparse: false,
    algorithm: "split",
    estimate(problem, { software }) {
      const { m, shape } = problem.gemm;
      if (!reads(problem, access) || m >= FEW_ROWS || kUnits(shape) < MIN_K4) return undefined;
      return { cost: software ? 10 : 0.5, why: "dense weights" };
    },
    lower(c, problem) {
      const { m, shape } = problem.gemm;
      c.dispatch({ kernel, ...denseInputs(c, problem), groups: [Math.ceil(Math.ceil(shape.groupOut / 4) / 4), m, 1] });
    },
  };
}

export const SPLIT_F32: readonly Candidate<FloatProblem>[] = ROW_ACCESSES.map(split);
