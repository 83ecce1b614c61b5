import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { withTensors } from "../../src/compress/layers.ts";
import { int4Code } from "../../src/compress/lowbit/int4.ts";
import { checkPromises } from "../../src/compress/promises.ts";
import type { Promised } from "../../src/compress/promises.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { graphStats } from "../../src/compress/stats.ts";
import { decode } from "../../src/graph/code.ts";
import { fromFloat16Bits, toFloat16Bits } from "../../src/graph/float16.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { contextFor, filled, mobileNet, plainNet, uniform } from "./nets.ts";

const apply = async (graph: Graph, recipe: string): Promise<Graph> =>
  (await applyRecipe(graph, parseRecipe(recipe), contextFor(graph))).graph;

describe("fp16", () => {
  it("rounds every layer's weights, biases aside", async () => {
    const before = mobileNet();
    const graph = await apply(before, "fp16");
    for (const name of ["stem.w", "dw.w", "project.w", "head.w"]) {
      const tensor = graph.tensors.get(name)!;
      const expected = Float32Array.from(before.tensors.get(name)!.data!, (w) => fromFloat16Bits(toFloat16Bits(w)));
      expect(tensor.data).toEqual(expected);
      expect(tensor.code!.kind).toBe("float16");
      expect(tensor.data).not.toEqual(before.tensors.get(name)!.data);
    }
    expect(graph.tensors.get("head.b")).toEqual(before.tensors.get("head.b"));
  });

  it("skips a layer that float16 cannot hold", async () => {
    const graph = plainNet();
    const fc1 = graph.tensors.get("fc1.w")!;
    const data = Float32Array.from(fc1.data!);
    data[5] = 65505;
    const { steps } = await applyRecipe(withTensors(graph, [{ ...fc1, data }]), parseRecipe("fp16,exclude=conv1"), {});
    expect(steps[0]!.layers).toEqual(["conv2", "fc2"]);
    expect(steps[0]!.skipped).toEqual([
      { layer: "conv1", op: "Conv2D", why: "excluded by the recipe" },
      { layer: "fc1", op: "Dense", why: "weights beyond ±65504, float16's largest" },
    ]);
  });

  it("keeps indices of a clustered layer and rounds its values", async () => {
    const [clustered, both] = [await apply(plainNet(), "cluster:16"), await apply(plainNet(), "cluster:16+fp16")];
    const [a, b] = [clustered, both].map((graph) => graph.tensors.get("fc1.w")!.code!);
    if (a?.kind !== "codebook" || b?.kind !== "codebook") throw new Error("no codebook");
    expect(b.indices).toEqual(a.indices);
    expect(b.table).toEqual(a.table.map((v) => fromFloat16Bits(toFloat16Bits(v))));
  });

  it("counts two bytes a weight", async () => {
    const { totals } = graphStats(await apply(plainNet(), "fp16"));
    expect(totals.weightBytes).toBe(2 * (6 * 9 + 20 * 54 + 720 * 24 + 240) + 4 * (6 + 20 + 24 + 10));
  });
});

describe("int4", () => {
  it("matches hand-computed blocks", () => {
    const data = Float32Array.of(0.5, -1, 0.25, 0.7, 0.03, 0, 0, 7, -3.5, 0.5);
    const { scales, codes } = int4Code(data, [2, 5], 3);
    const f = Math.fround;
    expect([...scales]).toEqual([f(1 / 7), f(f(0.7) / 7), f(1), f(0.5)]);
    // fround(1 / 7) is above 1 / 7, so 0.5 is less than 3.5 steps.
    expect([...codes]).toEqual([3, -7, 2, 7, 0, 0, 0, 7, -7, 1]);
  });

  it("matches the symmetric rows of the quantization vectors, at 4 bits", () => {
    const { codes } = int4Code(Float32Array.of(0.5, -1, 0.25, 0.02, 0.01, -0.03), [2, 3], 16);
    expect([...codes]).toEqual([3, -7, 2, 5, 2, -7]);
  });

  it("leaves blocks of zeros, and of less than any scale, at zero", () => {
    const { scales, codes } = int4Code(Float32Array.of(0, 0, 1e-40, -1e-40), [2, 2], 16);
    expect([...scales]).toEqual([1, 1]);
    expect([...codes]).toEqual([0, 0, 0, 0]);
  });

  it("is off by half a step at most, for any data and block", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 90 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        (rows, k, block, seed) => {
          const data = filled(rows * k, uniform(seed));
          const code = int4Code(data, [rows, k], block);
          const values = decode(code, [rows, k]);
          const blocks = Math.ceil(k / block);
          data.forEach((value, i) => {
            const scale = code.scales[Math.floor(i / k) * blocks + Math.floor((i % k) / block)]!;
            expect(Math.abs(values[i]! - value)).toBeLessThanOrEqual(scale * 0.500001);
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  it("takes convolutions and dense layers, by blocks of 32 unless told otherwise", async () => {
    const { graph, steps } = await applyRecipe(mobileNet(), parseRecipe("int4"), {});
    expect(steps[0]!.skipped).toEqual([{ layer: "dw", op: "DepthwiseConv2D", why: "DepthwiseConv2D has no int4 form" }]);
    expect(graph.tensors.get("stem.w")!.code).toMatchObject({ kind: "int4", block: 32 });
    expect((await apply(mobileNet(), "int4,block=64")).tensors.get("head.w")!.code).toMatchObject({ block: 64 });
    const pruned = await apply(plainNet(), "prune:0.5+int4");
    expect(pruned.tensors.get("fc1.w")!.sparsity).toEqual({ pattern: "unstructured" });
  });

  it("counts half a byte a weight and four a scale", async () => {
    const { totals } = graphStats(await apply(plainNet(), "int4"));
    const scales = 6 + 20 * 2 + 24 * 23 + 10;
    expect(totals.weightBytes).toBe((6 * 9 + 20 * 54 + 720 * 24 + 240) / 2 + 4 * scales + 4 * (6 + 20 + 24 + 10));
  });
});

describe("promises", () => {
  const graph = plainNet();
  const promise = (kind: "float16Grid" | "int4Grid"): Promised => ({ kind, layer: "fc1", tensor: "fc1.w", by: "before" });

  it("notice weights off the float16 grid", async () => {
    const half = await apply(graph, "fp16");
    checkPromises(half, [promise("float16Grid")], "later");
    expect(() => checkPromises(graph, [promise("float16Grid")], "later")).toThrow(/layer "fc1": weight 0 is .*, expected a float16 value/);
  });

  it("notice weights off the int4 grid", async () => {
    const four = await apply(graph, "int4");
    checkPromises(four, [promise("int4Grid")], "later");
    expect(() => checkPromises(graph, [promise("int4Grid")], "later")).toThrow(/its weights have no code, expected int4/);
    const w = four.tensors.get("fc1.w")!;
    if (w.code?.kind !== "int4") throw new Error("no int4");
    const code = { ...w.code, codes: w.code.codes.slice().fill(-8, 7, 8) };
    const damaged = withTensors(four, [{ ...w, code, data: decode(code, w.shape) }]);
    expect(() => checkPromises(damaged, [promise("int4Grid")], "later")).toThrow(/weight 7 has code -8/);
  });
});
