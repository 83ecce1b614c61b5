import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyRecipe, runSteps } from "../../src/compress/apply.ts";
import { withTensors } from "../../src/compress/layers.ts";
import { checkPromises } from "../../src/compress/promises.ts";
import type { Promised } from "../../src/compress/promises.ts";
import { prune } from "../../src/compress/prune/prune.ts";
import { blockScores, expandBlocks, pruneCount, smallest, zerosOfGroups } from "../../src/compress/prune/select.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import type { PruneStep } from "../../src/compress/recipe.ts";
import { SlimbenchError, UsageError } from "../../src/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { deserializeGraph, serializeGraph } from "../../src/graph/serialize.ts";
import { contextFor, filled, mobileNet, plainNet, uniform } from "./nets.ts";

const step = (text: string): PruneStep => parseRecipe(text).steps[0] as PruneStep;

/** Dense layers with the given [n, k] weights, chained through nothing: each reads its own input. */
function denseNet(...weights: readonly (readonly (readonly number[])[])[]): Graph {
  const b = new GraphBuilder("dense");
  const outputs = weights.map((rows, i) => {
    const x = b.input(`x${i}`, "float32", [1, rows[0]!.length]);
    const w = b.constant(`w${i}`, "float32", [rows.length, rows[0]!.length], Float32Array.from(rows.flat()));
    return b.add("Dense", `d${i}`, [x, w], {});
  });
  return b.finish(outputs);
}

function weightsOf(graph: Graph, name: string): number[] {
  return [...graph.tensors.get(name)!.data!];
}

function zeroShare(graph: Graph, name: string): number {
  const data = weightsOf(graph, name);
  return data.filter((x) => x === 0).length / data.length;
}

const W = [
  [1, 2, 3, 4],
  [-4, -3, -2, -1],
];

describe("amounts", () => {
  it.each([
    [0.4, 17, 7],
    [0.5, 5, 2],
    [0.5, 7, 4],
    [0.5, 9, 4],
    [0.25, 10, 2],
    [0.1, 15, 2],
    [0, 10, 0],
  ])("%f of %i is %i, half to even", (amount, n, k) => {
    expect(pruneCount(amount, n)).toBe(k);
  });
});

describe("single weights", () => {
  it("matches torch's published masks", () => {
    const once = prune(denseNet(W), step("prune:0.25"));
    expect(weightsOf(once.graph, "w0")).toEqual([0, 2, 3, 4, -4, -3, -2, 0]);
    const twice = prune(once.graph, step("prune:0.5"));
    expect(weightsOf(twice.graph, "w0")).toEqual([0, 0, 3, 4, -4, -3, 0, 0]);
    expect(twice.graph.tensors.get("w0")?.sparsity).toEqual({ pattern: "unstructured" });
  });

  it("matches torch's published global mask", () => {
    const graph = denseNet(W, [[0, 0.1, -2]]);
    const { graph: pruned, layers } = prune(graph, step(`prune:${4 / 11},scope=global`));
    expect(layers).toEqual(["d0", "d1"]);
    expect(weightsOf(pruned, "w0")).toEqual([0, 2, 3, 4, -4, -3, -2, 0]);
    expect(weightsOf(pruned, "w1")).toEqual([0, 0, -2]);
  });

  it("prunes exactly k among ties, the earlier first, and leaves the original alone", () => {
    const graph = denseNet([[1, -1, 1, -1, 1]]);
    const { graph: pruned } = prune(graph, step("prune:0.4"));
    expect(weightsOf(pruned, "w0")).toEqual([0, 0, 1, -1, 1]);
    expect(weightsOf(graph, "w0")).toEqual([1, -1, 1, -1, 1]);
  });

  it("takes the k smallest for any scores", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 60 }), fc.nat(), (scores, n) => {
        const k = n % (scores.length + 1);
        const chosen = smallest(Float64Array.from(scores), k);
        const inside = scores.filter((_, i) => chosen[i] === 1);
        const outside = scores.filter((_, i) => chosen[i] === 0);
        expect(inside.length).toBe(k);
        if (inside.length > 0 && outside.length > 0) expect(Math.max(...inside)).toBeLessThanOrEqual(Math.min(...outside));
      }),
    );
  });

  it("prunes Conv2D and Dense, not depthwise, and names what it leaves", () => {
    const graph = mobileNet();
    const { graph: pruned, layers, skipped } = prune(graph, step("prune:0.5"));
    expect(layers).toEqual(["stem", "se1", "se2", "project", "head"]);
    expect(skipped).toEqual([{ layer: "dw", op: "DepthwiseConv2D", why: "depthwise: few weights" }]);
    expect(zeroShare(pruned, "project.w")).toBe(0.5);
    expect(zeroShare(pruned, "dw.w")).toBe(0);
    const all = prune(graph, step("prune:0.5,include=dw,exclude=se*"));
    expect(all.layers).toEqual(["stem", "dw", "project", "head"]);
  });
});

describe("blocks", () => {
  it("scores a block by its mean magnitude, also a partial one", () => {
    const grid = { n: 3, k: 2, rows: 1, cols: 2 };
    // Channels 0 and 1 form the first blocks, channel 2 alone the last ones.
    const weights = [1, -4, 3, 2, -2.5, 0];
    expect([...blockScores(weights, grid)]).toEqual([2, 3, 2.5, 0]);
    expect([...expandBlocks(Uint8Array.of(1, 0, 0, 1), grid)]).toEqual([1, 0, 1, 0, 0, 1]);
  });

  it("zeroes 1x8 blocks together at one input position", () => {
    const graph = plainNet();
    const { graph: pruned, layers, skipped } = prune(graph, step("prune:0.7,block=1x8"));
    expect(layers).toEqual(["conv2", "fc1"]);
    expect(skipped).toEqual([
      { layer: "conv1", op: "Conv2D", why: "only 1 input channel" },
      { layer: "fc2", op: "Dense", why: "makes the model's output" },
    ]);
    for (const [name, n] of [
      ["conv2.w", 20],
      ["fc1.w", 24],
    ] as const) {
      const tensor = pruned.tensors.get(name)!;
      expect(tensor.sparsity).toEqual({ pattern: "block", rows: 1, cols: 8 });
      const k = tensor.data!.length / n;
      let zeroBlocks = 0;
      let blocks = 0;
      for (let n0 = 0; n0 < n; n0 += 8) {
        for (let p = 0; p < k; p++, blocks++) {
          const zeros = Array.from({ length: Math.min(8, n - n0) }, (_, i) => tensor.data![(n0 + i) * k + p] === 0);
          expect(new Set(zeros).size).toBe(1);
          if (zeros[0] === true) zeroBlocks++;
        }
      }
      expect(zeroBlocks).toBe(pruneCount(0.7, blocks));
    }
  });

  it("removes the weakest blocks, for any block size", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 19 }),
        fc.integer({ min: 1, max: 11 }),
        fc.nat(),
        (rows, cols, n, k, seed) => {
          const grid = { n, k, rows, cols };
          const weights = filled(n * k, uniform(seed));
          const scores = blockScores(weights, grid);
          const chosen = smallest(scores, pruneCount(0.5, scores.length));
          const zeros = expandBlocks(chosen, grid);
          for (let c = 0; c < n; c++) {
            for (let p = 0; p < k; p++) {
              const block = Math.floor(c / cols) * Math.ceil(k / rows) + Math.floor(p / rows);
              expect(zeros[c * k + p]).toBe(chosen[block]);
            }
          }
          const kept = scores.filter((_, i) => chosen[i] === 0);
          const gone = scores.filter((_, i) => chosen[i] === 1);
          expect(Math.max(0, ...gone)).toBeLessThanOrEqual(Math.min(Infinity, ...kept));
        },
      ),
    );
  });

  it("says when no layer can be pruned that way", () => {
    const b = new GraphBuilder("single");
    const x = b.input("x", "float32", [1, 4]);
    const w = b.constant("w", "float32", [8, 4], filled(32, uniform(1)));
    const graph = b.finish([b.add("Dense", "only", [x, w], {})]);
    expect(() => prune(graph, step("prune:0.5,block=1x8"))).toThrow(
      new UsageError('recipe step prune:0.5,block=1x8: no layer of "single" can be pruned that way. Use prune:0.5, or another model'),
    );
    expect(prune(graph, step("prune:0.5,block=1x8,include=only")).layers).toEqual(["only"]);
  });
});

describe("N:M", () => {
  /** Which weights stay. */
  const mask = (rows: readonly (readonly number[])[], text: string): number[][] => {
    const { graph } = prune(denseNet(rows), step(`${text},include=d0`));
    const data = weightsOf(graph, "w0");
    return rows.map((row, r) => row.map((_, i) => (data[r * row.length + i] === 0 ? 0 : 1)));
  };

  it("keeps the largest of each group, as published for Keras", () => {
    expect(mask([[0.25, -1.33, 0.43, -0.11]], "prune,nm=2:4")).toEqual([[0, 1, 1, 0]]);
    expect(mask([[0.47, 0.92, -0.13, -2.23]], "prune,nm=2:4")).toEqual([[0, 1, 0, 1]]);
    expect(mask([[-0.49, -0.66, 0.42]], "prune,nm=2:4")).toEqual([[1, 1, 0]]);
    expect(mask([[-0.49, -0.66, 0.42]], "prune,nm=1:2")).toEqual([[0, 1, 1]]);
    expect(mask([[1.71, -0.27, -0.3, -0.61, -0.19]], "prune,nm=2:5")).toEqual([[1, 0, 0, 1, 0]]);
  });

  it("lets the outputs of a block agree on the inputs that they keep", () => {
    const rows = [
      [1, 9, 2, 3],
      [8, 1, 2, 7],
      [0, 0, 5, 6],
    ];
    expect(mask(rows, "prune,nm=1:2,block=1x2")).toEqual([
      [0, 1, 0, 1],
      [0, 1, 0, 1],
      [0, 0, 0, 1],
    ]);
    expect(mask(rows, "prune,nm=1:2")).toEqual([
      [0, 1, 0, 1],
      [1, 0, 0, 1],
      [0, 0, 0, 1],
    ]);
  });

  it("prunes the earlier among equals", () => {
    expect(mask([[1, -1, 1, -1]], "prune,nm=2:4")).toEqual([[0, 0, 1, 1]]);
  });

  it("leaves no group with more than N, whatever the shape", () => {
    const dimension = fc.integer({ min: 1, max: 19 });
    fc.assert(
      fc.property(dimension, fc.integer({ min: 1, max: 5 }), dimension, fc.integer({ min: 1, max: 9 }), dimension, fc.nat(), (...args) => {
        const [n, taps, run, cols, m, seed] = args;
        const of = m + 1;
        const keep = 1 + (seed % m);
        const k = taps * run;
        const weights = filled(n * k, uniform(seed));
        const zeros = zerosOfGroups(weights, { n, k, run, cols, keep, of });
        for (let r = 0; r < n; r++) {
          for (let start = 0; start < k; start += run) {
            for (let g = start; g < start + run; g += of) {
              const group = Array.from({ length: Math.min(of, start + run - g) }, (_, i) => g + i);
              const kept = group.filter((i) => zeros[r * k + i] === 0);
              expect(kept.length).toBe(Math.min(keep, group.length));
              const first = r - (r % cols);
              for (const i of group) expect(zeros[r * k + i]).toBe(zeros[first * k + i]);
              const score = (i: number): number => {
                let sum = 0;
                for (let c = first; c < Math.min(n, first + cols); c++) sum += Math.abs(weights[c * k + i]!);
                return sum;
              };
              const gone = group.filter((i) => !kept.includes(i));
              expect(Math.max(0, ...gone.map(score))).toBeLessThanOrEqual(Math.min(Infinity, ...kept.map(score)));
            }
          }
        }
      }),
    );
  });

  it("prunes convolutions along their input channels, tap by tap, and says what it leaves", () => {
    const graph = plainNet();
    const each = prune(graph, step("prune,nm=2:4"));
    expect(each.layers).toEqual(["conv2", "fc1", "fc2"]);
    expect(each.skipped).toEqual([{ layer: "conv1", op: "Conv2D", why: "only 1 input channel, fewer than a group" }]);
    expect(each.graph.tensors.get("conv2.w")?.sparsity).toEqual({ pattern: "nm", keep: 2, of: 4, cols: 1 });
    // 6 input channels: a group of 4 and one of 2, which stays.
    expect(zeroShare(each.graph, "conv2.w")).toBeCloseTo(2 / 6, 10);
    expect(zeroShare(each.graph, "fc1.w")).toBe(0.5);
    const together = prune(graph, step("prune,nm=1:4,block=1x8"));
    expect(together.layers).toEqual(["conv2", "fc1"]);
    expect(together.graph.tensors.get("fc1.w")?.sparsity).toEqual({ pattern: "nm", keep: 1, of: 4, cols: 8 });
    expect(zeroShare(together.graph, "fc1.w")).toBe(0.75);
    expect(together.skipped.map(({ layer }) => layer)).toEqual(["conv1", "fc2"]);
    const mobile = prune(mobileNet(), step("prune,nm=2:4,include=dw"));
    expect(mobile.skipped).toContainEqual({ layer: "dw", op: "DepthwiseConv2D", why: "DepthwiseConv2D has no N:M form" });
  });

  it("keeps its promise through int8, and its pattern through a file", async () => {
    const graph = plainNet();
    const { graph: q, steps } = await applyRecipe(graph, parseRecipe("prune,nm=2:4,block=1x8+int8"), contextFor(graph));
    expect(steps.map((s) => s.step)).toEqual(["prune,nm=2:4,block=1x8", "int8"]);
    const sparsity = { pattern: "nm", keep: 2, of: 4, cols: 8 };
    expect(q.tensors.get("fc1.w")).toMatchObject({ dtype: "int8", sparsity });
    expect(deserializeGraph(serializeGraph(q), "test").tensors.get("fc1.w")).toMatchObject({ dtype: "int8", sparsity });
  });

  it("fails the run when a later step fills a group", async () => {
    const vandal = (graph: Graph): { graph: Graph; layers: []; skipped: []; promises: [] } => {
      const tensor = graph.tensors.get("fc1.w")!;
      const data = Float32Array.from(tensor.data!);
      data[data.indexOf(0)] = 0.5;
      return { graph: withTensors(graph, [{ ...tensor, data }]), layers: [], skipped: [], promises: [] };
    };
    const run = runSteps(plainNet(), [
      { text: "prune,nm=2:4", run: (g) => prune(g, step("prune,nm=2:4")) },
      { text: "vandal", run: vandal },
    ]);
    await expect(run).rejects.toThrow(/layer "fc1": weight \d+ is 0\.5, expected a pruned zero, though prune,nm=2:4 promised it/);
  });
});

describe("promises", () => {
  it("pruning then int8 keeps every zero, and both promises hold", async () => {
    const graph = plainNet();
    const { graph: q, steps } = await applyRecipe(graph, parseRecipe("prune:0.7,block=1x8+int8"), contextFor(graph));
    expect(steps.map((s) => s.step)).toEqual(["prune:0.7,block=1x8", "int8"]);
    const { graph: pruned } = prune(graph, step("prune:0.7,block=1x8"));
    for (const name of ["conv2.w", "fc1.w"]) {
      expect(q.tensors.get(name)).toMatchObject({ dtype: "int8", sparsity: { pattern: "block", rows: 1, cols: 8 } });
      const zerosAfter = weightsOf(q, name).map((x) => x === 0);
      const kept = weightsOf(pruned, name).every((x, i) => x !== 0 || zerosAfter[i]);
      expect(kept).toBe(true);
      expect(zeroShare(pruned, name)).toBeGreaterThan(0.65);
    }
  });

  it("fails the run when a later step fills a pruned weight, naming layer and step", async () => {
    const vandal = (graph: Graph): { graph: Graph; layers: []; skipped: []; promises: [] } => {
      const tensor = graph.tensors.get("fc1.w")!;
      const data = Float32Array.from(tensor.data!, (x) => (x === 0 ? 1e-30 : x));
      return { graph: withTensors(graph, [{ ...tensor, data }]), layers: [], skipped: [], promises: [] };
    };
    const run = runSteps(plainNet(), [
      { text: "prune:0.5", run: (g) => prune(g, step("prune:0.5")) },
      { text: "vandal", run: vandal },
    ]);
    await expect(run).rejects.toThrow(SlimbenchError);
    await expect(run).rejects.toMatchObject({ code: "promise-broken" });
    await expect(run).rejects.toThrow(
      /^recipe step vandal: layer "fc1": weight \d+ is 1\.\d*e-30, expected a pruned zero, though prune:0\.5 promised it/,
    );
  });

  const graphWith = (codes: readonly number[], zeroPoint = 0): Graph => {
    const b = new GraphBuilder("g");
    const x = b.input("x", "int8", [1, 2], { scales: Float32Array.of(1), zeroPoints: Int32Array.of(0) });
    const quant = { scales: Float32Array.of(1, 1), zeroPoints: Int32Array.of(0, zeroPoint), axis: 0 };
    const w = b.constant("w", "int8", [2, 2], Int8Array.from(codes), { quant });
    const y = b.add("Dense", "d", [x, w], {}, { quant: { scales: Float32Array.of(1), zeroPoints: Int32Array.of(0) } });
    return b.finish([y]);
  };
  const grid: Promised = { kind: "int8Grid", layer: "d", tensor: "w", by: "int8" };

  it("checks the int8 grid", () => {
    expect(() => checkPromises(graphWith([127, -127, 0, 1]), [grid], "x")).not.toThrow();
    expect(() => checkPromises(graphWith([127, -128, 0, 1]), [grid], "x")).toThrow("weight 1 is -128, expected -127..127");
    expect(() => checkPromises(graphWith([0, 0, 0, 0], 3), [grid], "x")).toThrow("have a zero point");
    expect(() => checkPromises(denseNet(W), [{ ...grid, tensor: "w0" }], "x")).toThrow("weights are float32, expected int8 codes");
    expect(() => checkPromises(denseNet(W), [grid], "x")).toThrow('its weights "w" are gone');
  });

  it("reads zeros through zero points", () => {
    const mask: Promised = { kind: "zeroMask", layer: "d", tensor: "w", by: "prune:0.5", zeros: Uint8Array.of(1, 0, 1, 0) };
    expect(() => checkPromises(graphWith([0, 1, 3, 4], 3), [mask], "int8")).not.toThrow();
    expect(() => checkPromises(graphWith([0, 1, 0, 4], 3), [mask], "int8")).toThrow("weight 2 is 0, expected a pruned zero");
    expect(() => checkPromises(graphWith([0, 1, 3, 4], 3), [{ ...mask, zeros: Uint8Array.of(1) }], "int8")).toThrow(
      "4 elements, expected 1",
    );
  });
});
