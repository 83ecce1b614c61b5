/**
 * Which units (weights or blocks) a pruning step zeroes: exactly the k with the smallest score, ties by position, never by threshold
 * alone, as torch.nn.utils.prune does it; or, on request, by Keras' threshold, which spares ties. k = amount × units, rounded half to even.
 */
import { roundHalfEven } from "../../graph/numerics.ts";

/** How many of `units` an amount prunes. */
export function pruneCount(amount: number, units: number): number {
  return roundHalfEven(amount * units);
}

/**
 * 1 for each of the k smallest scores; among equal scores the earlier goes first.
 * @param scores not NaN
 */
export function smallest(scores: Float64Array, k: number): Uint8Array {
  const chosen = new Uint8Array(scores.length);
  if (k <= 0) return chosen;
  if (k >= scores.length) return chosen.fill(1);
  const threshold = scores.slice().sort()[k - 1]!;
  let below = 0;
  for (const score of scores) if (score < threshold) below++;
  let ties = k - below;
  for (let i = 0; i < scores.length; i++) {
    if (scores[i]! < threshold) chosen[i] = 1;
    else if (scores[i] === threshold && ties > 0) {
      chosen[i] = 1;
      ties--;
    }
  }
  return chosen;
}

/**
 * Keras' rule (tensorflow_model_optimization, pruning_impl.py): the threshold is the score of the last unit to keep, and whoever reaches it
 * stays, so ties survive, and at least one unit does.
 * @returns 1 for each unit to zero
 */
export function belowThreshold(scores: Float64Array, amount: number): Uint8Array {
  if (scores.length === 0) return new Uint8Array(0);
  const keep = Math.max(roundHalfEven(scores.length * (1 - amount)), 1);
  const threshold = scores.slice().sort()[scores.length - keep]!;
  return Uint8Array.from(scores, (score) => (score < threshold ? 1 : 0));
}

/** Blocks over a row-major [n, k] weight matrix: `cols` consecutive rows n (output channels) × `rows` consecutive positions k. */
export interface BlockGrid {
  readonly n: number;
  readonly k: number;
  readonly rows: number;
  readonly cols: number;
}

export function blockCount(grid: BlockGrid): number {
  return Math.ceil(grid.n / grid.cols) * Math.ceil(grid.k / grid.rows);
}

/**
 * Mean or largest absolute weight of each block, block columns of n outermost; a partial block at the edge counts the weights that it has, so
 * that it competes fairly.
 */
export function blockScores(weights: ArrayLike<number>, grid: BlockGrid, pool: "avg" | "max" = "avg"): Float64Array {
  const scores = new Float64Array(blockCount(grid));
  forEachBlock(grid, (block, n0, n1, k0, k1) => {
    let [sum, most] = [0, 0];
    for (let n = n0; n < n1; n++) {
      for (let k = k0; k < k1; k++) {
        const magnitude = Math.abs(weights[n * grid.k + k]!);
        sum += magnitude;
        most = Math.max(most, magnitude);
      }
    }
    scores[block] = pool === "max" ? most : sum / ((n1 - n0) * (k1 - k0));
  });
  return scores;
}

/** 1 for every weight of a chosen block. */
export function expandBlocks(chosen: Uint8Array, grid: BlockGrid): Uint8Array {
  const zeros = new Uint8Array(grid.n * grid.k);
  forEachBlock(grid, (block, n0, n1, k0, k1) => {
    if (chosen[block] === 0) return;
    for (let n = n0; n < n1; n++) zeros.fill(1, n * grid.k + k0, n * grid.k + k1);
  });
  return zeros;
}

function forEachBlock(grid: BlockGrid, visit: (block: number, n0: number, n1: number, k0: number, k1: number) => void): void {
  let block = 0;
  for (let n0 = 0; n0 < grid.n; n0 += grid.cols) {
    for (let k0 = 0; k0 < grid.k; k0 += grid.rows) {
      visit(block++, n0, Math.min(n0 + grid.cols, grid.n), k0, Math.min(k0 + grid.rows, grid.k));
    }
  }
}

/** N:M groups over a row-major [n, k] weight matrix: `of` consecutive positions k within each run of `run`, `cols` rows n together. */
export interface GroupGrid {
  readonly n: number;
  readonly k: number;
  /** Input channels: a group never reaches from one tap of a kernel into the next. Divides k. */
  readonly run: number;
  readonly cols: number;
  readonly keep: number;
  readonly of: number;
}

/**
 * 1 for every weight beyond the `keep` largest of its group, by mean magnitude over the columns; of equals the later stays. A group cut
 * short by the end of a run counts as filled up with zeros: it keeps as many.
 */
export function zerosOfGroups(weights: ArrayLike<number>, { n, k, run, cols, keep, of }: GroupGrid): Uint8Array {
  const zeros = new Uint8Array(n * k);
  for (let n0 = 0; n0 < n; n0 += cols) {
    const n1 = Math.min(n0 + cols, n);
    for (let k0 = 0; k0 < k;) {
      const k1 = Math.min(k0 + of, (Math.floor(k0 / run) + 1) * run);
      const scores = Float64Array.from({ length: k1 - k0 }, (_, i) => {
        let sum = 0;
        for (let r = n0; r < n1; r++) sum += Math.abs(weights[r * k + k0 + i]!);
        return sum;
      });
      smallest(scores, scores.length - keep).forEach((isZero, i) => {
        if (isZero === 1) for (let r = n0; r < n1; r++) zeros[r * k + k0 + i] = 1;
      });
      k0 = k1;
    }
  }
  return zeros;
}
