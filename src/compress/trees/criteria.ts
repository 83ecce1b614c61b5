/**
 * What a split is chosen by. A criterion holds the samples of a node, all on the right side at first; they move to the left value by
 * value, and `score` says how good the split would be there: larger is better, and only to be compared within a node. Of equal scores
 * the first wins. Formulas as in scikit-learn, so that ties are ties there too.
 */

export const CRITERIA = ["gini", "entropy", "mse"] as const;
export type CriterionName = (typeof CRITERIA)[number];

export interface Criterion {
  /** All of a node's samples, on the right. */
  begin(node: NodeSums): void;
  /** @param label class, or target value; @param weight how much of it moves to the left */
  move(label: number, weight: number): void;
  readonly leftWeight: number;
  score(): number;
  /** Of the samples on either side, as they stand. */
  leftImpurity(): number;
  rightImpurity(): number;
}

/** What is known of a node's samples. */
export interface NodeSums {
  readonly weight: number;
  /** Weight of each class; of a regression: Σ w t, Σ w t². */
  readonly sums: Float64Array;
}

/** @param classes of a classification @param total weight of all samples, a whole number for entropy */
export function makeCriterion(name: CriterionName, classes: number, total: number): Criterion {
  switch (name) {
    case "gini":
      return new Gini(classes);
    case "entropy":
      return new Entropy(classes, total);
    case "mse":
      return new SquaredError();
  }
}

/** Impurity of a node's samples. */
export function impurityOf(name: CriterionName, { weight, sums }: NodeSums): number {
  if (weight === 0) return 0;
  switch (name) {
    case "gini":
      return gini(sums, weight);
    case "entropy":
      return entropy(sums, weight);
    case "mse":
      return variance(sums[0]!, sums[1]!, weight);
  }
}

function gini(counts: Float64Array, weight: number): number {
  let squares = 0;
  for (const count of counts) squares += count * count;
  return 1 - squares / (weight * weight);
}

function entropy(counts: Float64Array, weight: number): number {
  let sum = 0;
  for (const count of counts) {
    if (count === 0) continue;
    const share = count / weight;
    sum -= share * Math.log2(share);
  }
  return sum;
}

function variance(sum: number, squares: number, weight: number): number {
  const mean = sum / weight;
  return Math.max(0, squares / weight - mean * mean);
}

class Gini implements Criterion {
  leftWeight = 0;
  readonly #left: Float64Array;
  readonly #right: Float64Array;
  #rightWeight = 0;
  #leftSquares = 0;
  #rightSquares = 0;

  constructor(classes: number) {
    this.#left = new Float64Array(classes);
    this.#right = new Float64Array(classes);
  }

  begin({ weight, sums }: NodeSums): void {
    this.#left.fill(0);
    this.#right.set(sums);
    this.leftWeight = 0;
    this.#rightWeight = weight;
    this.#leftSquares = 0;
    this.#rightSquares = 0;
    for (const count of sums) this.#rightSquares += count * count;
  }

  move(label: number, weight: number): void {
    const left = this.#left[label]!;
    const right = this.#right[label]!;
    this.#leftSquares += weight * (2 * left + weight);
    this.#rightSquares -= weight * (2 * right - weight);
    this.#left[label] = left + weight;
    this.#right[label] = right - weight;
    this.leftWeight += weight;
    this.#rightWeight -= weight;
  }

  score(): number {
    return this.#leftSquares / this.leftWeight + this.#rightSquares / this.#rightWeight;
  }

  leftImpurity(): number {
    return gini(this.#left, this.leftWeight);
  }

  rightImpurity(): number {
    return gini(this.#right, this.#rightWeight);
  }
}

class Entropy implements Criterion {
  leftWeight = 0;
  readonly #left: Float64Array;
  readonly #right: Float64Array;
  /** n log2 n. */
  readonly #table: Float64Array;
  #rightWeight = 0;
  #leftSum = 0;
  #rightSum = 0;

  constructor(classes: number, total: number) {
    this.#left = new Float64Array(classes);
    this.#right = new Float64Array(classes);
    this.#table = Float64Array.from({ length: total + 1 }, (_, n) => (n === 0 ? 0 : n * Math.log2(n)));
  }

  begin({ weight, sums }: NodeSums): void {
    this.#left.fill(0);
    this.#right.set(sums);
    this.leftWeight = 0;
    this.#rightWeight = weight;
    this.#leftSum = 0;
    this.#rightSum = 0;
    for (const count of sums) this.#rightSum += this.#table[count]!;
  }

  move(label: number, weight: number): void {
    const table = this.#table;
    const left = this.#left[label]!;
    const right = this.#right[label]!;
    this.#leftSum += table[left + weight]! - table[left]!;
    this.#rightSum += table[right - weight]! - table[right]!;
    this.#left[label] = left + weight;
    this.#right[label] = right - weight;
    this.leftWeight += weight;
    this.#rightWeight -= weight;
  }

  score(): number {
    return this.#leftSum - this.#table[this.leftWeight]! + this.#rightSum - this.#table[this.#rightWeight]!;
  }

  leftImpurity(): number {
    return entropy(this.#left, this.leftWeight);
  }

  rightImpurity(): number {
    return entropy(this.#right, this.#rightWeight);
  }
}

class SquaredError implements Criterion {
  leftWeight = 0;
  #rightWeight = 0;
  readonly #left = new Float64Array(2);
  readonly #right = new Float64Array(2);

  begin({ weight, sums }: NodeSums): void {
    this.#left.fill(0);
    this.#right.set(sums);
    this.leftWeight = 0;
    this.#rightWeight = weight;
  }

  move(target: number, weight: number): void {
    const [sum, squares] = [weight * target, weight * target * target];
    this.#left[0]! += sum;
    this.#left[1]! += squares;
    this.#right[0]! -= sum;
    this.#right[1]! -= squares;
    this.leftWeight += weight;
    this.#rightWeight -= weight;
  }

  score(): number {
    return this.#left[0]! ** 2 / this.leftWeight + this.#right[0]! ** 2 / this.#rightWeight;
  }

  leftImpurity(): number {
    return variance(this.#left[0]!, this.#left[1]!, this.leftWeight);
  }

  rightImpurity(): number {
    return variance(this.#right[0]!, this.#right[1]!, this.#rightWeight);
  }
}
