/**
 * Seeded random numbers for everything that must repeat: rendered datasets, weight initialization, shuffles. mulberry32: 32 bits of
 * state, a full-period counter with a mixing function; plenty for test data, useless for secrets.
 */

/** Uniform in [0, 1), with 32 random bits. */
export type Random = () => number;

/** @param seed any integer; only its low 32 bits count. */
export function mulberry32(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Uniform in [low, high). */
export function uniform(random: Random, low: number, high: number): number {
  return low + (high - low) * random();
}

/** Uniform in low..high, both ends included. */
export function integer(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

/** Fills an array with standard normal numbers, by Box and Muller's method: two at a time. */
export function fillNormal(random: Random, target: Float32Array): void {
  for (let i = 0; i < target.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    target[i] = radius * Math.cos(angle);
    // Out of range, and without effect, after the last of an odd count.
    target[i + 1] = radius * Math.sin(angle);
  }
}

/** @throws RangeError on an empty list */
export function pick<T>(random: Random, list: readonly T[]): T {
  if (list.length === 0) throw new RangeError("pick: the list is empty");
  return list[Math.floor(random() * list.length)] as T;
}

/** Fisher and Yates, in place; every permutation of a list shorter than 2^32 items is reachable only as far as 32 bits of state go. */
export function shuffle(random: Random, list: Int32Array | number[]): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const swapped = list[i]!;
    list[i] = list[j]!;
    list[j] = swapped;
  }
}

/** One step of a shuffle from the front: puts one of the entries from `at` on at `at`. */
export function shuffleSome(random: Random, list: Int32Array, at: number): void {
  const from = at + Math.floor(random() * (list.length - at));
  const swapped = list[at]!;
  list[at] = list[from]!;
  list[from] = swapped;
}
