/**
 * How much a weight or a filter matters; the least important go first. Magnitude rules need nothing but the weights:
 * - l1, l2: the sum of magnitudes, the Euclidean norm (of a single weight both are its magnitude)
 * - lamp: the square over the sum of the squares at least as large, comparable between layers (Lee et al., arXiv 2010.07611)
 * - fpgm: the sum of distances to the layer's other filters; who lies near the geometric median is replaceable (He et al., arXiv 1811.00250)
 * - random: from a seed, the baseline that every other rule must beat
 */
import { mulberry32 } from "../../data/random.ts";

/** Scores of single weights, for `values` of one layer. */
export type WeightImportance = "l1" | "lamp" | "random";

export function weightScores(values: ArrayLike<number>, importance: WeightImportance, seed = 1): Float64Array {
  switch (importance) {
    case "l1":
      return Float64Array.from(values, Math.abs);
    case "lamp":
      return lampScores(Float64Array.from(values, (w) => w * w));
    case "random":
      return randomScores(values.length, seed);
  }
}

/**
 * Each square over the sum of those at least as large, its equals that come later included: from 0 to 1, the largest gets 1. Zeros get 0.
 * @param squares not negative
 */
export function lampScores(squares: Float64Array): Float64Array {
  const order = Int32Array.from(squares, (_, i) => i).sort((a, b) => squares[b]! - squares[a]! || b - a);
  const scores = new Float64Array(squares.length);
  let sum = 0;
  for (const i of order) {
    sum += squares[i]!;
    scores[i] = squares[i] === 0 ? 0 : squares[i]! / sum;
  }
  return scores;
}

/** Uniform in [0, 1). */
export function randomScores(count: number, seed: number): Float64Array {
  const random = mulberry32(seed);
  return Float64Array.from({ length: count }, () => random());
}

/**
 * Norm over all of a unit's values, in double precision; n as torch.linalg.vector_norm takes it.
 * @param n 1, 2, any other positive number, Infinity (largest magnitude), -Infinity (smallest), or "fro" (as 2)
 */
export function norm(values: ArrayLike<number>, n: number | "fro"): number {
  if (n === Infinity || n === -Infinity) {
    let limit = n === Infinity ? 0 : Infinity;
    for (let i = 0; i < values.length; i++)
      limit = n === Infinity ? Math.max(limit, Math.abs(values[i]!)) : Math.min(limit, Math.abs(values[i]!));
    return limit;
  }
  let sum = 0;
  if (n === 1) {
    for (let i = 0; i < values.length; i++) sum += Math.abs(values[i]!);
    return sum;
  }
  const power = n === "fro" ? 2 : n;
  if (power === 2) {
    for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
    return Math.sqrt(sum);
  }
  for (let i = 0; i < values.length; i++) sum += Math.abs(values[i]!) ** power;
  return sum ** (1 / power);
}

/** For each vector the sum of its Euclidean distances to all others. */
export function medianDistances(vectors: readonly Float64Array[]): Float64Array {
  const sums = new Float64Array(vectors.length);
  vectors.forEach((a, i) => {
    for (let j = i + 1; j < vectors.length; j++) {
      const b = vectors[j]!;
      let square = 0;
      for (let k = 0; k < a.length; k++) square += (a[k]! - b[k]!) ** 2;
      const distance = Math.sqrt(square);
      sums[i]! += distance;
      sums[j]! += distance;
    }
  });
  return sums;
}
