/** Which calls are worth sharing among threads, and into how many pieces. */
import type { KernelCall } from "../program.ts";

/** How a session shares its work. */
export interface Sharing {
  /** With the main one. */
  readonly threads: number;
  /** Most pieces of one call. */
  readonly maxPieces: number;
  /** Pieces of a call that may run at the same time, or undefined when one thread shall make it. */
  readonly pieces: (call: KernelCall) => readonly KernelCall[] | undefined;
}

/**
 * Microseconds of work below which a call stays on one thread. To open a group and see it done takes about 1 µs while the others spin.
 * Two threads, Node 20, best of 2100 runs, 2026-11, by this limit (µs an inference):
 *
 *               one thread   5     10    20    40    80
 * ResNet-8         506      263   272   269   280   322
 * MobileNetV1      348      216   221   262   355   357
 * DS-CNN           123       72    78    84   123   123
 * DS-CNN int8       80       51    62    81    80    80
 *
 * Limits of 2 to 6 don't differ. While other programs use the cores, what takes 5 µs alone takes 6.4 shared, and 21 µs take 14.
 */
const MIN_COST = 10;
/** Microseconds of work that a piece has at least. */
const MIN_PIECE_COST = 4;
/** More pieces than threads let those that come late be helped; each piece costs a claim (0.1 µs) and some reuse within the caches. */
const PIECES_PER_THREAD = 4;

export const ALONE: Sharing = { threads: 1, maxPieces: 1, pieces: () => undefined };

export function shareAmong(threads: number): Sharing {
  if (threads === 1) return ALONE;
  const maxPieces = threads * PIECES_PER_THREAD;
  return {
    threads,
    maxPieces,
    pieces(call) {
      const { split } = call;
      if (split === undefined || split.cost < MIN_COST) return undefined;
      const affordable = Math.max(2, Math.floor(split.cost / MIN_PIECE_COST));
      const wanted = Math.min(maxPieces, split.units, affordable);
      // As many for each thread, where there are enough.
      return cut(call, wanted < threads ? wanted : wanted - (wanted % threads));
    },
  };
}

/** @returns `count` calls of about equal size that together do what `call` does, or undefined where it cannot be cut */
export function cut({ kernel, split }: KernelCall, count: number): readonly KernelCall[] | undefined {
  if (split === undefined || count < 2 || split.units < count) return undefined;
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [Math.floor((i * split.units) / count), Math.floor(((i + 1) * split.units) / count)];
    return { kernel, args: split.part(from, to, i) };
  });
}
