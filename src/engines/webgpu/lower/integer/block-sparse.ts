/** 8-bit candidates that skip blocks of one input × eight outputs that are zero. */
import { invariant } from "../../../../errors.ts";
import type { Candidate } from "../candidates.ts";
import { gemmParams } from "../problem.ts";
import { blockEstimate, sparseRows, sparseThreads } from "../sparse.ts";
import type { SparseRows } from "../sparse.ts";
import { columnsOperand } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

/** Interleaved runs on SwiftShader 5.0 (784×64×64, zeros 0 to 0.7): single bytes are gathered and widened. */
const PER_LIVE = 1.67;

function blockSparse(rows: SparseRows, conv: boolean): Candidate<IntegerProblem> {
  const kernel = `i8_${conv ? "conv" : "gemm"}_block1x8_${rows}x8__wgsl`;
  return {
    kernel,
    requires: [],
    sparse: true,
    estimate({ gemm, blocks }) {
      return gemm?.conv === conv && sparseRows(gemm) === rows ? blockEstimate(blocks(), PER_LIVE) : undefined;
    },
    lower(c, problem) {
      const { gemm, finish, out } = problem;
      const blocks = problem.blocks();
      invariant(gemm !== undefined && blocks !== undefined, "lowering of weights that were not estimated");
      c.flat({
        kernel,
        params: gemmParams(gemm, undefined, finish, 4),
        inputs: [
          problem.input(c),
          c.constant("weights", new Uint32Array(blocks.values.buffer)),
          columnsOperand(c, gemm, problem, 8),
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

export const BLOCK_SPARSE_I8: readonly Candidate<IntegerProblem>[] = ([4, 1] as const).flatMap((rows) =>
  [false, true].map((conv) => blockSparse(rows, conv)),
);
