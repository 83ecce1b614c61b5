/** Goals, spaces, strategies, rollback and fronts: what a search is made of, without a model. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mulberry32 } from "../../../src/data/random.ts";
import { UsageError } from "../../../src/errors.ts";
import { parseGoal, parseMinimize, shortfall, totalShortfall } from "../../../src/study/search/goal.ts";
import { paretoFront } from "../../../src/study/search/pareto.ts";
import { rollBack } from "../../../src/study/search/rollback.ts";
import {
  DEFAULT_SPACE,
  anchors,
  changedLayers,
  makeSpace,
  origin,
  randomPoint,
  recipeOf,
  reverted,
} from "../../../src/study/search/space.ts";
import type { Point, Space } from "../../../src/study/search/space.ts";
import { STRATEGIES, compareSeen, propose, shares } from "../../../src/study/search/strategies.ts";
import type { Seen } from "../../../src/study/search/strategies.ts";

describe("goals", () => {
  it.each([
    ["accuracy>=-0.5pt", "accuracy>=-0.5pt"],
    [" accuracy >= .97 ", "accuracy>=0.97"],
    ["accuracy>=-1%", "accuracy>=-1%"],
    ["agreement>=0.990", "agreement>=0.99"],
    ["sqnr>=20dB", "sqnr>=20"],
  ])("%j reads as %j", (text, canonical) => {
    expect(parseGoal(text).text).toBe(canonical);
    expect(parseGoal(canonical)).toEqual(parseGoal(text));
  });

  it.each([
    ["", /cannot be read, expected METRIC>=BOUND/],
    ["accuracy", /cannot be read/],
    ["accuracy>=x", /cannot be read/],
    ["acuracy>=0.9", /unknown metric "acuracy"\. Did you mean accuracy\?/],
    ["latency>=1", /unknown metric "latency"/],
    ["accuracy<=0.9", /got "<=", expected >=/],
    ["accuracy>0.9", /got ">", expected >=/],
    ["accuracy>=97", /got 97, expected a share 0\.\.1/],
    ["accuracy>=97%", /got 97%, expected/],
    ["accuracy>=-0.5", /got -0\.5, expected/],
    ["agreement>=-1pt", /expected a share 0\.\.1, e\.g\. agreement>=0\.99/],
    ["sqnr>=20pt", /expected decibels/],
  ])("rejects %j", (text, message) => {
    expect(() => parseGoal(text)).toThrow(UsageError);
    expect(() => parseGoal(text)).toThrow(message);
  });

  it("tells how far a quality stays below", () => {
    const quality = { n: 1000, value: 0.95, reference: 0.96, delta: -0.01, agreement: 0.98, sqnrDb: 15 };
    const off = (goal: string): number => shortfall(parseGoal(goal), quality);
    expect(off("accuracy>=-0.5pt")).toBeCloseTo(0.5, 12);
    // Exactly at the bound is met, whatever rounding does.
    expect(off("accuracy>=-1pt")).toBe(0);
    expect(off("accuracy>=0.97")).toBeCloseTo(2, 12);
    expect(off("accuracy>=-1%")).toBeCloseTo((100 * 0.01) / 0.96 - 1, 12);
    expect(off("agreement>=0.99")).toBeCloseTo(1, 12);
    expect(off("sqnr>=20")).toBeCloseTo(0.5, 12);
    expect(totalShortfall([parseGoal("accuracy>=0.97"), parseGoal("agreement>=0.99")], quality)).toBeCloseTo(3, 12);
    expect(shortfall(parseGoal("accuracy>=0.5"), { n: 64, agreement: 1 })).toBe(Infinity);
    expect(shortfall(parseGoal("sqnr>=200"), { n: 64, identical: true })).toBe(0);
    expect(shortfall(parseGoal("accuracy>=0pt"), { n: 9, value: 0.5 })).toBe(0);
  });

  it("reads what to minimize", () => {
    expect(parseMinimize("latency@wasm:threads=2")).toMatchObject({
      metric: "latency",
      target: { engine: "wasm", options: { threads: "2" } },
    });
    expect(parseMinimize("size")).toMatchObject({ metric: "size", key: "fileBytes" });
    expect(parseMinimize("weightBytes")).toMatchObject({ key: "weightBytes" });
    expect(() => parseMinimize("latency")).toThrow(/expected latency@TARGET/);
    expect(() => parseMinimize("weightbytes")).toThrow(/Did you mean weightBytes\?/);
    expect(() => parseMinimize("latency@wsam")).toThrow(/unknown engine/);
  });
});

const LAYERS = ["a", "b", "c"];

function space(words = { each: ["prune,channels=0.5", "prune:0.5", "prune:0.9", "cluster:16"], whole: ["int8", "int4"] }): Space {
  // b has no channels to cut; by itself pruning leaves a alone.
  return makeSpace(words, LAYERS, {
    applies: (layer, step) => !(layer === "b" && step.includes("channels")),
    own: (step) => (step.startsWith("prune:") ? ["b", "c"] : step.includes("channels") ? ["a", "c"] : LAYERS),
  });
}

/** The point that makes these choices; by `layer choice`, the whole model's without a layer. */
function pointOf(of: Space, choices: readonly string[]): Point {
  return of.knobs.map(({ layer, choices: known }) =>
    Math.max(0, ...known.map((choice, c) => (choices.includes([layer, choice].join(" ").trim()) ? c : 0))),
  );
}

describe("space", () => {
  it("orders steps by stage and lets layers share them", () => {
    const s = space();
    const recipe = (...choices: readonly string[]): string | undefined => recipeOf(s, pointOf(s, choices))?.text;
    expect(recipe()).toBe("fp32");
    expect(recipe("int8", "a prune:0.9", "c prune:0.5", "b prune:0.9")).toBe("prune:0.9,only=a|b+prune:0.5,only=c+int8");
    expect(recipe("int8", "c keep", "a prune,channels=0.5", "c cluster:16")).toBe(
      "prune,channels=0.5,only=a+cluster:16,only=c+int8,exclude=c",
    );
    // A step on the layers of its own choice needs no names.
    expect(recipe("b prune:0.5", "c prune:0.5")).toBe("prune:0.5");
    // Kept out of nothing.
    expect(recipe("c keep")).toBe("fp32");
    // The language refuses shared values under int4.
    expect(recipe("int4", "a cluster:16")).toBeUndefined();
  });

  it("offers a layer what has a form for it", () => {
    expect(space().knobs.map(({ stage, layer }) => `${stage} ${layer ?? ""}`.trim())).toEqual([
      "channels a",
      "channels c",
      "prune a",
      "prune b",
      "prune c",
      "cluster a",
      "cluster b",
      "cluster c",
      "format",
      "format a",
      "format b",
      "format c",
    ]);
  });

  it("begins with the plain recipes", () => {
    const s = space({ each: ["prune:0.5", "cluster:16"], whole: ["int8"] });
    expect(anchors(s).map((point) => recipeOf(s, point)?.text)).toEqual([
      "int8",
      "prune:0.5",
      "cluster:16",
      "prune:0.5+int8",
      "cluster:16+int8",
    ]);
  });

  it("refuses what has no place", () => {
    expect(() => space({ each: ["int8"], whole: [] })).toThrow(/--each int8: a number format is the whole model's/);
    expect(() => makeSpace({ each: ["prune:0.5"], whole: [] }, LAYERS, { applies: () => false, own: () => [] })).toThrow(
      /nothing to choose/,
    );
  });

  it("random points are points, of every strength", () => {
    const s = makeSpace(DEFAULT_SPACE, LAYERS, { applies: () => true, own: () => LAYERS });
    const strengths = new Set<number>();
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const point = randomPoint(s, mulberry32(seed));
        expect(point).toHaveLength(s.knobs.length);
        point.forEach((choice, k) => expect(s.knobs[k]?.choices[choice]).toBeDefined());
        strengths.add(changedLayers(s, point).length);
      }),
      { seed: 3, numRuns: 200 },
    );
    expect([...strengths].sort()).toEqual([0, 1, 2, 3]);
  });
});

/** Losses of layers add up; each choice has its price, and the int8 of a layer too. */
function judge(s: Space, point: Point): { readonly shortfall: number; readonly cost: number } {
  let [loss, cost] = [0, 0];
  const whole = s.knobs.findIndex(({ layer }) => layer === undefined);
  LAYERS.forEach((layer, l) => {
    let time = 1 + l;
    s.knobs.forEach((knob, k) => {
      if (knob.layer !== layer || point[k] === 0 || knob.stage === "format") return;
      time *= 1 - 0.2 * point[k]!;
      loss += 0.3 * point[k]! * (3 - l);
    });
    const kept = s.knobs.some((knob, k) => knob.layer === layer && knob.stage === "format" && point[k] !== 0);
    if (point[whole] !== 0 && !kept) {
      time *= 0.6;
      loss += 0.1;
    }
    cost += time;
  });
  return { shortfall: Math.max(0, loss - 1), cost };
}

function run(strategy: (typeof STRATEGIES)[number], s: Space, seed: number, trials: number): readonly Seen[] {
  const seen: Seen[] = [];
  while (seen.length < trials) {
    const proposal = propose(strategy, s, seen, seed);
    if (proposal === undefined) break;
    for (const point of proposal.points) {
      const { shortfall: off, cost } = judge(s, point);
      seen.push({ recipe: recipeOf(s, point)!.text, point, shortfall: off, ...(off === 0 ? { cost } : {}), effort: proposal.effort });
    }
  }
  return seen;
}

describe.each(STRATEGIES)("strategy %s", (strategy) => {
  const s = space();

  it("proposes recipes that are new, the same ones for a seed, also when it goes on", () => {
    const seen = run(strategy, s, 5, 30);
    expect(run(strategy, s, 5, 30)).toEqual(seen);
    expect(run(strategy, s, 6, 30)).not.toEqual(seen);
    const looks = seen.filter(({ effort }) => effort === (strategy === "halving" ? "look" : "full"));
    expect(new Set(looks.map(({ recipe }) => recipe)).size).toBe(looks.length);
    const cut = propose(strategy, s, seen.slice(0, 12), 5);
    expect(cut).toEqual(propose(strategy, s, JSON.parse(JSON.stringify(seen.slice(0, 12))) as Seen[], 5));
  });

  it("ends where everything was tried", () => {
    const small = space({ each: ["prune:0.5"], whole: [] });
    const seen = run(strategy, small, 1, 100);
    expect(new Set(seen.map(({ recipe }) => recipe)).size).toBeLessThanOrEqual(8);
    expect(propose(strategy, small, seen, 1)).toBeUndefined();
  });
});

describe("strategies", () => {
  it("halving looks in full only at what it looked at, and at the best of it", () => {
    const seen = run("halving", space(), 2, 150);
    const full = seen.filter(({ effort }) => effort === "full");
    expect(full.length).toBeGreaterThan(2);
    for (const trial of full) {
      const before = seen.slice(0, seen.indexOf(trial)).filter(({ effort, shortfall: off }) => effort === "look" && off === 0);
      expect(before.map(({ recipe }) => recipe)).toContain(trial.recipe);
      expect(trial.shortfall).toBe(0);
    }
  });

  it("tpe finds cheaper recipes than chance", () => {
    const s = makeSpace(DEFAULT_SPACE, LAYERS, { applies: () => true, own: () => LAYERS });
    const best = (strategy: "tpe" | "random", seed: number): number =>
      [...run(strategy, s, seed, 60)].sort(compareSeen)[0]?.cost ?? Infinity;
    const wins = Array.from({ length: 15 }, (_, seed) => Number(best("tpe", seed) < best("random", seed)));
    expect(wins.reduce((a, b) => a + b)).toBeGreaterThanOrEqual(11);
  });

  it("smooths shares by hand", () => {
    const trial = (choice: number): Seen => ({ recipe: String(choice), point: [choice], shortfall: 0, effort: "full" });
    // (2 + 0.7) / (3 + 2.1), (1 + 0.7) / 5.1, 0.7 / 5.1
    const found = shares([trial(0), trial(0), trial(1)], 0, 3);
    [2.7, 1.7, 0.7].forEach((count, i) => expect(found[i]).toBeCloseTo(count / 5.1, 12));
  });

  it("ranks what meets the goals by cost, then the rest by what is missing", () => {
    const trial = (recipe: string, off: number, cost?: number): Seen => ({ recipe, point: [], shortfall: off, cost, effort: "full" });
    const list = [
      trial("far", 3),
      trial("none", Infinity),
      trial("slow", 0, 2),
      trial("unpriced", 0),
      trial("near", 0.1, 0.1),
      trial("fast", 0, 1),
    ];
    expect([...list].sort(compareSeen).map(({ recipe }) => recipe)).toEqual(["fast", "slow", "unpriced", "near", "far", "none"]);
  });
});

describe("rollback", () => {
  it("reverts the worst layers, as few as it takes", async () => {
    const s = space();
    const point = pointOf(s, ["int8", "a prune:0.9", "b prune:0.9", "c prune:0.9"]);
    // a loses 1.8, b 1.2, c 0.6, int8 0.3; 1 is allowed: without a and b 0.6 + 0.1.
    const asked: Point[] = [];
    const back = await rollBack(s, point, (candidate) => {
      asked.push(candidate);
      return Promise.resolve(judge(s, candidate).shortfall);
    });
    expect(back.layers).toEqual(["a", "b"]);
    expect(recipeOf(s, back.point ?? [])?.text).toBe("prune:0.9,only=c+int8,exclude=a|b");
    expect(asked.length).toBeLessThanOrEqual(3 + 1 + 2);
  });

  it("says where nothing helps", async () => {
    const s = space();
    expect(await rollBack(s, pointOf(s, ["int8"]), () => Promise.resolve(1))).toEqual({ layers: ["a", "b", "c"] });
    expect(await rollBack(s, origin(s), () => Promise.resolve(1))).toEqual({ layers: [] });
  });

  it("a reverted layer is the original's", () => {
    const s = space();
    const point = pointOf(s, ["int8", "a prune:0.9", "a cluster:16", "b prune:0.5"]);
    expect(recipeOf(s, reverted(s, point, new Set(["a"])))?.text).toBe("prune:0.5,only=b+int8,exclude=a");
    expect(changedLayers(s, reverted(s, point, new Set(LAYERS)))).toEqual([]);
  });
});

describe("Pareto front", () => {
  it("by hand", () => {
    const points = [
      [1, 5],
      [2, 2],
      [5, 1],
      [3, 3],
      [2, 2],
      [1, 6],
      [Number.NaN, 0],
    ] as const;
    expect(paretoFront(points, (p) => p)).toEqual([
      [1, 5],
      [2, 2],
      [5, 1],
    ]);
    expect(paretoFront(points, (p) => (p[0] === 2 ? undefined : p))).toEqual([
      [1, 5],
      [5, 1],
      [3, 3],
    ]);
  });

  it("holds nothing that another beats, and everything else is beaten", () => {
    const vector = fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 }));
    const beats = (a: readonly number[], b: readonly number[]): boolean => a.every((v, i) => v <= b[i]!) && a.some((v, i) => v < b[i]!);
    fc.assert(
      fc.property(fc.array(vector, { maxLength: 20 }), (all) => {
        const front = paretoFront(all, (v) => v);
        for (const v of front) expect(all.some((other) => beats(other, v))).toBe(false);
        for (const v of all) expect(front.some((other) => beats(other, v) || other.every((x, i) => x === v[i]))).toBe(true);
      }),
      { seed: 8 },
    );
  });
});
