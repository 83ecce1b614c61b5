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
 * Microseconds of work below which a call stays on one thread. Opening a group and waiting for its end takes about 1 µs while the
 * others spin; see docs/architecture.md for the measurement.
 */
const MIN_COST = 20;
/** Microseconds of work that a piece has at least. */
const MIN_PIECE_COST = 8;
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
