/**
 * Calibrators: what range an activation gets, given what calibration saw of it. All work on one pass's statistics. After onnxruntime's
 * quantization/calibrate.py, with these differences: histograms grow by doubling widths (histogram.ts), percentiles keep the whole outer bin, and entropy
 * has 4,096 bins to choose from, cuts them into equal groups, and is kept from its known failure: quantized, a value that very many share seems to lose much
 * information, so that windows of a few percent of the range win. Exact zeros, which every grid holds, do not count, and one value in a hundred
 * may lie outside. (2026-11-24, without these: dsnet 11 %, lenet5 15 % on MNIST, of 99 %.)
 */
import type { Histogram } from "./histogram.ts";
import type { Range } from "./params.ts";

export type Calibrator =
  /** The smallest and largest value. */
  | { readonly kind: "minmax" }
  /** A moving average of each sample's smallest and largest value: m + average × (new - m). Depends on the order of samples. */
  | { readonly kind: "moving"; readonly average: number }
  /** The symmetric cut whose values, on few levels, tell least other than the whole distribution (Kullback-Leibler). */
  | { readonly kind: "entropy" }
  /** So many percent of the values, with as many left out at either end. */
  | { readonly kind: "percentile"; readonly percentile: number }
  /** The range with the least mean squared error of rounding inside and clipping outside. */
  | { readonly kind: "mse" };

/** What calibration saw of a tensor. */
export interface TensorStatistics {
  readonly histogram: Histogram;
  /** Each sample's extent, averaged with the calibrator's weight; undefined unless it is "moving". */
  readonly moving?: Range;
}

export const MINMAX: Calibrator = { kind: "minmax" };
export const DEFAULT_AVERAGE = 0.01;
export const DEFAULT_PERCENTILE = 99.999;

/** Levels that the entropy calibrator compares with; onnxruntime's and TensorRT's 128. */
const ENTROPY_LEVELS = 128;
/** Share of the values that the entropy calibrator may leave outside. */
const ENTROPY_CUT = 0.01;
/** Counts that stand for none where a logarithm needs some. */
const SMOOTHING = 1e-4;

/** @param levels steps of the integer grid, for "mse": 255 of int8 */
export function rangeFor({ histogram, moving }: TensorStatistics, calibrator: Calibrator, levels = 255): Range {
  const { min, max } = histogram;
  if (!(min < max)) return { min, max };
  switch (calibrator.kind) {
    case "minmax":
      return { min, max };
    case "moving":
      return moving ?? { min, max };
    case "entropy":
      return entropyRange(histogram);
    case "percentile":
      return percentileRange(histogram, calibrator.percentile);
    case "mse":
      return mseRange(histogram, levels);
  }
}

export function movingAverage(before: Range | undefined, now: Range, average: number): Range {
  if (before === undefined) return now;
  return { min: before.min + average * (now.min - before.min), max: before.max + average * (now.max - before.max) };
}

/** The bins that hold all values but (100 - percentile) / 2 percent at either end, within the values' extent. */
export function percentileRange(histogram: Histogram, percentile: number): Range {
  const { counts, total } = histogram;
  // The factor makes up for 100 - 99.9 being a little less than 0.1.
  const cut = ((100 - percentile) / 200) * total * (1 + 1e-12);
  let [low, below] = [0, 0];
  while (below + counts[low]! <= cut) below += counts[low++]!;
  let [high, above] = [counts.length, 0];
  while (above + counts[high - 1]! <= cut) above += counts[--high]!;
  return within(histogram, low, high);
}

/**
 * Tries the windows of k bins to either side of zero, from as many bins as levels up to all of them. A window's reference P has the values outside in
 * its outermost bins; the candidate Q has the values inside, spread over the non-empty bins of each of `levels` groups. Exact zeros do not count.
 * @param mostCut share of the values that may lie outside
 * @returns the window with the smallest divergence Σ P log(P / Q), the narrower of equals, within the values' extent
 */
export function entropyRange(histogram: Histogram, levels = ENTROPY_LEVELS, mostCut = ENTROPY_CUT): Range {
  const half = histogram.counts.length / 2;
  const counts = histogram.counts.map((count, i) => (i === half ? count - histogram.zeros : count));
  const total = histogram.total - histogram.zeros;
  const sums = prefixSums(counts, (count) => count);
  const filled = prefixSums(counts, (count) => (count > 0 ? 1 : 0));
  const logs = prefixSums(counts, (count) => xlogx(count));

  const divergence = (from: number, to: number): number => {
    const [left, right] = [sums[from]!, total - sums[to]!];
    const [first, last] = [counts[from]!, counts[to - 1]!];
    const inside = sums[to]! - sums[from]!;
    if (inside === 0 || total - inside > mostCut * total) return Infinity;
    // Σ P log P, in counts, the outermost bins with what lies outside.
    const own = logs[to]! - logs[from]! - xlogx(first) - xlogx(last) + xlogx(first + left) + xlogx(last + right);
    let cross = 0;
    let begin = from;
    for (let g = 1; g <= levels; g++) {
      const end = from + Math.floor((g * (to - from)) / levels);
      const group = sums[end]! - sums[begin]!;
      const [withLeft, withRight] = [g === 1 ? left : 0, g === levels ? right : 0];
      const weight = group + withLeft + withRight;
      if (weight > 0) {
        const bins = filled[end]! - filled[begin]! + (withLeft > 0 && first === 0 ? 1 : 0) + (withRight > 0 && last === 0 ? 1 : 0);
        cross += weight * Math.log(Math.max(group, SMOOTHING) / (bins * inside));
      }
      begin = end;
    }
    return (own - xlogx(total) - cross) / total;
  };

  let [best, least] = [half, Infinity];
  for (let k = Math.min(levels >> 1, half); k <= half; k++) {
    const d = divergence(half - k, half + k);
    if (d < least) [best, least] = [k, d];
  }
  return within(histogram, half - best, half + best);
}

/**
 * Expected squared error of a range: step² / 12 for every value inside but exact zeros, which stay exact, and the squared distance for every value
 * outside. Searched over bin edges, coarse to fine.
 */
export function mseRange(histogram: Histogram, levels: number): Range {
  const { counts, zeros } = histogram;
  const centre = (i: number): number => histogram.edge(i) + histogram.width / 2;
  const sums = prefixSums(counts, (count) => count);
  const first = prefixSums(counts, (count, i) => count * centre(i));
  const second = prefixSums(counts, (count, i) => count * centre(i) ** 2);
  /** Σ count × (x - bound)² over bins from..to - 1. */
  const clipped = (from: number, to: number, bound: number): number =>
    second[to]! - second[from]! - 2 * bound * (first[to]! - first[from]!) + bound ** 2 * (sums[to]! - sums[from]!);
  const error = (low: number, high: number): number => {
    const { min, max } = within(histogram, low, high);
    const step = (Math.max(max, 0) - Math.min(min, 0)) / levels;
    const inside = sums[high]! - sums[low]! - zeros;
    return (inside * step ** 2) / 12 + clipped(0, low, min) + clipped(high, counts.length, max);
  };

  const half = counts.length / 2;
  // Zero is always on the grid, so the lower end is at most there and the upper at least.
  const lowest = Math.min(
    half,
    counts.findIndex((count) => count > 0),
  );
  const highest = Math.max(half, counts.findLastIndex((count) => count > 0) + 1);
  let best = { low: lowest, high: highest, error: error(lowest, highest) };
  let stride = 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(half - lowest, highest - half) / 64)));
  let [lows, highs] = [span(lowest, half, stride), span(half, highest, stride)];
  for (;;) {
    for (const low of lows) {
      for (const high of highs) {
        if (low === high) continue;
        const e = error(low, high);
        if (e < best.error) best = { low, high, error: e };
      }
    }
    if (stride === 1) return within(histogram, best.low, best.high);
    const reach = stride;
    stride = Math.max(1, stride >> 2);
    lows = span(Math.max(lowest, best.low - reach), Math.min(half, best.low + reach), stride);
    highs = span(Math.max(half, best.high - reach), Math.min(highest, best.high + reach), stride);
  }
}

/** from, from + stride, …, to */
function span(from: number, to: number, stride: number): readonly number[] {
  const list: number[] = [];
  for (let i = from; i < to; i += stride) list.push(i);
  return [...list, to];
}

/** The edges of bins low..high - 1, drawn in to the smallest and largest value. */
function within(histogram: Histogram, low: number, high: number): Range {
  return { min: Math.max(histogram.edge(low), histogram.min), max: Math.min(histogram.edge(high), histogram.max) };
}

function xlogx(x: number): number {
  return x > 0 ? x * Math.log(x) : 0;
}

/** sums[i] = Σ of the first i terms. */
function prefixSums(counts: Readonly<Float64Array>, term: (count: number, i: number) => number): Float64Array {
  const sums = new Float64Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) sums[i + 1] = sums[i]! + term(counts[i]!, i);
  return sums;
}
