/**
 * A histogram of a stream of numbers in fixed memory. Bins are as wide as a power of two and lie evenly about zero; where a value does not fit, the
 * width doubles until it does and pairs of bins become one. Widths and edges are exact, so what a histogram holds does not depend on the order of the
 * values, and two histograms merge into the histogram of both.
 */
import { invariant } from "../../errors.ts";
import type { Range } from "./params.ts";

/** Half of them below zero. Values that fill the range of one sign take 1,024 to 2,048 bins: at least four for each step of an 8-bit grid. 32 KB. */
export const HISTOGRAM_BINS = 4096;

/** Width before the first value, as a power of two: the smallest float32. */
const SMALLEST_WIDTH = -149;

/** Smallest and largest value; undefined where one is not finite, or there is none. */
export function extentOf(data: ArrayLike<number>): Range | undefined {
  let [min, max, sum] = [Infinity, -Infinity, 0];
  for (let i = 0; i < data.length; i++) {
    const x = data[i]!;
    if (x < min) min = x;
    if (x > max) max = x;
    sum += x;
  }
  // NaN compares false with everything, and the sum carries it.
  return Number.isFinite(min) && Number.isFinite(max) && !Number.isNaN(sum) ? { min, max } : undefined;
}

export class Histogram {
  readonly #half: number;
  #counts: Float64Array;
  #exponent = SMALLEST_WIDTH;
  #min = Infinity;
  #max = -Infinity;
  #total = 0;
  #zeros = 0;

  /** @param bins even; a power of two lets the range of one sign take at least a quarter of them */
  constructor(bins: number = HISTOGRAM_BINS) {
    invariant(Number.isInteger(bins) && bins >= 2 && bins % 2 === 0, `a histogram of ${bins} bins, expected an even number`);
    this.#half = bins / 2;
    this.#counts = new Float64Array(bins);
  }

  /** Bin i holds values in [(i - bins / 2) × width, (i + 1 - bins / 2) × width). */
  get counts(): Readonly<Float64Array> {
    return this.#counts;
  }

  get width(): number {
    return 2 ** this.#exponent;
  }

  /** Exact; Infinity while there are no values. */
  get min(): number {
    return this.#min;
  }

  /** Exact; -Infinity while there are no values. */
  get max(): number {
    return this.#max;
  }

  get total(): number {
    return this.#total;
  }

  /** Values that are exactly zero; they are in bin bins / 2 too. */
  get zeros(): number {
    return this.#zeros;
  }

  /** Lower edge of bin i, and upper edge of bin i - 1. */
  edge(i: number): number {
    return (i - this.#half) * this.width;
  }

  /** @param extent of `data`, from `extentOf` */
  add(data: ArrayLike<number>, extent: Range): void {
    this.#cover(extent);
    const counts = this.#counts;
    const half = this.#half;
    // A product with a power of two is exact, and so is which bin a value belongs to.
    const inverse = 2 ** -this.#exponent;
    let zeros = 0;
    for (let i = 0; i < data.length; i++) {
      const x = data[i]!;
      if (x === 0) zeros++;
      else counts[Math.floor(x * inverse) + half]!++;
    }
    counts[half]! += zeros;
    this.#zeros += zeros;
    this.#total += data.length;
  }

  /** Takes the values of another histogram with as many bins. */
  merge(other: Histogram): void {
    invariant(other.#counts.length === this.#counts.length, "histograms of different numbers of bins do not merge");
    if (other.#total === 0) return;
    this.#cover({ min: other.#min, max: other.#max });
    const counts = coarser(other.#counts, this.#exponent - other.#exponent);
    for (let i = 0; i < counts.length; i++) this.#counts[i]! += counts[i]!;
    this.#zeros += other.#zeros;
    this.#total += other.#total;
  }

  #cover({ min, max }: Range): void {
    // Adding 0 makes of -0 what the order of the values has no say in.
    this.#min = Math.min(this.#min, min) + 0;
    this.#max = Math.max(this.#max, max) + 0;
    let exponent = this.#exponent;
    // The top edge belongs to no bin, the bottom edge does.
    while (max >= this.#half * 2 ** exponent || min < -this.#half * 2 ** exponent) exponent++;
    if (exponent === this.#exponent) return;
    this.#counts = coarser(this.#counts, exponent - this.#exponent);
    this.#exponent = exponent;
  }
}

/** The same values in bins 2^doublings times as wide. */
function coarser(counts: Float64Array, doublings: number): Float64Array {
  if (doublings === 0) return counts;
  const half = counts.length / 2;
  const result = new Float64Array(counts.length);
  const factor = 2 ** doublings;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i]!;
    if (count !== 0) result[Math.floor((i - half) / factor) + half]! += count;
  }
  return result;
}
