/**
 * Shared values for a list of weights: k-means on a line, by default from evenly spaced starting points (Deep Compression, arXiv 1510.00149,
 * found that start the best at almost every width). The values are sorted once, so a round costs a few binary searches.
 */
import { farthest, groupEnds, startCentroids, startCentroidsBySign } from "./starts.ts";
import type { Start } from "./starts.ts";

/** Far above what any start needs; a bound against cycles of rounding. */
const MOST_ROUNDS = 2000;

/**
 * Lloyd's rounds until nothing moves: each value belongs to the nearest centroid (the lower one at equal distance), each centroid becomes
 * the mean of its values. A centroid without values takes over the value that lies farthest from its own.
 * @param sorted ascending, not empty
 * @param start ascending
 */
export function lloyd(sorted: Float64Array, start: Float64Array): Float64Array {
  const sums = new Float64Array(sorted.length + 1);
  for (let i = 0; i < sorted.length; i++) sums[i + 1] = sums[i]! + sorted[i]!;
  let centroids = start;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const ends = groupEnds(sorted, centroids);
    const next = centroids.map((centroid, j) => {
      const begin = j === 0 ? 0 : ends[j - 1]!;
      return ends[j]! > begin ? (sums[ends[j]!]! - sums[begin]!) / (ends[j]! - begin) : centroid;
    });
    const empty = ends.findIndex((end, j) => end === (j === 0 ? 0 : ends[j - 1]!));
    if (empty >= 0) {
      const far = farthest(sorted, next, ends);
      if (far !== undefined) {
        next[empty] = far;
        next.sort();
      }
    }
    if (next.every((value, j) => value === centroids[j])) break;
    centroids = next;
  }
  return centroids;
}

export interface Clustered {
  /** Ascending but for the zero that is kept, which comes first. */
  readonly table: Float32Array;
  readonly indices: Uint8Array;
}

export interface ClusterOptions {
  /** Default: linear. */
  readonly start?: Start | undefined;
  readonly seed?: number | undefined;
  /** False: values go to the nearest starting point, as the TensorFlow toolkit begins its training. Default: k-means from there. */
  readonly refine?: boolean | undefined;
}

/**
 * @param data finite
 * @param count at most 256
 * @param keepZero zeros stay zeros, by a shared value of their own that no other weight takes
 */
export function clusterValues(data: Float32Array, count: number, keepZero: boolean, options: ClusterOptions = {}): Clustered {
  const free = Float64Array.from(keepZero ? data.filter((value) => value !== 0) : data).sort();
  const hasZeros = keepZero && free.length < data.length;
  const table = [
    ...(hasZeros ? [0] : []),
    ...(free.length === 0 ? [] : centroidsOf(free, hasZeros ? count - 1 : count, keepZero, options)),
  ];
  const first = hasZeros ? 1 : 0;
  const indices = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) indices[i] = hasZeros && data[i] === 0 ? 0 : nearest(table, first, data[i]!);
  return { table: Float32Array.from(table), indices };
}

/** Rounded to float32, without repeats. */
function centroidsOf(
  sorted: Float64Array,
  count: number,
  bySign: boolean,
  { start = "linear", seed, refine = true }: ClusterOptions,
): readonly number[] {
  const distinct = [...new Set(sorted)];
  const from = (): Float64Array => (bySign ? startCentroidsBySign : startCentroids)(start, sorted, count, seed);
  const values = distinct.length <= count ? distinct : refine ? lloyd(sorted, from()) : from();
  // + 0 turns -0 into 0.
  return [...new Set(Array.from(values, (value) => Math.fround(value) + 0))];
}

/** Index of the nearest of an ascending list from `first` on, the lower at equal distance. */
function nearest(table: readonly number[], first: number, value: number): number {
  let low = first;
  let high = table.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= (table[middle]! + table[middle + 1]!) / 2) high = middle;
    else low = middle + 1;
  }
  return low;
}
