/**
 * What an engine could do at most, and how near an op comes: the roofline. An op takes at least the time of its arithmetic at the rate of
 * the fastest loop on registers, and at least the time of its bytes at the rate of a copy; the longer of the two is what bounds it.
 */
import type { Raced } from "../hosts/protocol.ts";

export interface Ceiling {
  readonly type: "float32" | "int8" | "copy";
  /** The loop, in words. */
  readonly name: string;
  /** 10⁹ operations a second, or 10⁹ bytes read and written a second. */
  readonly giga: number;
}

/** The fastest of each type, by the best of its samples: a bound is what was possible once. */
export function ceilingsOf(peaks: Raced["peaks"]): readonly Ceiling[] {
  const best = new Map<Ceiling["type"], Ceiling>();
  for (const { type, name, operations, samples } of peaks) {
    const ms = Math.min(...samples);
    if (!Number.isFinite(ms) || ms <= 0) continue;
    const giga = operations / ms / 1e6;
    if (giga > (best.get(type)?.giga ?? 0)) best.set(type, { type, name, giga });
  }
  return [...best.values()];
}

export interface Work {
  readonly type: "float32" | "int8";
  readonly macs: number;
  readonly bytes: number;
}

export interface Bound {
  readonly by: "compute" | "memory";
  /** Least possible time over the measured one; above 1 where the work was less than counted (zeros skipped) or the bytes came from caches. */
  readonly share: number;
}

/** @returns undefined where no ceiling of what the op does is known, or it took no time */
export function boundOf({ type, macs, bytes }: Work, ms: number, ceilings: readonly Ceiling[]): Bound | undefined {
  const giga = (wanted: Ceiling["type"]): number | undefined => ceilings.find((ceiling) => ceiling.type === wanted)?.giga;
  const [compute, copy] = [giga(type), giga("copy")];
  if (ms <= 0 || copy === undefined || (macs > 0 && compute === undefined)) return undefined;
  const memoryMs = bytes / copy / 1e6;
  const computeMs = compute === undefined ? 0 : (2 * macs) / compute / 1e6;
  return computeMs >= memoryMs ? { by: "compute", share: computeMs / ms } : { by: "memory", share: memoryMs / ms };
}
