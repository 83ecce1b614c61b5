/** What sparse candidates of both types have in common. */
import type { Estimate } from "../../candidates.ts";
import type { BlockSparse } from "../pack.ts";
import { FEW_ROWS } from "./problem.ts";
import type { GemmProblem } from "./problem.ts";

/** @param perLive time of the kernel without zeros, relative to the dense tile's */
export function blockEstimate(blocks: BlockSparse | undefined, perLive: number): Estimate | undefined {
  if (blocks === undefined || blocks.positions.length === 0) return undefined;
  const skips = { zeros: 1 - blocks.density, units: "1×8 blocks", name: "1×8", fixed: 0, perLive };
  return { cost: perLive * blocks.density, why: "", skips };
}

/** Rows that a thread computes. */
export type SparseRows = 1 | 4;

export function sparseRows({ m }: GemmProblem): SparseRows {
  return m < FEW_ROWS ? 1 : 4;
}

export function sparseThreads({ m, shape }: GemmProblem, rows: SparseRows): number {
  return Math.ceil(m / rows) * Math.ceil(shape.groupOut / 8);
}
