/**
 * What sparse candidates have in common: how many zeros a layer has at their granularity, and how their time depends on it. Costs are
 * relative to the dense SIMD tile's 1 for the same layer.
 */
import { zeroShare } from "../pack-sparse.ts";
import type { WeightMatrix } from "../pack.ts";
import type { Estimate } from "../../candidates.ts";

/**
 * Measured times of a kernel, as shares of the dense tile's: fits, within about 10 %, of what layers of 16 to 1024 inputs and outputs take
 * at 0, 50 and 90 % zeros (Node 20.20, V8 11.3, x64 with AVX2, 2026-11). On Node 24 (V8 13.6) 1×8 lists are 5 % cheaper, others alike.
 */
export interface SparseCost {
  /** Of a multiply-add that is not skipped. */
  readonly each: number;
  /** Of preparing one input (transposing, widening), in multiply-adds: all outputs share it. */
  readonly input?: number;
  /** Of starting and ending one list, in multiply-adds of one of its outputs: all inputs share it. */
  readonly list?: number;
}

interface SparseProblem {
  readonly weights: Float32Array | Int16Array;
  readonly n: number;
  readonly k: number;
}

const shares = new WeakMap<SparseProblem["weights"], Map<number, number>>();

/** Share of zero blocks of `outputs` outputs; of an ungrouped problem. */
export function zerosOf({ weights, n, k }: SparseProblem, outputs: number): number {
  let known = shares.get(weights);
  if (known === undefined) shares.set(weights, (known = new Map<number, number>()));
  let share = known.get(outputs);
  if (share === undefined) known.set(outputs, (share = zeroShare({ data: weights, offset: 0, n, k }, outputs)));
  return share;
}

/** A tile of a kernel: how many rows it computes, and what that costs in rows of the largest tile. */
export interface Tile {
  readonly rows: number;
  readonly work: number;
}

/**
 * Work per row where the largest tile does not divide the rows; the smallest may be part empty.
 * @param tiles largest first
 */
export function tileWaste(m: number, tiles: readonly Tile[]): number {
  let left = m;
  let work = 0;
  tiles.forEach((tile, i) => {
    const count = i === tiles.length - 1 ? Math.ceil(left / tile.rows) : Math.floor(left / tile.rows);
    work += count * tile.work;
    left -= count * tile.rows;
  });
  return work / m;
}

/** The matrix of an ungrouped problem. */
export function matrixOf<T extends Float32Array | Int16Array>({
  weights,
  n,
  k,
}: {
  readonly weights: T;
  readonly n: number;
  readonly k: number;
}): WeightMatrix<T> {
  return { data: weights, offset: 0, n, k };
}

const UNITS: Readonly<Record<number, readonly [units: string, name: string]>> = {
  8: ["1×8 blocks", "1×8"],
  4: ["1×4 blocks", "1×4"],
  1: ["weights", "unstructured"],
};

/**
 * @param outputs that share a list
 * @param waste work per useful row where a tile is not full, at least 1
 */
export function sparseEstimate(problem: SparseProblem, outputs: 1 | 4 | 8, cost: SparseCost, waste = 1): Estimate {
  const { n, k } = problem;
  const zeros = zerosOf(problem, outputs);
  // The dense tile computes whole vectors of 4 outputs.
  const dense = Math.ceil(n / 4) * 4;
  const columns = (Math.ceil(n / outputs) * outputs) / dense;
  const perLive = cost.each * columns * waste;
  const fixed = ((cost.input ?? 0) / dense + (columns * (cost.list ?? 0)) / k) * waste;
  const [units, name] = UNITS[outputs]!;
  return { cost: fixed + (1 - zeros) * perLive, why: "", skips: { zeros, units, name, fixed, perLive } };
}

/** Multiply-adds of `rows` rows that are not skipped. */
export function liveWork(rows: number, { n, k }: Pick<SparseProblem, "n" | "k">, { skips }: Estimate): number {
  return rows * n * k * (1 - (skips?.zeros ?? 0));
}
