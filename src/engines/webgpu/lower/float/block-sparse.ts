/** Candidates that skip zeros in blocks of eight output channels: one input position each (1×8), or four consecutive ones (4×8). */
import { invariant } from "../../../../errors.ts";
import { packLists } from "../../pack-sparse.ts";
import type { Candidate } from "../candidates.ts";
import { gemmParams } from "../problem.ts";
import { BLOCKS_4X8, LISTS_1X8, sparseEstimate, sparseRows, sparseThreads } from "../sparse.ts";
import type { Granularity, SparseCost, SparseRows } from "../sparse.ts";
import { biasOperand } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

interface Kind {
  readonly name: string;
  readonly granularity: Granularity;
  readonly cost: Readonly<Record<SparseRows, SparseCost>>;
}

/**
 * Costs from processor times of interleaved runs on SwiftShader 5.0 (Dawn, 2026-11-24), 196×512×512, 784×64×64 and 1×512×512 at 50, 75 and
 * 87.5 % zeros. 1×8: 0.64, 0.29 and 0.21 of the dense time on the first; 4×8: 0.53, 0.32 and 0.19.
 */
const KINDS: readonly Kind[] = [
  { name: "block1x8", granularity: LISTS_1X8, cost: { 4: { each: 1.1, list: 10 }, 1: { each: 1.6, list: 20 } } },
  { name: "block4x8", granularity: BLOCKS_4X8, cost: { 4: { each: 1.05, list: 10 }, 1: { each: 1.2, list: 30 } } },
];

function blockSparse({ name, granularity, cost }: Kind, rows: SparseRows, conv: boolean): Candidate<FloatProblem> {
  const kernel = `f32_${conv ? "conv" : "gemm"}_${name}_${rows}x8__wgsl`;
  const { list } = granularity;
  return {
    kernel,
    requires: [],
    sparse: true,
    estimate({ gemm }, facts) {
      // Units of four are read as vec4.
      if (gemm.conv !== conv || sparseRows(gemm) !== rows || (list.unit === 4 && !gemm.vec4)) return undefined;
      return sparseEstimate(gemm, granularity, cost[rows], facts);
    },
    lower(c, problem) {
      const { gemm, x, activation, out } = problem;
      const lists = packLists(gemm.shape, gemm.weight, gemm.position, list, (n) => new Float32Array(n));
      invariant(lists !== undefined, "lowering of weights that were not estimated");
      c.flat({
        kernel,
        params: gemmParams(gemm, activation, undefined),
        inputs: [
          c.operand(x),
          c.constant("weights", lists.values),
          biasOperand(c, problem, 8),
          c.constant("starts", lists.starts),
          c.constant("positions", lists.positions),
        ],
        output: out,
        threads: sparseThreads(gemm, rows),
        z: gemm.shape.groups,
      });
    },
  };
}

export const BLOCK_SPARSE_F32: readonly Candidate<FloatProblem>[] = KINDS.flatMap((kind) =>
  ([4, 1] as const).flatMap((rows) => [false, true].map((conv) => blockSparse(kind, rows, conv))),
);
