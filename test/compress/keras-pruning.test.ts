/** Pruning as Keras' toolkit defines it (tensorflow_model_optimization, core/sparsity/keras): schedules, the threshold that spares ties, pooled blocks. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { lampScores, medianDistances, weightScores } from "../../src/compress/prune/importance.ts";
import { prune } from "../../src/compress/prune/prune.ts";
import { pruneWhereFaster } from "../../src/compress/prune/where.ts";
import { constantSchedule, polynomialSchedule } from "../../src/compress/prune/schedule.ts";
import { belowThreshold, blockScores, expandBlocks, smallest } from "../../src/compress/prune/select.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import type { PruneStep } from "../../src/compress/recipe.ts";
import type { SparseGain } from "../../src/compress/steps.ts";
import { UsageError } from "../../src/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { sparseGain } from "../../src/harness/sparse-gain.ts";
import { filled, plainNet, uniform } from "./nets.ts";

const step = (text: string): PruneStep => parseRecipe(text).steps[0] as PruneStep;

function denseNet(...weights: readonly (readonly number[])[]): Graph {
  const b = new GraphBuilder("dense");
  const outputs = weights.map((row, i) => {
    const x = b.input(`x${i}`, "float32", [1, row.length]);
    return b.add("Dense", `d${i}`, [x, b.constant(`w${i}`, "float32", [1, row.length], Float32Array.from(row))], {});
  });
  return b.finish(outputs);
}

const weightsOf = (graph: Graph, name: string): number[] => [...graph.tensors.get(name)!.data!];

describe("schedules", () => {
  it("decays as in the upstream test", () => {
    const schedule = polynomialSchedule({ initial: 0.2, final: 0.8, begin: 100, end: 110, power: 3, frequency: 1 });
    const expected = new Map([
      [100, 0.2],
      [102, 0.4928],
      [105, 0.725],
      [110, 0.8],
    ]);
    for (const [at, sparsity] of expected) expect(schedule(at).sparsity).toBeCloseTo(sparsity, 12);
  });

  it("decays cubically by default", () => {
    const long = polynomialSchedule({ initial: 0, final: 0.5, begin: 0, end: 1000 });
    const at = [0, 100, 250, 500, 750, 1000].map((s) => long(s).sparsity);
    [0, 0.1355, 0.289062, 0.4375, 0.492188, 0.5].forEach((expected, i) => expect(at[i]).toBeCloseTo(expected, 5));
    const short = polynomialSchedule({ initial: 0.5, final: 0.8, begin: 0, end: 10 });
    const steps = [0.5, 0.5813, 0.6464, 0.6971, 0.7352, 0.7625, 0.7808, 0.7919, 0.7976, 0.7997, 0.8];
    steps.forEach((expected, s) => expect(Math.abs(short(s).sparsity - expected)).toBeLessThanOrEqual(0.5e-4 + 1e-12));
  });

  it("holds both ends, and updates every `frequency` steps inside them, counted from the begin", () => {
    const schedule = polynomialSchedule({ initial: 0.2, final: 0.8, begin: 30, end: 240 });
    expect([schedule(0).update, schedule(1000).update]).toEqual([false, false]);
    expect(schedule(0).sparsity).toBeCloseTo(0.2, 12);
    expect(schedule(1000).sparsity).toBe(0.8);
    const updates = Array.from({ length: 400 }, (_, i) => i).filter((i) => schedule(i).update);
    expect(updates).toEqual([30, 130, 230]);
    const constant = constantSchedule(0.4, { begin: 5, frequency: 2, end: 9 });
    expect([4, 5, 6, 7, 9, 11].map((s) => constant(s).update)).toEqual([false, true, false, true, true, false]);
    expect(constantSchedule(0.4, { begin: 5 })(1_000_005)).toEqual({ update: true, sparsity: 0.4 });
  });

  it("rejects shares of 1, windows without length and broken frequencies", () => {
    expect(() => constantSchedule(1, { begin: 0 })).toThrow(
      new UsageError("pruning schedule: sparsity: got 1, expected a share 0 ≤ x < 1"),
    );
    expect(() => constantSchedule(0.5, { begin: -1 })).toThrow("begin: got -1");
    expect(() => constantSchedule(0.5, { begin: 5, end: 4 })).toThrow("end: got 4");
    expect(() => constantSchedule(0.5, { begin: 5, frequency: 0 })).toThrow("frequency: got 0");
    const decay = { initial: 0, final: 0.5, begin: 0, end: 10 };
    expect(() => polynomialSchedule({ ...decay, end: 0 })).toThrow("end: got 0, expected a step after begin (0)");
    // Upstream's -1, "no end", is for constant schedules only.
    expect(() => polynomialSchedule({ ...decay, end: Infinity })).toThrow("end: got Infinity");
    expect(() => polynomialSchedule({ ...decay, power: 0 })).toThrow("power: got 0");
    expect(() => polynomialSchedule({ ...decay, final: 1 })).toThrow("final: got 1");
    expect(() => polynomialSchedule({ ...decay, initial: -0.1 })).toThrow("initial: got -0.1");
  });
});

describe("the threshold that spares ties", () => {
  const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

  it("matches the published masks", () => {
    expect([...belowThreshold(Float64Array.from(range(10)), 0.2)]).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(belowThreshold(Float64Array.from(range(100)), 0.5).filter((gone) => gone === 0).length).toBe(50);
    const { graph } = prune(denseNet(range(10)), step("prune:0.2,ties=keep"));
    expect(weightsOf(graph, "w0")).toEqual([0, 0, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("prunes fewer where weights are equal, and always leaves one", () => {
    const graph = denseNet([1, -1, 1, -1, 3], [0.5, 0.5]);
    expect(weightsOf(prune(graph, step("prune:0.4,ties=keep")).graph, "w0")).toEqual([1, -1, 1, -1, 3]);
    expect(weightsOf(prune(graph, step("prune:0.4")).graph, "w0")).toEqual([0, 0, 1, -1, 3]);
    expect(weightsOf(prune(graph, step("prune:0.99,ties=keep")).graph, "w0")).toEqual([0, 0, 0, 0, 3]);
    expect(weightsOf(prune(graph, step("prune:0.99")).graph, "w0")).toEqual([0, 0, 0, 0, 0]);
    const { graph: all } = prune(graph, step("prune:0.7,scope=global,ties=keep"));
    expect([weightsOf(all, "w0"), weightsOf(all, "w1")]).toEqual([
      [1, -1, 1, -1, 3],
      [0, 0],
    ]);
  });

  it("never prunes more than the exact rule", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 40 }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        (list, s) => {
          const scores = Float64Array.from(list);
          const gone = belowThreshold(scores, s);
          const count = gone.reduce((sum, one) => sum + one, 0);
          expect(count).toBeLessThan(list.length);
          expect(smallest(scores, count)).toEqual(gone);
        },
      ),
    );
  });
});

describe("pooled blocks", () => {
  // 4×4 in blocks of 2×2, columns outermost as we number them.
  const full = [0.1, 0.1, 0.2, 0.2, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.3, 0.3, 0.4, 0.4];
  const sparse = [0.1, 0, 0.2, 0, 0, 0, 0, 0, 0.3, 0, 0.4, 0, 0, 0, 0, 0];
  const grid = { n: 4, k: 4, rows: 2, cols: 2 };

  it.each([
    ["avg", full],
    ["max", full],
    ["max", sparse],
    ["avg", sparse],
  ] as const)("%s takes the top two blocks of four", (pool, weights) => {
    const zeros = expandBlocks(smallest(blockScores(weights, grid, pool), 2), grid);
    expect([...zeros]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("mean and largest magnitude differ, also in a recipe", () => {
    const weights = [4, 0, 1.5, -1.5, 1, 1];
    const two = { n: 1, k: 6, rows: 2, cols: 1 };
    expect([...blockScores(weights, two, "avg")]).toEqual([2, 1.5, 1]);
    expect([...blockScores(weights, two, "max")]).toEqual([4, 1.5, 1]);
    const graph = plainNet();
    const [avg, max] = ["prune:0.5,block=1x8", "prune:0.5,block=1x8,pool=max"].map((text) => prune(graph, step(text)).graph);
    expect(weightsOf(avg!, "fc1.w")).not.toEqual(weightsOf(max!, "fc1.w"));
    const zeros = (g: Graph): number => weightsOf(g, "fc1.w").filter((w) => w === 0).length;
    expect(zeros(avg!)).toBe(zeros(max!));
  });
});

describe("importance", () => {
  it("lamp: the square over the sum of the squares that are no smaller", () => {
    expect([...lampScores(Float64Array.of(1, 4, 9))]).toEqual([1 / 14, 4 / 13, 1]);
    // Of equals the earlier counts as smaller: it goes first.
    expect([...lampScores(Float64Array.of(4, 4))]).toEqual([0.5, 1]);
    expect([...lampScores(Float64Array.of(0, 0, 2))]).toEqual([0, 0, 1]);
    expect([...weightScores([1, -2, 3], "lamp")]).toEqual([1 / 14, 4 / 13, 1]);
  });

  it("lamp never empties a layer before its largest weight, where magnitude would", () => {
    const graph = denseNet([0.01, 0.02, 0.03], [10, 20, 30]);
    const magnitude = prune(graph, step("prune:0.5,scope=global")).graph;
    expect([weightsOf(magnitude, "w0"), weightsOf(magnitude, "w1")]).toEqual([
      [0, 0, 0],
      [10, 20, 30],
    ]);
    const lamp = prune(graph, step("prune:0.5,scope=global,importance=lamp")).graph;
    expect(weightsOf(lamp, "w0").filter((w) => w === 0).length).toBeGreaterThan(0);
    expect(weightsOf(lamp, "w0")[2]).toBeCloseTo(0.03, 6);
    expect(weightsOf(lamp, "w1")[2]).toBe(30);
  });

  it("within a layer lamp ranks as magnitude does", () => {
    const graph = plainNet();
    const [l1, lamp] = ["prune:0.6", "prune:0.6,importance=lamp"].map((text) => prune(graph, step(text)).graph);
    for (const name of ["conv1.w", "conv2.w", "fc1.w", "fc2.w"]) expect(weightsOf(lamp!, name)).toEqual(weightsOf(l1!, name));
  });

  it("random repeats for a seed and differs for another", () => {
    const graph = plainNet();
    const of = (text: string): number[] => weightsOf(prune(graph, step(text)).graph, "fc1.w");
    expect(of("prune:0.5,importance=random")).toEqual(of("prune:0.5,importance=random,seed=1"));
    expect(of("prune:0.5,importance=random")).not.toEqual(of("prune:0.5,importance=random,seed=2"));
    expect(of("prune:0.5,importance=random,block=1x8").filter((w) => w === 0).length).toBe((24 * 720) / 2);
  });

  it("sums the distances to the other filters", () => {
    const vectors = [
      [0, 0],
      [3, 4],
      [6, 8],
    ].map((v) => Float64Array.from(v));
    expect([...medianDistances(vectors)]).toEqual([15, 10, 15]);
    expect([...medianDistances([Float64Array.of(1)])]).toEqual([0]);
  });
});

describe("where zeros win time", () => {
  it("prunes only layers with a faster sparse kernel, and says why the others stay", async () => {
    const graph = plainNet();
    const seen: string[] = [];
    const gain: SparseGain = (g, node) => {
      const weights = weightsOf(g, `${node}.w`);
      seen.push(`${node} ${(weights.filter((w) => w === 0).length / weights.length).toFixed(1)}`);
      return Promise.resolve({ faster: node === "fc1", why: "pays from 85 %" });
    };
    const { graph: pruned, layers, skipped, promises } = await pruneWhereFaster(graph, step("prune:0.8,where=faster"), gain);
    expect(layers).toEqual(["fc1"]);
    expect(promises.map(({ layer }) => layer)).toEqual(["fc1"]);
    expect(seen).toEqual(["conv1 0.8", "conv2 0.8", "fc1 0.8", "fc2 0.8"]);
    expect(skipped).toEqual([
      { layer: "conv1", op: "Conv2D", why: "not faster: pays from 85 %" },
      { layer: "conv2", op: "Conv2D", why: "not faster: pays from 85 %" },
      { layer: "fc2", op: "Dense", why: "not faster: pays from 85 %" },
    ]);
    expect(pruned.tensors.get("conv2.w")).toBe(graph.tensors.get("conv2.w"));
    expect(weightsOf(pruned, "fc1.w").filter((w) => w === 0).length).toBe(13_824);
  });

  it("needs an engine", async () => {
    await expect(applyRecipe(plainNet(), parseRecipe("prune:0.8,where=faster"), {})).rejects.toThrow(
      new UsageError("recipe step prune:0.8,where=faster: where=faster needs an engine that says what zeros win, and none was given"),
    );
  });

  it("asks the WASM engine's own choice of kernels", async () => {
    const random = filled(512 * 512, uniform(1));
    const graph = denseNet([...random.subarray(0, 64)]);
    const gain = sparseGain();
    const b = new GraphBuilder("wide");
    const x = b.input("x", "float32", [1, 512]);
    const wide = b.finish([b.add("Dense", "d0", [x, b.constant("w0", "float32", [512, 512], random)], {})]);
    const blocks = step("prune:0.9,block=1x8,include=d0,where=faster");
    expect((await pruneWhereFaster(wide, blocks, gain)).layers).toEqual(["d0"]);
    const few = await pruneWhereFaster(wide, step("prune:0.2,where=faster"), gain);
    expect(few.layers).toEqual([]);
    expect(few.skipped[0]!.why).toMatch(/^not faster: 20 % of its weights are zero; unstructured pays from \d+ %/);
    expect((await pruneWhereFaster(graph, step("prune:0.1,where=faster"), gain)).graph.tensors.get("w0")).toBe(graph.tensors.get("w0"));
  });
});
