/**
 * Positions as the distances between them (Deep Compression, arXiv 1510.00149, section 2): a distance beyond 2^bits is reached over
 * filler entries, each 2^bits after the one before, whose value is that of the elements left out.
 */

export interface Gaps {
  /** 1..2^bits each. */
  readonly gaps: Uint16Array;
  /** For each entry the index of its position in the given list; -1 for a filler. */
  readonly sources: Int32Array;
}

/**
 * @param positions ascending, counted from 1: the first distance is that from 0
 * @param bits 1..8
 * @param end after the last position fillers follow as long as they fit up to here (default: none)
 */
export function relativePositions(positions: ArrayLike<number>, bits: number, end = 0): Gaps {
  const most = 2 ** bits;
  const count = entryCount(positions, bits, end);
  const gaps = new Uint16Array(count);
  const sources = new Int32Array(count).fill(-1);
  let entry = 0;
  let last = 0;
  const reach = (position: number): void => {
    for (; position - last > most; last += most) gaps[entry++] = most;
  };
  for (let i = 0; i < positions.length; i++) {
    reach(positions[i]!);
    sources[entry] = i;
    gaps[entry++] = positions[i]! - last;
    last = positions[i]!;
  }
  for (; last + most <= end; last += most) gaps[entry++] = most;
  return { gaps, sources };
}

/** Entries that `relativePositions` gives. */
export function entryCount(positions: ArrayLike<number>, bits: number, end = 0): number {
  let entries = 0;
  let last = 0;
  for (let i = 0; i < positions.length; i++) {
    entries += ((positions[i]! - last - 1) >> bits) + 1;
    last = positions[i]!;
  }
  return entries + Math.max(0, (end - last) >> bits);
}
