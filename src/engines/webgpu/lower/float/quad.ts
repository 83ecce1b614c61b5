/** Dense candidates in which four neighbouring threads share what each of them loads of A: for software adapters, where loads are what counts. */
import { runUnits } from "../../pack.ts";
import type { Candidate } from "../candidates.ts";
import { HARDWARE_QUAD_COST } from "../problem.ts";
import type { GemmProblem } from "../problem.ts";
import { denseInputs, isWhole } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

/**
 * Time of a tile of so many rows relative to direct 4×4: least times of 150 interleaved rounds, products of 96×64×64, 96×128×64, 48×128×128,
 * 192×64×96 and 48×256×64 (SwiftShader 5.0 in Dawn, 2 busy cores, 2026-11-30).
 */
const SOFTWARE_COST = { 4: 0.64, 8: 0.5, 12: 0.45, 16: 0.43 } as const;

function quad(rows: keyof typeof SOFTWARE_COST, conv: boolean): Candidate<FloatProblem> {
  const kernel = `f32_${conv ? "conv" : "gemm"}_quad_${rows}x4__wgsl`;
  return {
    kernel,
    requires: ["subgroups"],
    sparse: false,
    algorithm: "direct",
    estimate({ gemm }, { software }) {
      if (gemm.conv !== conv) return undefined;
      const n4 = Math.ceil(gemm.shape.groupOut / 4);
      const waste = ((Math.ceil(gemm.m / rows) * rows) / gemm.m) * ((Math.ceil(n4 / 4) * 4) / n4);
      return { cost: (software ? SOFTWARE_COST[rows] : HARDWARE_QUAD_COST) * waste, why: "dense weights" };
    },
    lower(c, problem) {
      const { gemm } = problem;
      const { m, shape } = gemm;
      const quads = Math.ceil(m / rows) * Math.ceil(shape.groupOut / 16);
      const inputs = denseInputs(c, problem);
      const constants = { ...inputs.constants, FIT_K: isInside(gemm) ? 1 : 0 };
      c.flat({ kernel, ...inputs, threads: quads * 4, z: shape.groups, fit: isWhole(gemm, rows, 16), constants });
    },
  };
}

/** Whether every unit of four along k lies inside A. */
function isInside({ conv, shape, geometry, aStride }: GemmProblem): boolean {
  if (!conv) return aStride % 4 === 0;
  const [outH, outW, inH, line, pixel, , strideY, strideX, padTop, padLeft, dilationY, dilationX] = geometry as unknown as readonly [
    ...(readonly [number, number, number, number, number, number]),
    ...(readonly [number, number, number, number, number, number]),
  ];
  const bottom = (outH - 1) * strideY + (shape.segmentsY - 1) * dilationY;
  const right = ((outW - 1) * strideX + (shape.segmentsX - 1) * dilationX) * pixel + runUnits(shape) * 4;
  return padTop === 0 && padLeft === 0 && shape.run % 4 === 0 && bottom < inH && right <= line;
}

export const QUAD_F32: readonly Candidate<FloatProblem>[] = ([8, 12, 16, 4] as const).flatMap((rows) =>
  [false, true].map((conv) => quad(rows, conv)),
);
