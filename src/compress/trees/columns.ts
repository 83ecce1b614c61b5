/**
 * Training samples as growth reads them: feature by feature, each value replaced by its rank among the feature's distinct values. Splits
 * then compare small integers, and thresholds are the midpoints between neighbouring distinct values, as scikit-learn's are.
 */

export interface Columns {
  readonly samples: number;
  readonly features: number;
  /** Of each feature: rank of each sample's value. */
  readonly ranks: readonly (Uint8Array | Uint16Array | Uint32Array)[];
  /** Of each feature: its distinct values, ascending. */
  readonly values: readonly Float32Array[];
}

/** Samples × features. */
const MAX_CELLS = 2 ** 30;

/**
 * @param sample values of sample i, `features` of them; NaN is not allowed
 * @throws RangeError
 */
export function makeColumns(samples: number, features: number, sample: (i: number) => ArrayLike<number>): Columns {
  if (samples * features > MAX_CELLS)
    throw new RangeError(`${samples} samples of ${features} features, expected at most ${MAX_CELLS} values`);
  const columns = Array.from({ length: features }, () => new Float32Array(samples));
  // In blocks, so that columns are written in runs and not one value here and one there.
  for (let start = 0; start < samples; start += BLOCK) {
    const end = Math.min(samples, start + BLOCK);
    const rows = Array.from({ length: end - start }, (_, i) => sample(start + i));
    for (let f = 0; f < features; f++) {
      const column = columns[f]!;
      for (let i = start; i < end; i++) {
        const value = rows[i - start]![f]!;
        if (!Number.isFinite(value)) throw new RangeError(`sample ${i}, feature ${f}: got ${value}, expected a finite number`);
        // Adding 0 makes -0 positive: the two are one value.
        column[i] = value + 0;
      }
    }
  }
  const ranked = columns.map(rankColumn);
  return { samples, features, values: ranked.map(({ values }) => values), ranks: ranked.map(({ ranks }) => ranks) };
}

const BLOCK = 64;

interface Ranked {
  readonly values: Float32Array;
  readonly ranks: Uint8Array | Uint16Array | Uint32Array;
}

/** Numbers the distinct values as they come, in a hash table by their bits, then sorts them. */
function rankColumn(column: Float32Array): Ranked {
  const bits = new Int32Array(column.buffer, column.byteOffset, column.length);
  const numbers = new Uint32Array(column.length);
  let found: number[] = [];
  for (let slots = 1024; ; slots *= 16) {
    found = numberValues(bits, numbers, slots);
    // A full table begins again with a larger one.
    if (found.length <= slots / 2) break;
  }
  const single = new Float32Array(Int32Array.from(found).buffer);
  const order = Array.from(found.keys()).sort((a, b) => single[a]! - single[b]!);
  const rankOf = new Uint32Array(found.length);
  order.forEach((number, rank) => (rankOf[number] = rank));
  const ranks =
    found.length <= 256 ? new Uint8Array(column.length) : new (found.length <= 65_536 ? Uint16Array : Uint32Array)(column.length);
  for (let i = 0; i < column.length; i++) ranks[i] = rankOf[numbers[i]!]!;
  return { values: Float32Array.from(order, (number) => single[number]!), ranks };
}

/** @param numbers written: number of each value @returns bits of the values by number; more than half of `slots` where the table was too small */
function numberValues(bits: Int32Array, numbers: Uint32Array, slots: number): number[] {
  const table = new Int32Array(slots).fill(-1);
  const found: number[] = [];
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i]!;
    let slot = (Math.imul(value, 0x9e3779b1) >>> 8) & (slots - 1);
    let number = table[slot]!;
    while (number >= 0 && found[number] !== value) {
      slot = (slot + 1) & (slots - 1);
      number = table[slot]!;
    }
    if (number < 0) {
      number = found.length;
      table[slot] = number;
      found.push(value);
      if (found.length > slots / 2) return found;
    }
    numbers[i] = number;
  }
  return found;
}

/** The float32 threshold between two neighbouring values: their midpoint, rounded down, so that the lower goes left and the higher right. */
export function midpoint(low: number, high: number): number {
  const middle = Math.fround((low + high) / 2);
  return middle < high ? middle : low;
}
