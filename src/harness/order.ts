/** Which samples of a test set a record evaluates: all of them, or the first n of one seeded shuffle, so that smaller sets nest. */
import { mulberry32, shuffle } from "../data/random.ts";

/** Rungs for n: a latency that moves a little must not change which samples are taken, or results could not be compared. */
const RUNGS = [50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000] as const;

/**
 * @param count samples of the test set
 * @param sampleMs time of one sample
 * @param budgetMs time that all may take
 * @param most upper bound on samples, if any
 * @returns how many samples to evaluate: all, or a rung (the lowest where even that takes longer)
 */
export function samplesWithin(count: number, sampleMs: number, budgetMs: number, most = Infinity): number {
  const limit = Math.min(count, most);
  if (limit * sampleMs <= budgetMs) return limit;
  const affordable = RUNGS.filter((rung) => rung * sampleMs <= budgetMs).at(-1) ?? RUNGS[0];
  return Math.min(affordable, limit);
}

/** The n samples themselves. All of them come in the set's own order. */
export function sampleIndices(count: number, n: number, seed: number): Int32Array {
  const indices = Int32Array.from({ length: count }, (_, i) => i);
  if (n >= count) return indices;
  shuffle(mulberry32(seed), indices);
  return indices.slice(0, n);
}
