/** The timing of several runtimes against each other, with a clock that only the contestants move. */
import { describe, expect, it } from "vitest";
import { ratioInterval, timeRounds, type RoundSettings } from "../../../tools/peers/rounds.ts";

const SETTINGS: RoundSettings = { warmMs: 100, warmMaxMs: 2000, blockMs: 10, minRounds: 8, maxRounds: 12, budgetMs: 1e9 };

interface Machine {
  now: number;
  readonly log: string[];
}

function contestant(machine: Machine, name: string, cost: (call: number) => number): { readonly name: string; readonly call: () => void } {
  let calls = 0;
  return {
    name,
    call: () => {
      machine.now += cost(calls++);
      if (machine.log.at(-1) !== name) machine.log.push(name);
    },
  };
}

describe("timeRounds", () => {
  it("times each in turn, in blocks, and every other first", async () => {
    const machine: Machine = { now: 0, log: [] };
    const costs = { a: 1, b: 2, c: 25 };
    const all = Object.entries(costs).map(([name, cost]) => contestant(machine, name, () => cost));
    const timed = await timeRounds(all, SETTINGS, () => machine.now);
    expect(timed.map(({ name, blockCalls }) => [name, blockCalls])).toEqual([
      ["a", 10],
      ["b", 5],
      ["c", 1],
    ]);
    for (const { name, samples } of timed) expect(samples).toEqual(Array.from({ length: 12 }, () => costs[name as keyof typeof costs]));
    // Warm-up of each, then turns that begin with another one every round.
    const turns = machine.log.join("").slice(3);
    expect(turns.startsWith("abcbcacab")).toBe(true);
    expect(timed.every((t) => t.steady)).toBe(true);
  });

  it("waits for a compiler that comes late", async () => {
    const machine: Machine = { now: 0, log: [] };
    const slow = contestant(machine, "tiers up", (call) => (call < 20 ? 10 : call < 60 ? 5 : 1));
    const [timed] = await timeRounds([slow], { ...SETTINGS, warmMs: 1 }, () => machine.now);
    expect(timed?.samples).toEqual(Array.from({ length: 12 }, () => 1));
  });

  it("takes all samples anew when they show that the warm-up was too short", async () => {
    const machine: Machine = { now: 0, log: [] };
    const late = contestant(machine, "late", (call) => (call < 430 ? 5 : 1));
    const steady = contestant(machine, "steady", () => 1);
    const settings = { ...SETTINGS, blockMs: 5, minRounds: 40, maxRounds: 40, warmMaxMs: 1900, warmMs: 1900 };
    const [timed] = await timeRounds([late, steady], settings, () => machine.now);
    expect(timed?.samples).toEqual(Array.from({ length: 40 }, () => 1));
  });

  it("ends after its budget, but not before the least number of rounds", async () => {
    const machine: Machine = { now: 0, log: [] };
    const [timed] = await timeRounds([contestant(machine, "a", () => 10)], { ...SETTINGS, budgetMs: 1 }, () => machine.now);
    expect(timed?.samples).toHaveLength(SETTINGS.minRounds);
  });

  it("says when a warm-up never settled", async () => {
    const machine: Machine = { now: 0, log: [] };
    const faster = contestant(machine, "a", (call) => 20 * 0.9 ** call + 1e-3);
    const [timed] = await timeRounds([faster], { ...SETTINGS, warmMaxMs: 190 }, () => machine.now);
    expect(timed?.steady).toBe(false);
  });
});

describe("ratioInterval", () => {
  it("is the median of the ratios within rounds, whatever slows a round down as a whole", () => {
    const load = [1, 5, 1, 2, 1, 9, 1, 3, 1];
    const ours = load.map((factor) => 2 * factor);
    const theirs = load.map((factor) => 3 * factor);
    expect(ratioInterval(ours, theirs)).toMatchObject({ median: 1.5, low: 1.5, high: 1.5 });
  });

  it("has no interval from too few rounds", () => {
    expect(ratioInterval([1, 1, 1], [2, 2, 2])).toBeUndefined();
  });
});
