/** Candidates that skip zeros in blocks of eight output channels: one input position each (1×8), or four consecutive ones (4×8). */
import { invariant } from "../../../../errors.ts";
import { packLists } from "../../pack-sparse.ts";
import type { ListShape } from "../../pack-sparse.ts";
import type { Operand } from "../../step.ts";
import type { Candidate } from "../candidates.ts";
import type { Lowering } from "../context.ts";
import { FEW_ROWS, HARDWARE_QUAD_COST } from "../problem.ts";
import { BLOCKS_4X8, LISTS_1X16, LISTS_1X32, LISTS_1X8, sparseEstimate, sparseRows, sparseThreads } from "../sparse.ts";
import type { Granularity, SparseCost, SparseRows } from "../sparse.ts";
import { biasOperand, floatDispatch, isWhole } from "./problem.ts";
import type { FloatDispatch, FloatProblem } from "./problem.ts";

interface Kind {
  readonly name: string;
  readonly granularity: Granularity;
  readonly cost: Readonly<Record<SparseRows, SparseCost>>;
}

/**
 * Costs relative to direct 4×4 (1×4 for one row) on SwiftShader 5.0 in Dawn. Many rows: least times of 150 interleaved rounds at 25, 50, 75
 * and 90 % zeros, 64×128×128, 96×256×64 and 256×64×128 (2 busy cores, 2026-11-30); 1×8 took 0.76, 0.55, 0.36 and 0.25, where dense takes 0.43
 * by quads: so these are for devices without subgroups, and for a choice that tuning measures. One row: 1×512×512, 2026-11-24.
 */
const KINDS: readonly Kind[] = [
  { name: "block1x8", granularity: LISTS_1X8, cost: { 4: { each: 0.85, list: 15 }, 1: { each: 1.3, list: 20 } } },
  { name: "block4x8", granularity: BLOCKS_4X8, cost: { 4: { each: 0.65, list: 25 }, 1: { each: 1.2, list: 30 } } },
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
      const { gemm } = problem;
      const fit = isWhole(gemm, rows, list.outputs);
      c.flat({ kernel, ...listInputs(c, problem, list), threads: sparseThreads(gemm, rows), z: gemm.shape.groups, fit });
    },
  };
}

/** Rows of a tile by four threads that share a list. */
const SHARE_ROWS = 16;
/**
 * The same runs, and 192×256×256 and 64×512×512: at 25, 50, 75 and 90 % zeros 1.1, 0.87, 0.6 and 0.43 of the dense time by quads for sums of
 * 64 to 128, 1.2, 0.65, 0.27 and 0.17 for longer ones. Below a third of zeros nothing was gained.
 */
const SHARE_COST: SparseCost = { each: 0.57, list: 13 };

/** 1×8 blocks by four threads that share what they load of a list: for software adapters. */
function sharedLists(conv: boolean): Candidate<FloatProblem> {
  const kernel = `f32_${conv ? "conv" : "gemm"}_block1x8_share_16x8__wgsl`;
  return {
    kernel,
    requires: ["subgroups"],
    sparse: true,
    estimate({ gemm }, facts) {
      if (gemm.conv !== conv) return undefined;
      const waste = (Math.ceil(gemm.m / SHARE_ROWS) * SHARE_ROWS) / gemm.m;
      const factor = waste * (facts.software ? 1 : HARDWARE_QUAD_COST);
      return sparseEstimate(gemm, LISTS_1X8, { each: SHARE_COST.each * factor, list: SHARE_COST.list * factor }, facts, false);
    },
    lower(c, problem) {
      const { gemm } = problem;
      c.flat({
        kernel,
        ...listInputs(c, problem, LISTS_1X8.list, 4),
        threads: Math.ceil(gemm.m / SHARE_ROWS) * Math.ceil(gemm.shape.groupOut / 8) * 4,
        z: gemm.shape.groups,
        fit: isWhole(gemm, SHARE_ROWS, LISTS_1X8.list.outputs),
      });
    },
  };
}

interface ListTile {
  readonly granularity: Granularity;
  readonly outputs: 16 | 32;
  /** Rows of a workgroup, and bytes of its tiles. */
  readonly rows: number;
  readonly storageBytes: number;
}

const LIST_TILES: readonly ListTile[] = [
  { granularity: LISTS_1X16, outputs: 16, rows: 64, storageBytes: 10240 },
  { granularity: LISTS_1X32, outputs: 32, rows: 32, storageBytes: 8192 },
];
/** Time of what is left relative to the dense tile, which it is but for gathering: an assumption that tuning measures. */
const TILE_COST: SparseCost = { each: 1.1, list: 60 };
/** As of the dense tile (lower/float/tiled.ts). */
const SOFTWARE_TILE = 10;

/** 1×16 and 1×32 blocks by tiles in workgroup memory: for hardware. */
function tiledLists({ granularity, outputs, rows, storageBytes }: ListTile, conv: boolean): Candidate<FloatProblem> {
  const kernel = `f32_${conv ? "conv" : "gemm"}_block1x${outputs}_tiled_${rows}x${outputs}__wgsl`;
  return {
    kernel,
    requires: [],
    workgroup: { invocations: 64, storageBytes },
    sparse: true,
    estimate({ gemm }, facts) {
      if (gemm.conv !== conv || gemm.m < FEW_ROWS) return undefined;
      const factor = ((Math.ceil(gemm.m / rows) * rows) / gemm.m) * (facts.software ? SOFTWARE_TILE : 1);
      return sparseEstimate(gemm, granularity, { each: TILE_COST.each * factor, list: TILE_COST.list * factor }, facts, false);
    },
    lower(c, problem) {
      const { m, shape } = problem.gemm;
      c.dispatch({
        kernel,
        ...listInputs(c, problem, granularity.list, 4),
        groups: [Math.ceil(m / rows), Math.ceil(shape.groupOut / outputs), shape.groups],
      });
    },
  };
}

/** Uniform and inputs of a kernel that walks lists. @param fill entries to whose multiples lists are filled up */
function listInputs(
  c: Lowering,
  problem: FloatProblem,
  list: ListShape,
  fill = 1,
): FloatDispatch & { readonly inputs: readonly Operand[] } {
  const { gemm, x } = problem;
  const lists = packLists(gemm.shape, gemm.weight, gemm.position, list, (n) => new Float32Array(n), fill);
  invariant(lists !== undefined, "lowering of weights that were not estimated");
  const { values, starts, positions } = lists;
  return {
    ...floatDispatch(c, problem),
    inputs: [
      c.operand(x),
      c.constant("weights", values),
      biasOperand(c, problem, list.outputs),
      c.constant("starts", starts),
      c.constant("positions", positions),
    ],
  };
}

export const BLOCK_SPARSE_F32: readonly Candidate<FloatProblem>[] = [
  ...KINDS.flatMap((kind) => ([4, 1] as const).flatMap((rows) => [false, true].map((conv) => blockSparse(kind, rows, conv)))),
  ...[false, true].map(sharedLists),
  ...LIST_TILES.flatMap((tile) => [false, true].map((conv) => tiledLists(tile, conv))),
];
