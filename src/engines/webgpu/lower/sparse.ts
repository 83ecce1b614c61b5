/**
 * What sparse candidates of both types have in common: how many zeros a layer has at their granularity, and how their time depends on it.
 * Costs are relative to the engine's plain dense tile on the same adapter: 4 × 4 outputs in registers on software, 32 × 32 in workgroup
 * memory on hardware.
 */
import type { Estimate } from "../../candidates.ts";
import type { DeviceFacts } from "../device.ts";
import { liveShare } from "../pack-sparse.ts";
import type { ListShape } from "../pack-sparse.ts";
import { kUnits } from "../pack.ts";
import { FEW_ROWS } from "./problem.ts";
import type { GemmProblem } from "./problem.ts";

/** Measured times of a kernel, as shares of the dense tile's, with what `each` does not explain put on starting and ending a list. */
export interface SparseCost {
  /** Of a multiply-add that is not skipped. */
  readonly each: number;
  /** Of one list, in multiply-adds of one of its outputs. */
  readonly list: number;
}

export interface Granularity {
  readonly list: ListShape;
  readonly units: string;
  readonly name: string;
}

export const LISTS_1X8: Granularity = { list: { outputs: 8, unit: 1 }, units: "1×8 blocks", name: "1×8" };
export const LISTS_1X16: Granularity = { list: { outputs: 16, unit: 1 }, units: "1×16 blocks", name: "1×16" };
export const LISTS_1X32: Granularity = { list: { outputs: 32, unit: 1 }, units: "1×32 blocks", name: "1×32" };
export const BLOCKS_4X8: Granularity = { list: { outputs: 8, unit: 4 }, units: "4×8 blocks", name: "4×8" };
export const SINGLE: Granularity = { list: { outputs: 1, unit: 1 }, units: "weights", name: "unstructured" };

const shares = new WeakMap<GemmProblem, Map<string, number>>();

function shareOf(gemm: GemmProblem, list: ListShape): number {
  let known = shares.get(gemm);
  if (known === undefined) shares.set(gemm, (known = new Map<string, number>()));
  const key = `${list.outputs}×${list.unit}`;
  let share = known.get(key);
  if (share === undefined) known.set(key, (share = liveShare(gemm.shape, gemm.weight, list)));
  return share;
}

/** Share of pieces of that granularity with a weight that is not zero. */
export function liveOf(gemm: GemmProblem, { list }: Granularity): number {
  // No block is zero unless its weights are.
  return shareOf(gemm, SINGLE.list) === 1 ? 1 : shareOf(gemm, list);
}

/**
 * A register kernel reads the same inputs and weights in every thread of a workgroup; on hardware that takes about 1.5 times as long as the
 * tile that shares them (an assumption, as of the dense kernels: tuning measures it).
 */
const HARDWARE_REGISTERS = 1.5;

/** @returns undefined where nothing is left, or a position cannot be encoded */
export function sparseEstimate(
  gemm: GemmProblem,
  granularity: Granularity,
  { each, list }: SparseCost,
  facts: DeviceFacts,
  registers = true,
): Estimate | undefined {
  const { shape } = gemm;
  const live = liveOf(gemm, granularity);
  if (live === 0 || !isEncodable(gemm)) return undefined;
  const factor = registers && !facts.software ? HARDWARE_REGISTERS : 1;
  const { outputs } = granularity.list;
  const columns = (Math.ceil(shape.groupOut / outputs) * outputs) / (Math.ceil(shape.groupOut / 4) * 4);
  const perLive = factor * each * columns;
  const fixed = (factor * columns * list) / (kUnits(shape) * 4);
  return {
    cost: fixed + perLive * live,
    why: "",
    skips: { zeros: 1 - live, units: granularity.units, name: granularity.name, fixed, perLive },
  };
}

/** Positions grow with segments, so the last one tells. */
function isEncodable({ shape, position }: GemmProblem): boolean {
  return position(shape.segmentsY - 1, shape.segmentsX - 1, shape.run - 1) !== undefined;
}

/** Rows that a thread computes. */
export type SparseRows = 1 | 4;

export function sparseRows({ m }: GemmProblem): SparseRows {
  return m < FEW_ROWS ? 1 : 4;
}

export function sparseThreads({ m, shape }: GemmProblem, rows: SparseRows): number {
  return Math.ceil(m / rows) * Math.ceil(shape.groupOut / 8);
}
