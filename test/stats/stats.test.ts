import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { binomialCdf, binomialPmf } from "../../src/stats/binomial.ts";
import { mean, median, medianAbsoluteDeviation, quantileOfSorted, standardDeviation } from "../../src/stats/describe.ts";
import { medianInterval, medianRanks } from "../../src/stats/interval.ts";
import { classifyOutliers } from "../../src/stats/outliers.ts";
import { comparePaired, mcnemarExact, pairedDifferenceInterval } from "../../src/stats/paired.ts";
import { geometricMean, ratio } from "../../src/stats/ratio.ts";
import { summarize } from "../../src/stats/summary.ts";
import { leastSamples, mostOverLatency, tailPercentile } from "../../src/stats/tail.ts";

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

describe("location and spread", () => {
  it("matches hand-computed numbers", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(mean([1, 2, 6])).toBe(3);
    expect(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(standardDeviation([1])).toBeUndefined();
    expect(medianAbsoluteDeviation([1, 1, 2, 2, 4, 6, 9])).toBe(1);
    expect([0, 0.25, 0.5, 1].map((p) => quantileOfSorted([1, 2, 3, 4, 10], p))).toEqual([1, 2, 3, 10]);
    expect(quantileOfSorted([1, 2], 0.3)).toBeCloseTo(1.3, 12);
  });

  it("does not touch its input, and refuses an empty one", () => {
    const samples = [3, 1, 2];
    summarize(samples);
    expect(samples).toEqual([3, 1, 2]);
    expect(() => median([])).toThrow("median of no samples");
    expect(() => mean([])).toThrow("mean of no samples");
  });
});

describe("binomial", () => {
  it("matches exact fractions", () => {
    expect(binomialPmf(2, 4, 0.5)).toBeCloseTo(6 / 16, 14);
    expect(binomialCdf(1, 4, 0.5)).toBeCloseTo(5 / 16, 14);
    expect(binomialCdf(0, 3, 0.1)).toBeCloseTo(0.729, 14);
    expect([binomialCdf(-1, 4, 0.5), binomialCdf(4, 4, 0.5), binomialCdf(0, 0, 0.5)]).toEqual([0, 1, 1]);
  });

  it("is symmetric at one half and sums to one across the switch to Stirling's series", () => {
    for (const n of [255, 256, 257, 300, 1001]) {
      const half = n % 2 === 1 ? 0.5 : 0.5 * (1 + binomialPmf(n / 2, n, 0.5));
      expect(binomialCdf(n >> 1, n, 0.5)).toBeCloseTo(half, 10);
    }
  });
});

describe("interval of the median", () => {
  it.each([
    [6, 1, 6, 96.9],
    [8, 1, 8, 99.2],
    [10, 2, 9, 97.9],
    [15, 4, 12, 96.5],
    [20, 6, 15, 95.9],
    [30, 10, 21, 95.7],
    [50, 18, 33, 96.7],
    [100, 40, 61, 96.5],
  ])("n = %i uses ranks %i and %i, coverage %f %%", (n, low, high, percent) => {
    const interval = medianInterval(upTo(n).reverse());
    expect([interval?.low, interval?.high]).toEqual([low, high]);
    expect(interval?.median).toBe((n + 1) / 2);
    expect(Math.round((interval?.coverage ?? 0) * 1000) / 10).toBe(percent);
  });

  it("is absent below six samples", () => {
    for (let n = 0; n < 6; n++) expect(medianInterval(upTo(n))).toBeUndefined();
    expect(medianRanks(5, 0.9)).toMatchObject({ low: 1, high: 5 });
  });

  it("takes the largest l that covers, by brute force", () => {
    for (let n = 6; n < 60; n++) {
      const ranks = medianRanks(n);
      const covers = (l: number): boolean => {
        let sum = 0;
        for (let k = l; k <= n - l; k++) sum += binomialPmf(k, n, 0.5);
        return sum >= 0.95;
      };
      expect(covers(ranks!.low)).toBe(true);
      expect(covers(ranks!.low + 1)).toBe(false);
    }
  });
});

describe("tail percentiles", () => {
  it.each([
    [0.5, [7, 11, 14, 17, 19, 22]],
    [0.9, [44, 64, 81, 97, 113, 127]],
    [0.95, [90, 130, 165, 198, 229, 259]],
    [0.99, [459, 662, 838, 1001, 1157, 1307]],
  ])("p = %f needs %j samples for 0..5 slow ones", (p, least) => {
    expect(least.map((_, t) => leastSamples(p, t))).toEqual(least);
    least.forEach((n, t) => {
      expect(mostOverLatency(p, n)).toBe(t);
      expect(mostOverLatency(p, n - 1)).toBe(t - 1);
    });
  });

  it("allows the published numbers of slow samples", () => {
    expect([128, 256, 1024, 24_576].map((n) => mostOverLatency(0.9, n))).toEqual([5, 14, 80, 2348]);
    expect([1024, 5000].map((n) => mostOverLatency(0.99, n))).toEqual([3, 33]);
  });

  it("gives no percentile that the sample cannot support, then the maximum, then less", () => {
    expect(tailPercentile(upTo(63), 0.9)).toBeUndefined();
    expect(tailPercentile(upTo(64), 0.9)).toBe(64);
    expect(tailPercentile(upTo(128), 0.9)).toBe(124);
    expect(tailPercentile(upTo(661), 0.99)).toBeUndefined();
    expect(tailPercentile(upTo(662), 0.99)).toBe(662);
  });
});

describe("outliers", () => {
  it("classifies by Tukey's fences", () => {
    // Quartiles 3 and 7 over 1..9, so the fences are at 13 and 19 above.
    const body = upTo(9);
    expect(classifyOutliers(body)).toEqual({ mild: 0, severe: 0 });
    const many = [...body, ...body, ...body, ...body];
    expect(classifyOutliers([...many, 14])).toEqual({ mild: 1, severe: 0 });
    expect(classifyOutliers([...many, 25, -15])).toEqual({ mild: 0, severe: 2 });
    expect(classifyOutliers([])).toEqual({ mild: 0, severe: 0 });
  });
});

describe("ratios", () => {
  it("propagates uncertainty", () => {
    expect(ratio({ value: 10, sd: 1 }, { value: 5, sd: 0.5 })).toEqual({ value: 2, sd: 2 * Math.hypot(0.1, 0.1) });
    expect(ratio({ value: 10 }, { value: 4, sd: 1 })).toEqual({ value: 2.5 });
    expect(ratio({ value: 1 }, { value: 0 })).toBeUndefined();
  });

  it("takes geometric means", () => {
    expect(geometricMean([2, 8])).toBeCloseTo(4, 12);
    expect(geometricMean([0.5, 2])).toBeCloseTo(1, 12);
    expect(() => geometricMean([1, 0])).toThrow("positive");
  });
});

describe("paired accuracy", () => {
  it("tests the disagreements like a coin", () => {
    expect(mcnemarExact(0, 0)).toBe(1);
    expect(mcnemarExact(5, 5)).toBe(1);
    expect(mcnemarExact(0, 5)).toBeCloseTo(2 / 32, 12);
    expect(mcnemarExact(1, 9)).toBeCloseTo((2 * 11) / 1024, 12);
    expect(mcnemarExact(9, 1)).toBe(mcnemarExact(1, 9));
  });

  it("compares sample by sample", () => {
    const before = [1, 1, 1, 1, 0, 0, 1, 1, 1, 1];
    const after = [1, 1, 0, 0, 1, 0, 1, 1, 1, 0];
    const result = comparePaired(before, after);
    expect(result).toMatchObject({ n: 10, lost: 3, gained: 1, delta: -0.2 });
    expect(result.p).toBeCloseTo((2 * 5) / 16, 12);
    // Adjusted proportions 4/12 and 2/12: center -1/6, variance (1/2 - 1/36)/12.
    const half = 1.959963984540054 * Math.sqrt((1 / 2 - 1 / 36) / 12);
    expect(result.deltaCi95[0]).toBeCloseTo(-1 / 6 - half, 12);
    expect(result.deltaCi95[1]).toBeCloseTo(-1 / 6 + half, 12);
  });

  it("gives an honest interval without disagreements, and stays inside -1..1", () => {
    const [low, high] = pairedDifferenceInterval(0, 0, 1000);
    expect(high).toBeCloseTo((1.959963984540054 * Math.sqrt(2 / 1002)) / Math.sqrt(1002), 12);
    expect(low).toBeCloseTo(-high, 12);
    expect(pairedDifferenceInterval(1, 0, 1)[0]).toBeGreaterThanOrEqual(-1);
    expect(() => comparePaired([1], [1, 0])).toThrow("same samples");
  });
});

describe("summary", () => {
  it("leaves out what the sample does not support", () => {
    expect(summarize([5])).toEqual({ samples: [5], n: 1, median: 5, mean: 5, mad: 0, min: 5, max: 5 });
    expect(Object.keys(summarize(upTo(5)))).not.toContain("ci95");
    const full = summarize(upTo(64));
    expect(full).toMatchObject({ n: 64, median: 32.5, min: 1, max: 64, p90: 64, mad: 16 });
    expect(full.p99).toBeUndefined();
  });

  it("is consistent for any sample", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { minLength: 6, maxLength: 80 }), (samples) => {
        const s = summarize(samples);
        const [low, high] = s.ci95 ?? [NaN, NaN];
        return s.min <= low && low <= s.median && s.median <= high && high <= s.max && (s.p90 ?? s.max) <= s.max;
      }),
    );
  });
});
