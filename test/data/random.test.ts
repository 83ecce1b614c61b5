import { describe, expect, it } from "vitest";
import { fillNormal, integer, mulberry32, pick, shuffle } from "../../src/data/random.ts";

describe("mulberry32", () => {
  it("repeats for a seed and differs between seeds", () => {
    const draw = (seed: number): number[] => {
      const random = mulberry32(seed);
      return Array.from({ length: 5 }, random);
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it("gives the published sequence for seed 0", () => {
    const random = mulberry32(0);
    expect(Array.from({ length: 3 }, () => Math.round(random() * 2 ** 32))).toEqual([1144304738, 1416247, 958946056]);
  });

  it("is uniform enough", () => {
    const random = mulberry32(3);
    const bins = new Array<number>(16).fill(0);
    const draws = 160_000;
    for (let i = 0; i < draws; i++) {
      const bin = Math.floor(random() * 16);
      bins[bin] = bins[bin]! + 1;
    }
    // Five standard deviations of a binomial count.
    for (const count of bins) expect(Math.abs(count - draws / 16)).toBeLessThan(5 * Math.sqrt((draws / 16) * (15 / 16)));
  });
});

describe("derived numbers", () => {
  it("integers reach both ends and nothing else", () => {
    const random = mulberry32(1);
    expect(new Set(Array.from({ length: 200 }, () => integer(random, -1, 2)))).toEqual(new Set([-1, 0, 1, 2]));
  });

  it("normal numbers have mean 0 and deviation 1", () => {
    const draws = new Float32Array(40_001);
    fillNormal(mulberry32(2), draws);
    const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
    const variance = draws.reduce((a, b) => a + b * b, 0) / draws.length - mean ** 2;
    // Five standard errors.
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(draws.length));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / draws.length));
  });

  it("shuffling keeps every item and moves some", () => {
    const list = Array.from({ length: 50 }, (_, i) => i);
    const shuffled = [...list];
    shuffle(mulberry32(5), shuffled);
    expect(shuffled).not.toEqual(list);
    expect([...shuffled].sort((a, b) => a - b)).toEqual(list);
  });

  it("refuses to pick from nothing", () => {
    expect(() => pick(mulberry32(1), [])).toThrow(RangeError);
  });
});
