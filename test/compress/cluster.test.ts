import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyRecipe, runSteps } from "../../src/compress/apply.ts";
import { clusterValues, lloyd } from "../../src/compress/cluster/kmeans.ts";
import {
  STARTS,
  densityCentroids,
  linearCentroids,
  plusPlusCentroids,
  startCentroids,
  startCentroidsBySign,
} from "../../src/compress/cluster/starts.ts";
import { withTensors } from "../../src/compress/layers.ts";
import { checkPromises } from "../../src/compress/promises.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { graphStats } from "../../src/compress/stats.ts";
import { UsageError } from "../../src/errors.ts";
import { encodeSection } from "../../src/formats/slim/coding/section.ts";
import { codeBytes, withoutCode } from "../../src/graph/code.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { deserializeGraph, serializeGraph } from "../../src/graph/serialize.ts";
import { validateGraph } from "../../src/graph/validate.ts";
import { contextFor, filled, mobileNet, plainNet, uniform } from "./nets.ts";

const sorted = (...values: number[]): Float64Array => Float64Array.from(values).sort();
const rounded = (values: Float64Array, digits = 4): number[] => Array.from(values, (value) => Number(value.toFixed(digits)));
const UP_TO_TEN = sorted(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
const TWELVE = sorted(-3, -2, -1, 0, 1.1, 2.2, 3.3, 4.4, 5.5, 6.6, 7.7, 8.8, 9);

const apply = async (graph: Graph, recipe: string): Promise<Graph> =>
  (await applyRecipe(graph, parseRecipe(recipe), contextFor(graph))).graph;

function distinct(graph: Graph, tensor: string): number {
  return new Set(graph.tensors.get(tensor)!.data).size;
}

function nearestIndex(table: Float32Array, value: number): number {
  const distances = Array.from(table, (center) => Math.abs(value - center));
  return distances.indexOf(Math.min(...distances));
}

function squaredError(original: Graph, graph: Graph, tensor: string): number {
  const [a, b] = [original.tensors.get(tensor)!.data as Float32Array, graph.tensors.get(tensor)!.data as Float32Array];
  return a.reduce((sum, w, i) => sum + (w - b[i]!) ** 2, 0);
}

/** Sum of squared distances to the nearest shared value. */
function spread(data: Float32Array, table: Float32Array): number {
  return data.reduce((sum, value) => sum + Math.min(...Array.from(table, (center) => (value - center) ** 2)), 0);
}

describe("starting points", () => {
  it("are evenly spaced (vectors of the TensorFlow toolkit)", () => {
    expect(rounded(linearCentroids(UP_TO_TEN, 5))).toEqual([0, 2.5, 5, 7.5, 10]);
    expect(rounded(linearCentroids(TWELVE, 6))).toEqual([-3, -0.6, 1.8, 4.2, 6.6, 9]);
    expect(rounded(linearCentroids(sorted(4), 3))).toEqual([4, 4, 4]);
  });

  it("are shared between the signs where zero is kept", () => {
    expect(rounded(startCentroidsBySign("linear", UP_TO_TEN, 4))).toEqual([1, 4, 7, 10]);
    expect(rounded(startCentroidsBySign("linear", TWELVE, 5))).toEqual([-3, 1.1, 3.7333, 6.3667, 9]);
  });
});

describe("other starting points", () => {
  it("follow the density (vectors of the TensorFlow toolkit)", () => {
    const crowded = sorted(0, 1, 2, 3, 3.1, 3.2, 3.3, 3.4, 3.5);
    expect(rounded(densityCentroids(crowded, 5), 5)).toEqual([0.11138, 2.05345, 3.14586, 3.38862, 3.51]);
    expect(rounded(densityCentroids(crowded, 3), 5)).toEqual([0.11138, 3.14586, 3.51]);
    expect(rounded(densityCentroids(sorted(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), 3), 5)).toEqual([0.30103, 5.27759, 9.01]);
    expect(rounded(startCentroidsBySign("density", sorted(-1, -2, -3, -4, -5, -6), 3), 5)).toEqual([-5.8369, -2.89414, -0.99]);
    expect(rounded(startCentroidsBySign("density", sorted(-4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7), 5), 5)).toEqual([
      -3.90586, -0.99, 1.19759, 4.10379, 7.01,
    ]);
  });

  it("k-means++ draws different values of the data, the same each time", () => {
    fc.assert(
      fc.property(
        // Weights are float32: between two of them lies a float64 midpoint, as between two neighbouring float64 there is none.
        fc.uniqueArray(fc.float({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 2, maxLength: 60 }),
        fc.nat(),
        (values, seed) => {
          const data = sorted(...values);
          const count = 1 + (seed % new Set(data).size);
          const chosen = plusPlusCentroids(data, count);
          expect(chosen.length).toBe(count);
          expect(new Set(chosen).size).toBe(count);
          for (const value of chosen) expect(data).toContain(value);
          expect([...chosen]).toEqual([...plusPlusCentroids(data, count)]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("k-means++ finds clusters far apart that a line of points misses", () => {
    const groups = sorted(0, 0.1, 0.2, 0.3, 1000, 1000.1, 5000);
    expect([...lloyd(groups, plusPlusCentroids(groups, 3))].map(Math.round)).toEqual([0, 1000, 5000]);
  });

  it.each(STARTS)("%s lies ascending within reach of the values and serves k-means", (start) => {
    const next = uniform(5);
    const data = Float64Array.from({ length: 500 }, () => (next() - 0.4) ** 3).sort();
    const centroids = startCentroids(start, data, 16);
    expect([...centroids]).toEqual([...centroids].sort((a, b) => a - b));
    expect(centroids[0]).toBeGreaterThanOrEqual(data[0]! - 0.011);
    expect(centroids[15]).toBeLessThanOrEqual(data[499]! + 0.011);
    const { table } = clusterValues(Float32Array.from(data), 16, false, { start });
    expect(table.length).toBe(16);
    expect(spread(Float32Array.from(data), table)).toBeLessThanOrEqual(
      spread(Float32Array.from(data), Float32Array.from(centroids)) + 1e-9,
    );
  });
});

describe("k-means", () => {
  it("moves centroids to the means of their values", () => {
    expect([...lloyd(sorted(0, 1, 10, 12), Float64Array.of(0, 12))]).toEqual([0.5, 11]);
  });

  it("gives a value at equal distance to the lower centroid", () => {
    expect([...lloyd(sorted(0, 5, 10), Float64Array.of(0, 10))]).toEqual([2.5, 10]);
  });

  it("puts centroids without values to use", () => {
    // Evenly spaced, the middle ones of four have no value.
    expect([...lloyd(sorted(0, 1, 100, 101), linearCentroids(sorted(0, 1, 100, 101), 4))]).toEqual([0, 1, 100, 101]);
  });

  it("keeps few values as they are, and zeros by an entry of their own", () => {
    const { table, indices } = clusterValues(Float32Array.of(3, -1, 3, 0, -0), 4, false);
    expect([...table]).toEqual([-1, 0, 3]);
    expect([...indices]).toEqual([2, 0, 2, 1, 1]);
    const pruned = clusterValues(Float32Array.of(0, 1, 2, 0, 10, 11, -5), 4, true);
    expect([...pruned.table]).toEqual([0, -5, 1.5, 10.5]);
    expect([...pruned.indices]).toEqual([0, 2, 2, 0, 3, 3, 1]);
    expect([...clusterValues(new Float32Array(3), 4, true).table]).toEqual([0]);
  });

  it("is a fixed point that is no worse than its start, for any data", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 2, max: 40 }),
        fc.boolean(),
        fc.nat(),
        (length, count, keepZero, seed) => {
          const next = uniform(seed);
          const data = filled(length, () => (next() > 0.5 ? 0 : next() ** 3));
          const { table, indices } = clusterValues(data, count, keepZero);
          expect(table.length).toBeLessThanOrEqual(count);
          let worst = 0;
          data.forEach((value, i) => {
            if (keepZero && (table[indices[i]!] === 0 && indices[i] === 0) !== (value === 0)) worst = Infinity;
            if (keepZero && value === 0) return;
            const own = Math.abs(value - table[indices[i]!]!);
            // Rounding the centroids to float32 may move a border by as much.
            table.forEach((center, j) => {
              if (!keepZero || j > 0 || table[0] !== 0) worst = Math.max(worst, own - Math.abs(value - center) * (1 + 1e-6) - 1e-7);
            });
          });
          expect(worst).toBeLessThanOrEqual(0);
          if (!keepZero)
            expect(spread(data, table)).toBeLessThanOrEqual(
              spread(data, Float32Array.from(linearCentroids(Float64Array.from(data).sort(), count))) + 1e-6,
            );
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("cluster:N", () => {
  it.each([2, 15, 16, 17, 256])("leaves at most %i values in convolutions and dense layers, with a code for them", async (values) => {
    const graph = await apply(plainNet(), `cluster:${values}`);
    for (const name of ["conv1.w", "conv2.w", "fc1.w", "fc2.w"]) {
      expect(distinct(graph, name)).toBeLessThanOrEqual(values);
      expect(graph.tensors.get(name)!.code).toMatchObject({ kind: "codebook" });
    }
    expect(graph.tensors.get("fc1.b")).toEqual(plainNet().tensors.get("fc1.b"));
    expect(deserializeGraph(serializeGraph(graph), "test")).toEqual(graph);
  });

  it("leaves depthwise layers alone unless told otherwise", async () => {
    const { graph, steps } = await applyRecipe(mobileNet(), parseRecipe("cluster:4,exclude=head"), {});
    expect(steps[0]!.skipped).toEqual([
      { layer: "dw", op: "DepthwiseConv2D", why: "depthwise: few weights" },
      { layer: "head", op: "Dense", why: "excluded by the recipe" },
    ]);
    expect(graph.tensors.get("dw.w")!.code).toBeUndefined();
    expect(distinct(await apply(mobileNet(), "cluster:4,include=dw"), "dw.w")).toBe(4);
  });

  it("stops where it begins on request, as the TensorFlow toolkit does", async () => {
    const values = Float32Array.from({ length: 11 }, (_, i) => i + (i % 3) / 8);
    const { table, indices } = clusterValues(values, 5, false, { refine: false });
    expect([...table]).toEqual([...linearCentroids(Float64Array.from(values).sort(), 5)].map(Math.fround));
    // Halfway between two, the lower one.
    expect([...indices]).toEqual([0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4].map((_, i) => nearestIndex(table, values[i]!)));
    const [moved, still] = [await apply(plainNet(), "cluster:8"), await apply(plainNet(), "cluster:8,refine=no")];
    const error = (graph: Graph): number => squaredError(plainNet(), graph, "fc1.w");
    expect(error(still)).toBeGreaterThan(1.02 * error(moved));
  });

  it("draws the same values for a seed, others for another", async () => {
    const weights = async (recipe: string): Promise<unknown> => (await apply(plainNet(), recipe)).tensors.get("fc1.w")!.data;
    const base = "cluster:16,init=random,refine=no";
    expect(await weights(`${base},seed=3`)).toEqual(await weights(`${base},seed=3`));
    expect(await weights(`${base},seed=3`)).not.toEqual(await weights(base));
    expect(() => parseRecipe("cluster:16,seed=3")).toThrow("only init=random and init=kmeanspp draw numbers");
    expect(parseRecipe("cluster:16,per=layer,seed=9,init=kmeanspp,refine=yes").text).toBe("cluster:16,init=kmeanspp");
    expect(parseRecipe("cluster:16,per=channel,seed=8,init=kmeanspp,refine=no").text).toBe(
      "cluster:16,init=kmeanspp,seed=8,refine=no,per=channel",
    );
  });

  it("gives each channel values of its own on request, which fit better", async () => {
    const { graph, steps } = await applyRecipe(mobileNet(), parseRecipe("cluster:4,per=channel,include=dw"), {});
    const [layered, original] = [await apply(mobileNet(), "cluster:4,include=dw"), mobileNet()];
    for (const [name, axis] of [
      ["stem.w", 0],
      ["dw.w", 3],
      ["head.w", 0],
    ] as const) {
      const { data, shape, code } = graph.tensors.get(name)!;
      const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
      const channels = Array.from({ length: shape[axis]! }, () => new Set<number>());
      data!.forEach((w, i) => channels[Math.floor(i / inner) % shape[axis]!]!.add(w));
      expect(Math.max(...channels.map(({ size }) => size))).toBe(4);
      expect(distinct(graph, name)).toBeGreaterThan(4);
      expect(code).toMatchObject({ kind: "codebook" });
      expect(squaredError(original, graph, name)).toBeLessThan(squaredError(original, layered, name));
    }
    expect(steps[0]!.notes).toBeUndefined();
    // 24 channels of 16 values: more than a byte's 256.
    const wide = await applyRecipe(plainNet(), parseRecipe("prune:0.5+cluster:16,per=channel+int8"), contextFor(plainNet()));
    expect(wide.steps[1]!.notes).toEqual([expect.stringContaining("in all channels of conv2, fc1")]);
    const promise = { kind: "distinct", layer: "stem", tensor: "stem.w", by: "cluster:4,per=channel", axis: 0 } as const;
    checkPromises(graph, [{ ...promise, most: 4 }], "later");
    expect(() => checkPromises(graph, [{ ...promise, most: 3 }], "later")).toThrow(/more than 3 values in channel 0, expected at most 3/);
  });

  it("keeps the zeros of pruning", async () => {
    const graph = await apply(plainNet(), "prune:0.6+cluster:8");
    const pruned = await apply(plainNet(), "prune:0.6");
    const { data, sparsity } = graph.tensors.get("fc1.w")!;
    expect(sparsity).toEqual({ pattern: "unstructured" });
    expect(data!.map((w) => (w === 0 ? 1 : 0))).toEqual(pruned.tensors.get("fc1.w")!.data!.map((w) => (w === 0 ? 1 : 0)));
    expect(distinct(graph, "fc1.w")).toBe(8);
    const zeros = pruned.tensors.get("fc1.w")!;
    const unflagged = withTensors(pruned, [{ name: zeros.name, dtype: zeros.dtype, shape: zeros.shape, data: zeros.data! }]);
    expect((await apply(unflagged, "cluster:8")).tensors.get("fc1.w")!.data).toEqual(data);
  });

  it("survives float16, int8 and itself", async () => {
    const half = await apply(plainNet(), "cluster:16+fp16");
    expect(half.tensors.get("fc1.w")!.code!.kind).toBe("codebook");
    const int8 = await apply(plainNet(), "cluster:16+int8");
    validateGraph(int8);
    const { code, shape, data } = int8.tensors.get("fc1.w")!;
    expect(code!.kind).toBe("int8Codebook");
    expect(codeBytes(code!)).toBeLessThanOrEqual(16 * shape[0]! + data!.length / 2);
    expect((await apply(plainNet(), "cluster:64+int8")).tensors.get("fc1.w")).not.toHaveProperty("code");
    expect(distinct(await apply(plainNet(), "cluster:16+cluster:4"), "fc1.w")).toBe(4);
  });

  it("is checked after later steps", async () => {
    const damage = (graph: Graph): Graph => {
      const tensor = graph.tensors.get("fc1.w")!;
      return withTensors(graph, [{ ...withoutCode(tensor), data: filled(tensor.data!.length, uniform(3)) }]);
    };
    const steps = [
      {
        text: "cluster:16",
        run: async (g: Graph) => ({
          graph: await apply(g, "cluster:16"),
          layers: [],
          skipped: [],
          promises: [{ kind: "distinct", layer: "fc1", tensor: "fc1.w", by: "cluster:16", most: 16 }] as const,
        }),
      },
      { text: "later", run: (g: Graph) => ({ graph: damage(g), layers: [], skipped: [], promises: [] }) },
    ];
    await expect(runSteps(plainNet(), steps)).rejects.toThrow(
      /recipe step later: layer "fc1": its weights take more than 16 values, expected at most 16, though cluster:16/,
    );
  });

  it("counts the values of integer weights on each scale", () => {
    const tensor = {
      name: "w",
      dtype: "int8" as const,
      shape: [2, 3],
      data: Int8Array.of(1, 2, 1, 3, 4, 3),
      quant: { scales: Float32Array.of(1, 2), zeroPoints: new Int32Array(2), axis: 0 },
    };
    const graph = withTensors(plainNet(), [tensor]);
    const promise = { kind: "distinct", layer: "fc1", tensor: "w", by: "cluster:2" } as const;
    checkPromises(graph, [{ ...promise, most: 2 }], "int8");
    expect(() => checkPromises(graph, [{ ...promise, most: 1 }], "int8")).toThrow(/more than 1 values on one scale/);
  });

  it("takes the bits that the paper's formula says: n·32 / (n·log2 k + k·32), 3.2 for 16 weights of 4 values", () => {
    const { table, indices } = clusterValues(filled(16, uniform(1)), 4, false);
    expect(table.length).toBe(4);
    // As its archive keeps the indices: 2 bits each.
    const { valueBits } = encodeSection(indices, 1);
    expect((16 * 32) / (16 * valueBits.plain + table.length * 32)).toBe(3.2);
  });

  it("counts bytes as they are kept", async () => {
    const { layers, totals } = graphStats(await apply(plainNet(), "cluster:16"));
    const bits = Object.fromEntries(layers.flatMap(({ node, weight }) => (weight === undefined ? [] : [[node, weight.bits]])));
    expect(bits).toEqual({ conv1: 4, conv2: 4, fc1: 4, fc2: 4 });
    const [weights, biases] = [6 * 9 + 20 * 54 + 720 * 24 + 240, 6 + 20 + 24 + 10];
    expect(totals.weightBytes).toBe(weights / 2 + 4 * 16 * 4 + biases * 4);
  });

  it("fails where there is nothing to cluster", async () => {
    await expect(apply(plainNet(), "cluster:16,exclude=*")).rejects.toThrow(UsageError);
  });
});
