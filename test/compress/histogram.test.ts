import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HISTOGRAM_BINS, Histogram, extentOf } from "../../src/compress/quantize/histogram.ts";

function histogramOf(values: readonly number[], bins = HISTOGRAM_BINS): Histogram {
  const histogram = new Histogram(bins);
  if (values.length > 0) histogram.add(values, extentOf(values)!);
  return histogram;
}

function contents(h: Histogram): unknown {
  return { counts: [...h.counts], width: h.width, min: h.min, max: h.max, total: h.total, zeros: h.zeros };
}

const float = fc.float({ noNaN: true, noDefaultInfinity: true });
const values = fc.array(fc.oneof(float, fc.constantFrom(0, -0, 1, -1, 2 ** -149, 3.4028234663852886e38, -3.4028234663852886e38, 8, -8)));

describe("a histogram", () => {
  it("puts each value into its bin", () => {
    const h = histogramOf([-2, -0.25, 0, -0, 0.1, 1, 1.99], 8);
    expect(h.width).toBe(0.5);
    expect([...h.counts]).toEqual([1, 0, 0, 1, 3, 0, 1, 1]);
    expect({ min: h.min, max: h.max, total: h.total, zeros: h.zeros }).toEqual({ min: -2, max: 1.99, total: 7, zeros: 2 });
    expect([h.edge(0), h.edge(4), h.edge(8)]).toEqual([-2, 0, 2]);
  });

  it("joins pairs of bins where the range grows", () => {
    const h = histogramOf([-2, -0.25, 0, 0.1, 1, 1.99], 8);
    h.add([2], { min: 2, max: 2 });
    expect(h.width).toBe(1);
    expect([...h.counts]).toEqual([0, 0, 1, 1, 2, 2, 1, 0]);
    h.add([-100], { min: -100, max: -100 });
    expect(h.width).toBe(32);
    expect([...h.counts]).toEqual([1, 0, 0, 2, 5, 0, 0, 0]);
  });

  it("is the same for the same values in any order and any pieces", () => {
    fc.assert(
      fc.property(values, fc.integer(), fc.nat(), (all, seed, cut) => {
        const shuffled = [...all].sort((a, b) => Math.sin(a * 1e3 + seed) - Math.sin(b * 1e3 + seed));
        const whole = histogramOf(all, 64);
        const pieces = new Histogram(64);
        const at = all.length === 0 ? 0 : cut % all.length;
        for (const piece of [shuffled.slice(0, at), shuffled.slice(at)]) {
          if (piece.length > 0) pieces.add(piece, extentOf(piece)!);
        }
        expect(contents(pieces)).toEqual(contents(whole));
      }),
    );
  });

  it("merges into the histogram of both", () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const merged = histogramOf(a, 64);
        merged.merge(histogramOf(b, 64));
        expect(contents(merged)).toEqual(contents(histogramOf([...a, ...b], 64)));
      }),
    );
  });

  it("counts every value between the edges of its bin, and wastes less than half of a side", () => {
    fc.assert(
      fc.property(fc.array(float, { minLength: 1 }), (all) => {
        const h = histogramOf(all);
        h.counts.forEach((count, i) => {
          expect(count).toBe(all.filter((x) => x >= h.edge(i) && x < h.edge(i + 1)).length);
        });
        const largest = Math.max(Math.abs(h.min), Math.abs(h.max));
        if (largest > 2 ** -137) expect(largest).toBeGreaterThanOrEqual(h.edge(HISTOGRAM_BINS) / 2);
      }),
      { numRuns: 20 },
    );
  });

  it("takes no more memory for more values", () => {
    const h = new Histogram();
    const chunk = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));
    for (let i = 0; i < 100; i++) h.add(chunk, extentOf(chunk)!);
    expect(h.total).toBe(100_000);
    expect(h.counts.length).toBe(HISTOGRAM_BINS);
  });

  it("refuses to merge other numbers of bins, and odd ones", () => {
    expect(() => histogramOf([1], 64).merge(histogramOf([1], 32))).toThrow("do not merge");
    expect(() => new Histogram(7)).toThrow("expected an even number");
  });
});

describe("an extent", () => {
  it("is of finite values only", () => {
    expect(extentOf([3, -1, 2])).toEqual({ min: -1, max: 3 });
    for (const bad of [[], [Number.NaN], [1, Number.NaN, 2], [Infinity], [1, -Infinity]]) expect(extentOf(bad)).toBeUndefined();
    expect(extentOf([1.7e308, 1.7e308])).toEqual({ min: 1.7e308, max: 1.7e308 });
  });
});
