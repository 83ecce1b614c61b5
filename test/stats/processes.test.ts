/** Medians of processes, their interval, and how two sets of processes compare: numbers worked out by hand, and coverage by simulation. */
import { describe, expect, it } from "vitest";
import { mulberry32 } from "../../src/data/random.ts";
import { disagreement, ratioInPairs, ratioOfProcesses, summarizeProcesses } from "../../src/stats/processes.ts";
import { student975 } from "../../src/stats/student.ts";

/** `count` samples from `low` to `high` in equal steps. */
const ramp = (low: number, high: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));

describe("student975", () => {
  it("matches published tables", () => {
    // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
    const table: readonly (readonly [number, number])[] = [
      [1, 12.706],
      [2, 4.303],
      [5, 2.571],
      [10, 2.228],
      [11, 2.201],
      [15, 2.131],
      [30, 2.042],
      [100, 1.984],
    ];
    for (const [freedom, t] of table) expect(student975(freedom)).toBeCloseTo(t, 3);
    expect(student975(2.9)).toBe(student975(2));
    expect(() => student975(0.5)).toThrow("degree of freedom");
  });
});

describe("summarizeProcesses", () => {
  it("of one process: its samples' own interval, or none", () => {
    expect(summarizeProcesses([[1, 2, 3, 4, 5, 6, 7, 8]])).toEqual({ medians: [4.5], median: 4.5, ci95: [1, 8] });
    expect(summarizeProcesses([[1, 2, 3]])).toEqual({ medians: [2], median: 2 });
  });

  it("of three: Student's interval of the log medians", () => {
    // Logs of 1, 2, 4 are 0, ln 2, 2 ln 2: mean ln 2, deviation ln 2, half-width 4.30265 × ln 2 / √3.
    const { medians, median, ci95 } = summarizeProcesses([[4], [1], [2]]);
    expect(medians).toEqual([4, 1, 2]);
    expect(median).toBe(2);
    const half = (4.30265 * Math.LN2) / Math.sqrt(3);
    expect(ci95?.[0]).toBeCloseTo(2 * Math.exp(-half), 10);
    expect(ci95?.[1]).toBeCloseTo(2 * Math.exp(half), 10);
  });

  it("of eight: the range, which covers 99 %", () => {
    const { ci95 } = summarizeProcesses([1, 2, 3, 4, 5, 6, 7, 8].map((ms) => [ms]));
    expect(ci95).toEqual([1, 8]);
  });

  it("keeps the samples' own noise where processes agree", () => {
    // Six samples: the interval is their range, 1 to 4 around 2, so ln 4 / 2 each and ln 4 / 2 / √2 for two.
    const samples = [1, 1, 2, 2, 4, 4];
    const { median, ci95 } = summarizeProcesses([samples, samples]);
    expect(median).toBe(2);
    expect(ci95?.[1]).toBeCloseTo(2 * Math.exp(Math.log(4) / 2 / Math.SQRT2), 10);
    expect(ci95?.[0]).toBeCloseTo(4 / ci95![1], 10);
  });

  it("says little where a clock stood still", () => {
    expect(summarizeProcesses([[0], [0], [0.005]]).ci95).toEqual([0, 0.005]);
  });

  it.each([2, 3, 5, 7])("covers the truth at least as often as it says, %i processes", (count) => {
    const seed = 20_261_124 + count;
    const random = mulberry32(seed);
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    let hits = 0;
    const trials = 2000;
    for (let i = 0; i < trials; i++) {
      const processes = Array.from({ length: count }, () => {
        const center = Math.exp(0.2 * normal());
        return Array.from({ length: 9 }, () => center * (1 + 0.01 * normal()));
      });
      const { ci95 } = summarizeProcesses(processes);
      if (ci95![0] <= 1 && ci95![1] >= 1) hits++;
    }
    // Three standard errors of the share.
    expect(hits / trials, `seed ${seed}`).toBeGreaterThan(0.95 - 3 * Math.sqrt((0.95 * 0.05) / trials));
  });
});

describe("disagreement", () => {
  it("is the ratio of medians where the samples' noise does not explain it", () => {
    expect(disagreement([ramp(0.9, 1.1, 21), ramp(1.9, 2.1, 21), ramp(1.4, 1.6, 21)])).toBeCloseTo(2, 10);
    expect(disagreement([ramp(0.5, 1.5, 7), ramp(0.8, 1.8, 7)])).toBeUndefined();
    expect(
      disagreement([
        [1, 2],
        [3, 4],
      ]),
    ).toBeCloseTo(7 / 3, 10);
    expect(
      disagreement([
        [1, 3],
        [2, 4],
      ]),
    ).toBeUndefined();
    expect(disagreement([ramp(1, 2, 9)])).toBeUndefined();
    expect(
      disagreement([
        [0, 0],
        [1, 1],
      ]),
    ).toBeUndefined();
  });
});

describe("ratioInPairs", () => {
  it("is Student's interval of the log ratios: what a process does to both cancels", () => {
    // Log ratios d, 2d, 3d: mean 2d, deviation d, freedom 2.
    const d = 0.1;
    const a = [1, 10, 100];
    const b = [Math.exp(d), 10 * Math.exp(2 * d), 100 * Math.exp(3 * d)];
    const found = ratioInPairs(a, b)!;
    expect(found.ratio).toBeCloseTo(Math.exp(2 * d), 12);
    const half = (4.30265 * d) / Math.sqrt(3);
    expect(Math.log(found.ci95[0])).toBeCloseTo(2 * d - half, 6);
    expect(Math.log(found.ci95[1])).toBeCloseTo(2 * d + half, 6);
    expect(ratioInPairs([1, 2], [2, 4])).toEqual({ ratio: 2, ci95: [2, 2] });
  });

  it("says nothing of a single process, of sides that do not match, and of a clock that stood still", () => {
    expect(ratioInPairs([1], [2])).toBeUndefined();
    expect(ratioInPairs([1, 2], [1, 2, 3])).toBeUndefined();
    expect(ratioInPairs([1, 0], [1, 2])).toBeUndefined();
  });
});

describe("ratioOfProcesses", () => {
  it("matches Welch's formula", () => {
    // Log medians 0, 2d and 5d, 5d, 5d + 3e: variances of the means d² and e², freedom (d² + e²)² / (d⁴ / 1 + e⁴ / 2).
    const [d, e] = [0.01, 0.02];
    const a = [1, Math.exp(2 * d)];
    const b = [Math.exp(5 * d), Math.exp(5 * d), Math.exp(5 * d + 3 * e)];
    const found = ratioOfProcesses(a, b)!;
    expect(found.ratio).toBeCloseTo(Math.exp(5 * d) / ((1 + Math.exp(2 * d)) / 2), 10);
    const freedom = (d ** 2 + e ** 2) ** 2 / (d ** 4 + e ** 4 / 2);
    expect(Math.floor(freedom)).toBe(2);
    const half = 4.30265 * Math.sqrt(d ** 2 + e ** 2);
    expect(Math.log(found.ci95[0])).toBeCloseTo(5 * d + e - d - half, 10);
    expect(Math.log(found.ci95[1])).toBeCloseTo(5 * d + e - d + half, 10);
  });

  it("is exact where neither side varies, and silent where a side cannot", () => {
    expect(ratioOfProcesses([2, 2], [3, 3, 3])).toEqual({ ratio: 1.5, ci95: [1.5, 1.5] });
    expect(ratioOfProcesses([2], [3, 3])).toBeUndefined();
    expect(ratioOfProcesses([2, 2], [3, 0])).toBeUndefined();
  });
});
