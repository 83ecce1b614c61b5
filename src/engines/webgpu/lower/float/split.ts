/** Dense candidates of few rows: k is split over the threads of a workgroup. */
import { kUnits } from "../../pack.ts";
import type { Candidate } from "../candidates.ts";
import { FEW_ROWS } from "../problem.ts";
import { ROW_ACCESSES, denseInputs, isWhole, kernelName, reads } from "./problem.ts";
import type { Access, FloatProblem } from "./problem.ts";

interface Split {
  /** Rows of a workgroup, which reads the weights once for all of them. */
  readonly rows: 1 | 4 | 8;
  readonly lanes: 16 | 32;
  /** Rows of a layer that it is for. */
  readonly from: number;
  readonly to: number;
  /** Time on hardware relative to the tile in workgroup memory: assumptions that tuning measures. */
  readonly cost: number;
}

const SPLITS: readonly Split[] = [
  { rows: 1, lanes: 16, from: 1, to: FEW_ROWS - 1, cost: 0.5 },
  { rows: 4, lanes: 32, from: 2, to: 4, cost: 0.45 },
  { rows: 8, lanes: 32, from: 5, to: 8, cost: 0.6 },
];

const COLUMNS = 16;

function split({ rows, lanes, from, to, cost }: Split, access: Access): Candidate<FloatProblem> {
  const kernel = kernelName(`split_${rows}x4`, access);
  return {
    kernel,
    requires: [],
    workgroup: { invocations: 4 * lanes, storageBytes: 64 * lanes * rows },
    sparse: false,
    algorithm: "split",
    estimate(problem, { software }) {
      const { m, shape } = problem.gemm;
      if (!reads(problem, access) || m < from || m > to || kUnits(shape) < lanes) return undefined;
      return { cost: software ? 10 : cost, why: "dense weights" };
    },
    lower(c, problem) {
      const { m, shape } = problem.gemm;
      const inputs = denseInputs(c, problem);
      const constants = { ...inputs.constants, FIT_MN: isWhole(problem.gemm, rows, COLUMNS) ? 1 : 0 };
      c.dispatch({ kernel, ...inputs, constants, groups: [Math.ceil(shape.groupOut / COLUMNS), Math.ceil(m / rows), 1] });
    },
  };
}

export const SPLIT_F32: readonly Candidate<FloatProblem>[] = SPLITS.flatMap((one) => ROW_ACCESSES.map((access) => split(one, access)));
