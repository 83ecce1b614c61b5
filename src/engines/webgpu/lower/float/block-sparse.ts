/** Candidates that skip blocks of one input × eight outputs that are zero. */
import { invariant } from "../../../../errors.ts";
import type { Candidate } from "../candidates.ts";
import { gemmParams } from "../problem.ts";
import { blockEstimate, sparseRows, sparseThreads } from "../sparse.ts";
import type { SparseRows } from "../sparse.ts";
import { biasOperand } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

/** Interleaved runs on SwiftShader 5.0 (784×64×64, zeros 0 to 0.7): a stored block costs a little more than a dense one. */
const PER_LIVE = 1.18;

function blockSparse(rows: SparseRows, conv: boolean): Candidate<FloatProblem> {
  const kernel = `f32_${conv ? "conv" : "gemm"}_block1x8_${rows}x8__wgsl`;
  return {
    kernel,
    requires: [],
    sparse: true,
    estimate({ gemm, blocks }) {
      return gemm.conv === conv && sparseRows(gemm) === rows ? blockEstimate(blocks(), PER_LIVE) : undefined;
    },
    lower(c, problem) {
      const { gemm, x, activation, out } = problem;
      const blocks = problem.blocks();
      invariant(blocks !== undefined, "lowering of weights that were not estimated");
      c.flat({
        kernel,
        params: gemmParams(gemm, activation, undefined),
        inputs: [
          c.operand(x),
          c.constant("weights", blocks.values as Float32Array),
          biasOperand(c, problem, 8),
          c.constant("starts", blocks.starts),
          c.constant("positions", blocks.positions),
        ],
        output: out,
        threads: sparseThreads(gemm, rows),
        z: gemm.shape.groups,
      });
    },
  };
}

export const BLOCK_SPARSE_F32: readonly Candidate<FloatProblem>[] = ([4, 1] as const).flatMap((rows) =>
  [false, true].map((conv) => blockSparse(rows, conv)),
);
