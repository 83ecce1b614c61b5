/**
 * The best split of a node: every boundary between neighbouring values of every feature asked for. Features of up to 256 values are
 * counted into bins (value × class), the others sorted; both visit the same boundaries in the same order.
 */
import { shuffleSome, type Random } from "../../data/random.ts";
import { midpoint, type Columns } from "./columns.ts";
import type { Criterion, NodeSums } from "./criteria.ts";

const BINS = 256;

/** Samples and what they stand for. */
export interface Task {
  readonly columns: Columns;
  /** Class or target value of each sample. */
  readonly labels: ArrayLike<number>;
  /** How often each sample counts. */
  readonly weights: ArrayLike<number>;
  /** Classes; 0: a regression. */
  readonly classes: number;
}

export interface Split {
  readonly feature: number;
  readonly threshold: number;
  /** Samples whose rank is at most this go left. */
  readonly rank: number;
  readonly leftImpurity: number;
  readonly rightImpurity: number;
  readonly leftWeight: number;
  /** Features with more than one value at this node, for its children. */
  readonly varying: Int32Array;
}

export interface SplitLimits {
  readonly minSamplesLeaf: number;
  /** Features that are tried at a node; constant ones do not count. */
  readonly maxFeatures: number;
}

export class Splitter {
  readonly #task: Task;
  readonly #criterion: Criterion;
  readonly #limits: SplitLimits;
  readonly #random: Random;
  /** [bin][class] weights; zero between calls. */
  readonly #bins: Int32Array;
  /** Samples in a bin, zero between calls. */
  readonly #counts = new Int32Array(BINS);
  #keys = new Float64Array(0);

  constructor(task: Task, criterion: Criterion, limits: SplitLimits, random: Random) {
    this.#task = task;
    this.#criterion = criterion;
    this.#limits = limits;
    this.#random = random;
    this.#bins = new Int32Array(BINS * task.classes);
  }

  /**
   * @param order the node's samples
   * @param candidates features that varied at its parent
   * @returns undefined where no split leaves enough samples on both sides
   */
  best(order: Int32Array, node: NodeSums, candidates: Int32Array): Split | undefined {
    const { columns, classes } = this.#task;
    const all = this.#limits.maxFeatures >= candidates.length;
    const queue = all ? candidates : candidates.slice();
    const constant = new Set<number>();
    let best: Omit<Split, "varying"> | undefined;
    let bestScore = -Infinity;
    let tried = 0;
    for (let q = 0; q < queue.length && tried < this.#limits.maxFeatures; q++) {
      if (!all) shuffleSome(this.#random, queue, q);
      const feature = queue[q]!;
      this.#criterion.begin(node);
      const small = classes > 0 && columns.values[feature]!.length <= BINS;
      const found = small ? this.#scanBins(order, feature, bestScore) : this.#scanSorted(order, feature, bestScore);
      if (found === "constant") {
        constant.add(feature);
        continue;
      }
      tried++;
      if (found !== undefined) [best, bestScore] = [found.split, found.score];
    }
    return best && { ...best, varying: constant.size === 0 ? candidates : candidates.filter((f) => !constant.has(f)) };
  }

  #scanBins(order: Int32Array, feature: number, bestScore: number): Scan {
    const { columns, labels, weights, classes } = this.#task;
    const ranks = columns.ranks[feature]!;
    const bins = this.#bins;
    const counts = this.#counts;
    let [low, high] = [BINS, -1];
    for (let i = 0; i < order.length; i++) {
      const sample = order[i]!;
      const rank = ranks[sample]!;
      bins[rank * classes + labels[sample]!]! += weights[sample]!;
      counts[rank]!++;
      if (rank < low) low = rank;
      if (rank > high) high = rank;
    }
    const criterion = this.#criterion;
    const { minSamplesLeaf } = this.#limits;
    let found: Found | undefined;
    let score = bestScore;
    let left = 0;
    let previous = -1;
    for (let rank = low; rank <= high; rank++) {
      const count = counts[rank]!;
      if (count === 0) continue;
      if (previous >= 0 && left >= minSamplesLeaf && order.length - left >= minSamplesLeaf) {
        const now = criterion.score();
        if (now > score) {
          score = now;
          found = this.#found(feature, previous, rank, now);
        }
      }
      for (let c = 0, at = rank * classes; c < classes; c++, at++) {
        const weight = bins[at]!;
        if (weight === 0) continue;
        criterion.move(c, weight);
        bins[at] = 0;
      }
      counts[rank] = 0;
      left += count;
      previous = rank;
    }
    return low === high ? "constant" : found;
  }

  #scanSorted(order: Int32Array, feature: number, bestScore: number): Scan {
    const { columns, labels, weights } = this.#task;
    const ranks = columns.ranks[feature]!;
    const n = order.length;
    if (this.#keys.length < n) this.#keys = new Float64Array(n);
    const keys = this.#keys.subarray(0, n);
    // Rank and sample in one number: both stay below 2^26.
    for (let i = 0; i < n; i++) keys[i] = ranks[order[i]!]! * 2 ** 26 + order[i]!;
    keys.sort();
    const rankAt = (i: number): number => Math.floor(keys[i]! / 2 ** 26);
    if (rankAt(0) === rankAt(n - 1)) return "constant";
    const criterion = this.#criterion;
    const { minSamplesLeaf } = this.#limits;
    let found: Found | undefined;
    let score = bestScore;
    let previous = rankAt(0);
    for (let i = 0; i < n; i++) {
      const rank = rankAt(i);
      if (rank !== previous && i >= minSamplesLeaf && n - i >= minSamplesLeaf) {
        const now = criterion.score();
        if (now > score) {
          score = now;
          found = this.#found(feature, previous, rank, now);
        }
      }
      const sample = keys[i]! - rank * 2 ** 26;
      criterion.move(labels[sample]!, weights[sample]!);
      previous = rank;
    }
    return found;
  }

  #found(feature: number, rank: number, next: number, score: number): Found {
    const values = this.#task.columns.values[feature]!;
    const criterion = this.#criterion;
    return {
      score,
      split: {
        feature,
        threshold: midpoint(values[rank]!, values[next]!),
        rank,
        leftImpurity: criterion.leftImpurity(),
        rightImpurity: criterion.rightImpurity(),
        leftWeight: criterion.leftWeight,
      },
    };
  }
}

interface Found {
  readonly score: number;
  readonly split: Omit<Split, "varying">;
}

type Scan = Found | "constant" | undefined;
