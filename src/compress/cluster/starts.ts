/**
 * Where k-means begins: evenly spaced, by the distribution's density, at random, or by k-means++ (Arthur & Vassilvitskii 2007). All work on
 * values sorted once; what is random repeats for a seed. Linear, density and random are the TensorFlow toolkit's.
 */
import { mulberry32 } from "../../data/random.ts";
import { roundHalfEven } from "../../graph/numerics.ts";

export const STARTS = ["linear", "density", "random", "kmeanspp"] as const;
export type Start = (typeof STARTS)[number];

/** @param sorted ascending, not empty; @returns `count` values, ascending */
type Starter = (sorted: Float64Array, count: number, margin: number, seed: number) => Float64Array;

/** Starts that draw numbers. */
export const RANDOM_STARTS: ReadonlySet<Start> = new Set<Start>(["random", "kmeanspp"]);
/** The TensorFlow toolkit's. */
export const DEFAULT_START_SEED = 9;

/** From the smallest to the largest of `sorted`, evenly. One centroid stands on the smallest. */
export function linearCentroids(sorted: Float64Array, count: number): Float64Array {
  const low = sorted[0]!;
  const step = count > 1 ? (sorted[sorted.length - 1]! - low) / (count - 1) : 0;
  return Float64Array.from({ length: count }, (_, j) => low + j * step);
}

const GRID_POINTS = 30;
const LEAST_SHARE = 0.01;
/** By which the grid reaches beyond the values. */
const GRID_MARGIN = 0.01;

/** Points of a grid of 30 at which the shares of smaller values are evenly spaced, from 1 % on. */
export function densityCentroids(sorted: Float64Array, count: number, margin: number = GRID_MARGIN): Float64Array {
  const [low, high] = [sorted[0]! - margin, sorted[sorted.length - 1]! + margin];
  const grid = Float64Array.from({ length: GRID_POINTS }, (_, i) => low + (i * (high - low)) / (GRID_POINTS - 1));
  const shares = grid.map((limit) => upperBound(sorted, limit) / sorted.length);
  return Float64Array.from({ length: count }, (_, j) => {
    const share = count > 1 ? LEAST_SHARE + (j * (1 - LEAST_SHARE)) / (count - 1) : LEAST_SHARE;
    return grid[Math.min(upperBound(shares, share), GRID_POINTS - 1)]!;
  });
}

/** Uniform between the smallest and the largest. */
export function randomCentroids(sorted: Float64Array, count: number, seed = DEFAULT_START_SEED): Float64Array {
  const random = mulberry32(seed);
  const [low, high] = [sorted[0]!, sorted[sorted.length - 1]!];
  return Float64Array.from({ length: count }, () => low + random() * (high - low)).sort();
}

/**
 * Values drawn one after another, each with a chance in proportion to its squared distance from those before. Sums over runs of sorted
 * values come from prefix sums, so that a draw costs a few steps a centroid instead of one a value.
 * @param sorted float32 values, at least `count` different ones
 */
export function plusPlusCentroids(sorted: Float64Array, count: number, seed = DEFAULT_START_SEED): Float64Array {
  const random = mulberry32(seed);
  const n = sorted.length;
  // Around the mean, so that differences of large sums keep their digits.
  const mean = sorted.reduce((sum, value) => sum + value, 0) / n;
  const sums = new Float64Array(n + 1);
  const squares = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) {
    const value = sorted[i]! - mean;
    sums[i + 1] = sums[i]! + value;
    squares[i + 1] = squares[i]! + value * value;
  }
  /** Of values [begin, end) from one centroid. */
  const distance = (begin: number, end: number, center: number): number => {
    const c = center - mean;
    return Math.max(0, squares[end]! - squares[begin]! - 2 * c * (sums[end]! - sums[begin]!) + c * c * (end - begin));
  };
  let chosen = Float64Array.of(sorted[Math.min(n - 1, Math.floor(random() * n))]!);
  while (chosen.length < count) {
    const ends = groupEnds(sorted, chosen);
    const costs = chosen.map((center, j) => distance(j === 0 ? 0 : ends[j - 1]!, ends[j]!, center));
    let rest = random() * costs.reduce((sum, cost) => sum + cost, 0);
    let j = 0;
    while (j + 1 < costs.length && rest >= costs[j]!) rest -= costs[j++]!;
    const begin = j === 0 ? 0 : ends[j - 1]!;
    let [low, high] = [begin, ends[j]! - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (distance(begin, middle + 1, chosen[j]!) > rest) high = middle;
      else low = middle + 1;
    }
    const drawn = low < n ? sorted[low]! : chosen[j]!;
    // Rounding may lead to a value that is chosen already.
    const value = chosen.includes(drawn) ? farthest(sorted, chosen, ends) : drawn;
    if (value === undefined) break;
    chosen = Float64Array.of(...chosen, value).sort();
  }
  return chosen;
}

const STARTERS: Readonly<Record<Start, Starter>> = {
  linear: linearCentroids,
  density: densityCentroids,
  random: (sorted, count, _margin, seed) => randomCentroids(sorted, count, seed),
  kmeanspp: (sorted, count, _margin, seed) => plusPlusCentroids(sorted, count, seed),
};

export function startCentroids(start: Start, sorted: Float64Array, count: number, seed = DEFAULT_START_SEED): Float64Array {
  return STARTERS[start](sorted, count, GRID_MARGIN, seed);
}

/**
 * As `startCentroids` for each sign, the counts shared by the numbers of values.
 * @param sorted without zeros
 */
export function startCentroidsBySign(start: Start, sorted: Float64Array, count: number, seed = DEFAULT_START_SEED): Float64Array {
  const negatives = sorted.filter((value) => value < 0);
  const positives = sorted.filter((value) => value > 0);
  const low = roundHalfEven((count * negatives.length) / (negatives.length + positives.length));
  const side = (values: Float64Array, share: number): Float64Array => {
    const margin = Math.min(GRID_MARGIN, Math.min(Math.abs(values[0]!), Math.abs(values[values.length - 1]!)) / 2);
    return STARTERS[start](values, share, margin, seed);
  };
  return Float64Array.of(...(low > 0 ? side(negatives, low) : []), ...(count > low ? side(positives, count - low) : []));
}

/** For each centroid, the index behind its last value: each value belongs to the nearest, the lower one at equal distance. */
export function groupEnds(sorted: Float64Array, centroids: Float64Array): Int32Array {
  return Int32Array.from(centroids, (centroid, j) => {
    const next = centroids[j + 1];
    return next === undefined ? sorted.length : upperBound(sorted, (centroid + next) / 2);
  });
}

/** Number of elements that are at most `limit`. */
function upperBound(sorted: Float64Array, limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The value farthest from its centroid: the first or last of a group; undefined when all values stand on centroids. */
export function farthest(sorted: Float64Array, centroids: Float64Array, ends: Int32Array): number | undefined {
  let best: number | undefined;
  let distance = 0;
  for (let j = 0; j < ends.length; j++) {
    const begin = j === 0 ? 0 : ends[j - 1]!;
    const end = ends[j]!;
    if (end === begin) continue;
    for (const value of [sorted[begin]!, sorted[end - 1]!]) {
      if (Math.abs(value - centroids[j]!) > distance) [best, distance] = [value, Math.abs(value - centroids[j]!)];
    }
  }
  return best;
}
