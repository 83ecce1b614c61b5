/**
 * Training samples that a tree does not see while it grows, kept for choosing how far to prune it. Which ones they are follows from
 * their numbers and a seed, so whoever prunes finds the same ones again.
 */

export interface Holdout {
  /** Share of the samples, 0 < fraction < 1. */
  readonly fraction: number;
  readonly seed: number;
}

/** Whether sample `index` is held out. */
export function isHeldOut(index: number, { fraction, seed }: Holdout): boolean {
  // Murmur's finalizer: neighbouring numbers land far apart.
  let h = Math.imul(index ^ Math.imul(seed, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h ^= h >>> 16;
  return (h >>> 0) / 2 ** 32 < fraction;
}
