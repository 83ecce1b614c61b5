/** Dense candidates that keep to registers: 4 × 4 outputs a thread, and 1 × 4 for few rows. */
import type { Estimate } from "../../../candidates.ts";
import type { DeviceFacts } from "../../device.ts";
import type { Candidate } from "../candidates.ts";
import { FEW_ROWS } from "../problem.ts";
import { ACCESSES, denseInputs, isWhole, kernelName, reads } from "./problem.ts";
import type { Access, FloatProblem } from "./problem.ts";

function direct(rows: 1 | 4, access: Access): Candidate<FloatProblem> {
  const kernel = kernelName(`direct_${rows}x4`, access);
  return {
    kernel,
    requires: [],
    sparse: false,
    algorithm: "direct",
    estimate: (problem, facts) => (reads(problem, access) ? estimate(rows, problem, facts) : undefined),
    lower(c, problem) {
      const { m, shape } = problem.gemm;
      c.flat({
        kernel,
        ...denseInputs(c, problem),
        threads: Math.ceil(m / rows) * Math.ceil(shape.groupOut / 4),
        z: shape.groups,
        fit: isWhole(problem.gemm, rows, 4),
      });
    },
  };
}

/**
 * On software, 4 × 4 is the measure. On hardware, where every thread of a workgroup reads the same inputs and weights again, the tile in
 * workgroup memory is, and this takes about 1.5 times as long (an assumption: tuning measures it).
 */
function estimate(rows: 1 | 4, { gemm }: FloatProblem, { software }: DeviceFacts): Estimate {
  const few = gemm.m < FEW_ROWS;
  const base = software ? 1 : 1.5;
  if (rows === 4) return { cost: few ? base * (4 / gemm.m) : base, why: "dense weights" };
  return { cost: few ? base : base * 2, why: "dense weights" };
}

export const DIRECT_F32: readonly Candidate<FloatProblem>[] = ACCESSES.flatMap((access) => [direct(4, access), direct(1, access)]);
