/** Races on a clock that the racers themselves move: who is sent home, who wins, and that noise wins nothing. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judge, race } from "../../../src/engines/tune/race.ts";
import type { RaceResult, RaceSettings, Racer } from "../../../src/engines/tune/race.ts";

const SETTINGS: RaceSettings = {
  warmup: { floorMs: 20, windowMs: 5, maxMs: 200 },
  blockMs: 1,
  rounds: 15,
  outAt: 1.5,
  limitMs: 1000,
};

/** @param racers name → milliseconds of its i-th call */
function run(racers: Readonly<Record<string, (call: number) => number>>, settings: Partial<RaceSettings> = {}): Promise<RaceResult> {
  let clock = 0;
  const entries = Object.entries(racers).map(([name, time]): Racer => {
    let calls = 0;
    return {
      name,
      call: () => {
        const ms = time(calls++);
        clock += ms;
        return Promise.resolve(ms);
      },
    };
  });
  return race(entries, { ...SETTINGS, ...settings }, () => clock);
}

const counts = ({ samples }: RaceResult): Record<string, number> =>
  Object.fromEntries([...samples].map(([name, times]) => [name, times.length]));

describe("race", () => {
  it("takes every racer through all rounds where they are close", async () => {
    const result = await run({ first: () => 1, second: () => 1.2 });
    expect(counts(result)).toEqual({ first: 15, second: 15 });
  });

  it("sends home after three rounds who takes 1.5 times as long, but keeps the default", async () => {
    const result = await run({ first: () => 2, second: () => 1, third: () => 1.4, slow: () => 1.6 });
    expect(counts(result)).toEqual({ first: 15, second: 15, third: 15, slow: 3 });
  });

  it("ends when nobody is left to compare with", async () => {
    expect(counts(await run({ first: () => 1, slow: () => 4, slower: () => 9 }))).toEqual({ first: 3, slow: 3, slower: 3 });
  });

  it("keeps all in where nobody is to be sent home", async () => {
    const result = await race(
      [
        { name: "a", call: () => Promise.resolve(1) },
        { name: "b", call: () => Promise.resolve(9) },
      ],
      { warmup: { floorMs: 0, windowMs: 0, maxMs: 0 }, blockMs: 1, rounds: 6, limitMs: 1000 },
      () => 0,
    );
    expect(counts(result)).toEqual({ a: 6, b: 6 });
  });

  it("stops at its time limit, not before the third round", async () => {
    expect(counts(await run({ first: () => 100, second: () => 101 }, { limitMs: 1 }))).toEqual({ first: 3, second: 3 });
  });

  it("warms up for its floor, and as long as calls get faster", async () => {
    const warmup = { floorMs: 500, windowMs: 100, maxMs: 3000 };
    const ones = Array.from({ length: 15 }, () => 1);
    // Ten times as fast at once after 400 ms; ever faster over 1.6 s.
    const sudden = await run({ first: () => 1, late: (call) => (call < 40 ? 10 : 1) }, { warmup });
    expect(sudden.samples.get("late")).toEqual(ones);
    const steady = await run({ first: () => 1, late: (call) => Math.max(1, 10 * 0.994 ** call) }, { warmup });
    expect(steady.samples.get("late")).toEqual(ones);
  });

  it("fills a sample with as many calls as its block takes", async () => {
    const result = await run({ first: () => 0.1, second: () => 0.11 });
    expect(result.calls.get("first")).toBe(10);
    expect(result.samples.get("first")?.[0]).toBeCloseTo(0.1, 10);
  });
});

describe("judge", () => {
  const times = (...values: readonly (readonly [string, readonly number[]])[]): ReadonlyMap<string, readonly number[]> => new Map(values);
  const repeat = (ms: number, count = 12): readonly number[] => Array.from({ length: count }, () => ms);

  it("names the fastest and by how much", () => {
    expect(judge(times(["a", repeat(3)], ["b", repeat(2)], ["c", repeat(2.5)]), "a")).toEqual({ winner: "b", gain: 1.5, rounds: 12 });
  });

  it("keeps the default where the others gain less than the least", () => {
    expect(judge(times(["a", repeat(1)], ["b", repeat(0.99)]), "a")).toEqual({ winner: "a", gain: 1, rounds: 12 });
  });

  it("keeps the default where there are too few rounds to tell", () => {
    expect(judge(times(["a", repeat(3, 5)], ["b", repeat(1, 5)]), "a").winner).toBe("a");
  });

  it("compares round by round, so that a machine that slows down decides nothing", () => {
    const slowing = Array.from({ length: 12 }, (_, round) => 1 + round);
    expect(judge(times(["a", slowing], ["b", slowing.map((ms) => ms / 1.1)]), "a")).toMatchObject({ winner: "b", rounds: 12 });
  });

  it("lets noise win nothing: equal racers, any seed", () => {
    let wins = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0.9, max: 1.1, noNaN: true }), fc.double({ min: 0.9, max: 1.1, noNaN: true })), {
          minLength: 17,
          maxLength: 17,
        }),
        (rounds) => {
          if (judge(times(["a", rounds.map(([a]) => a)], ["b", rounds.map(([, b]) => b)]), "a").winner === "b") wins++;
        },
      ),
      { seed: 7, numRuns: 200 },
    );
    expect(wins).toBeLessThanOrEqual(10);
  });
});
