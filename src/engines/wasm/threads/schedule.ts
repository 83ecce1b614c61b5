/** Which calls are worth sharing, and into how many pieces. */
import type { KernelCall } from "../program.ts";

/**
 * Microseconds of work below which a call stays on one thread. Opening a group and waiting for its end takes about 1 µs while the
 * others spin; see docs/architecture.md for the measurement.
 */
const MIN_COST = 20;
/** Microseconds of work that a piece has at least. */
const MIN_PIECE_COST = 8;
/** More pieces than threads let those that come late be helped; each piece costs a claim (0.1 µs) and some reuse within the caches. */
const PIECES_PER_THREAD = 4;

/** Most pieces of one call. */
export function maxPieces(threads: number): number {
  return threads === 1 ? 1 : threads * PIECES_PER_THREAD;
}

/** @returns the pieces of a call, or undefined when one thread shall make it */
export function piecesOf({ kernel, split }: KernelCall, threads: number): readonly KernelCall[] | undefined {
  if (threads === 1 || split === undefined || split.cost < MIN_COST || split.units < 2) return undefined;
  const affordable = Math.floor(split.cost / MIN_PIECE_COST);
  const wanted = Math.min(maxPieces(threads), split.units, Math.max(2, affordable));
  // As many for each thread, where there are enough.
  const pieces = wanted < threads ? wanted : wanted - (wanted % threads);
  return Array.from({ length: pieces }, (_, i) => {
    const [from, to] = [Math.floor((i * split.units) / pieces), Math.floor(((i + 1) * split.units) / pieces)];
    return { kernel, args: split.part(from, to, i) };
  });
}
