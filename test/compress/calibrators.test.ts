/** Calibrators against what their definitions give on data whose answer is known, and against plain loops. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MINMAX, entropyRange, movingAverage, mseRange, percentileRange, rangeFor } from "../../src/compress/quantize/calibrators.ts";
import { Histogram, extentOf } from "../../src/compress/quantize/histogram.ts";
import type { Range } from "../../src/compress/quantize/params.ts";
import { mulberry32 } from "../../src/data/random.ts";
import { roundHalfEven } from "../../src/graph/numerics.ts";

function histogramOf(values: ArrayLike<number>, bins?: number): Histogram {
  const histogram = new Histogram(bins);
  histogram.add(values, extentOf(values)!);
  return histogram;
}

/** Sums of twelve uniforms, less six: nearly standard normal. */
function normal(count: number, seed: number): Float64Array {
  const random = mulberry32(seed);
  return Float64Array.from({ length: count }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += random();
    return sum;
  });
}

/** Normal values, and one in a thousand a hundred times as large. */
function withOutliers(seed: number, sign: (x: number) => number = (x) => x): Float64Array {
  return normal(50_000, seed).map((x, i) => sign(i % 1000 === 7 ? x * 100 : x));
}

function meanSquaredError(values: Float64Array, { min, max }: Range, levels = 255): number {
  const step = (Math.max(max, 0) - Math.min(min, 0)) / levels;
  let sum = 0;
  for (const x of values) sum += (x - roundHalfEven(Math.min(Math.max(x, min), max) / step) * step) ** 2;
  return sum / values.length;
}

describe("min-max and moving averages", () => {
  it("is the extent", () => {
    expect(rangeFor({ histogram: histogramOf([-1, 3, 0.5]) }, MINMAX)).toEqual({ min: -1, max: 3 });
  });

  it("averages each sample's extent with the constant, from the first on", () => {
    let range = movingAverage(undefined, { min: -1, max: 1 }, 0.01);
    expect(range).toEqual({ min: -1, max: 1 });
    range = movingAverage(range, { min: -3, max: 1 }, 0.01);
    expect(range.min).toBeCloseTo(-1.02, 12);
    expect(range.max).toBe(1);
    range = movingAverage(range, { min: 0, max: 101 }, 0.01);
    expect(range.min).toBeCloseTo(-1.0098, 12);
    expect(range.max).toBeCloseTo(2, 12);
    const histogram = histogramOf([-3, 101]);
    expect(rangeFor({ histogram, moving: range }, { kind: "moving", average: 0.01 })).toBe(range);
  });

  it("leaves a tensor of one value its value, whatever the calibrator", () => {
    for (const value of [0, 2, -3]) {
      const statistics = { histogram: histogramOf([value, value]) };
      for (const kind of ["minmax", "entropy", "mse"] as const) expect(rangeFor(statistics, { kind })).toEqual({ min: value, max: value });
      expect(rangeFor(statistics, { kind: "percentile", percentile: 99 })).toEqual({ min: value, max: value });
    }
  });
});

describe("percentile", () => {
  it("cuts half of the rest at either end, to the bin", () => {
    const values = Float64Array.from({ length: 10_001 }, (_, i) => i / 1000 - 5);
    const histogram = histogramOf(values);
    const { min, max } = percentileRange(histogram, 99);
    expect(Math.abs(min - -4.95)).toBeLessThanOrEqual(histogram.width);
    expect(Math.abs(max - 4.95)).toBeLessThanOrEqual(histogram.width);
    expect(percentileRange(histogram, 100)).toEqual({ min: -5, max: 5 });
  });

  it("never leaves out more than it may, nor a whole bin less", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -100, max: 100 }), { minLength: 2, maxLength: 300 }),
        fc.double({ min: 50, max: 100, noNaN: true }),
        (values, percentile) => {
          const histogram = histogramOf(values, 64);
          const { min, max } = percentileRange(histogram, percentile);
          const cut = ((100 - percentile) / 200) * values.length;
          expect(values.filter((x) => x < min).length).toBeLessThanOrEqual(cut + 1e-9);
          expect(values.filter((x) => x > max).length).toBeLessThanOrEqual(cut + 1e-9);
          expect(values.filter((x) => x < min + histogram.width).length).toBeGreaterThan(cut - 1e-9);
          expect(min).toBeGreaterThanOrEqual(histogram.min);
          expect(max).toBeLessThanOrEqual(histogram.max);
        },
      ),
    );
  });

  it("leaves rare outliers outside", () => {
    const histogram = histogramOf(withOutliers(3));
    expect(histogram.max).toBeGreaterThan(100);
    const { min, max } = percentileRange(histogram, 99.8);
    expect(min).toBeGreaterThan(-5);
    expect(max).toBeLessThan(5);
  });
});

describe("entropy", () => {
  it("has one candidate, the whole range, with onnxruntime's default of 128 bins and 128 levels", () => {
    for (const values of [withOutliers(4), withOutliers(5, Math.abs)]) {
      const histogram = histogramOf(values, 128);
      expect(entropyRange(histogram)).toEqual({ min: histogram.min, max: histogram.max });
    }
  });

  /** The definition, bin by bin, without prefix sums. */
  function divergence(counts: readonly number[], from: number, to: number, levels: number): number {
    const total = counts.reduce((a, b) => a + b, 0);
    const p = counts.slice(from, to);
    const inside = p.reduce((a, b) => a + b, 0);
    const q = p.map(() => 0);
    p[0]! += counts.slice(0, from).reduce((a, b) => a + b, 0);
    p[p.length - 1]! += counts.slice(to).reduce((a, b) => a + b, 0);
    for (let g = 0; g < levels; g++) {
      const [begin, end] = [g, g + 1].map((k) => Math.floor((k * p.length) / levels)) as [number, number];
      const group = counts.slice(from + begin, from + end).reduce((a, b) => a + b, 0);
      const filled = p.slice(begin, end).filter((count) => count > 0).length;
      for (let k = begin; k < end; k++) if (p[k]! > 0) q[k] = Math.max(group, 1e-4) / filled;
    }
    return p.reduce((sum, count, k) => (count === 0 ? sum : sum + (count / total) * Math.log(count / total / (q[k]! / inside))), 0);
  }

  it("takes the window with the least divergence", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 32, maxLength: 32 }), (weights) => {
        // Values in the middle of bins of width 1 about zero, and one that fixes the range.
        const values = weights.flatMap((n, i) => Array.from({ length: n }, () => i - 15.5)).concat([15.5, -15.5]);
        const histogram = histogramOf(values, 32);
        const counts = [...histogram.counts];
        const found = entropyRange(histogram, 8, 1);
        const all = Array.from({ length: 13 }, (_, i) => ({ k: i + 4, d: divergence(counts, 12 - i, 20 + i, 8) }));
        const least = Math.min(...all.map(({ d }) => d));
        const k = Math.ceil(Math.max(found.max, -found.min));
        expect(all.find((one) => one.k === k)!.d).toBeCloseTo(least, 9);
      }),
    );
  });

  it("does not count exact zeros, and leaves one value in a hundred outside at most", () => {
    const values = withOutliers(14);
    const zeros = new Float64Array(500_000);
    expect(entropyRange(histogramOf([...values, ...zeros]))).toEqual(entropyRange(histogramOf(values)));
    const piled = values.map((x, i) => (i % 2 === 0 ? 0.01 : x));
    const { min, max } = entropyRange(histogramOf(piled));
    expect(piled.filter((x) => x < min || x > max).length).toBeLessThanOrEqual(500);
  });

  it("takes a window that holds values, where none is near zero", () => {
    const { min, max } = entropyRange(histogramOf([0.9, 0.95, 1]));
    expect(min).toBe(0.9);
    expect(max).toBeGreaterThan(0.9);
  });

  it("clips outliers, and keeps what has none nearly whole", () => {
    const wide = histogramOf(withOutliers(6));
    const cut = entropyRange(wide);
    expect(cut.max).toBeLessThan(wide.max / 4);
    expect(cut.max).toBeGreaterThan(2.5);
    const flat = histogramOf(Float64Array.from({ length: 20_000 }, (_, i) => i / 10_000 - 1));
    expect(entropyRange(flat).max).toBeGreaterThan(0.9);
  });
});

describe("least squared error", () => {
  it.each([
    ["normal", normal(50_000, 8)],
    ["normal with outliers", withOutliers(9)],
    ["one-sided with outliers", withOutliers(10, Math.abs)],
    ["half of it exact zeros", withOutliers(11, (x) => Math.max(x, 0))],
    ["shifted", normal(50_000, 12).map((x) => x + 3)],
  ])("%s: no range from a fine search is much better, and min-max never", (_, values) => {
    const histogram = histogramOf(values);
    const error = meanSquaredError(values, mseRange(histogram, 255));
    expect(error).toBeLessThanOrEqual(meanSquaredError(values, histogram) * 1.001);
    const steps = Array.from({ length: 25 }, (_, i) => (i + 1) / 25);
    const pairs = steps
      .flatMap((a) => steps.map((b) => [a, b] as const))
      .map(([a, b]) => ({ min: histogram.min * a, max: histogram.max * b }));
    const sample = values.filter((_, i) => i % 20 === 7);
    const best = pairs.reduce((least, range) => Math.min(least, meanSquaredError(sample, range)), Infinity);
    expect(meanSquaredError(sample, mseRange(histogramOf(sample), 255))).toBeLessThanOrEqual(best * 1.05);
  });

  it("keeps the range of few values that the grid holds", () => {
    const { min, max } = mseRange(histogramOf(Float64Array.from({ length: 1000 }, (_, i) => (i % 10 === 0 ? 1 : 0))), 255);
    expect([min, max]).toEqual([0, 1]);
  });

  it("clips more where there are fewer levels", () => {
    const histogram = histogramOf(normal(50_000, 13));
    expect(mseRange(histogram, 15).max).toBeLessThan(mseRange(histogram, 255).max);
    expect(mseRange(histogram, 65_535).max).toBeCloseTo(histogram.max, 6);
  });
});
