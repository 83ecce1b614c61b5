import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { modelSize } from "../../src/compress/size.ts";
import { exportSlim } from "../../src/formats/slim/export.ts";
import { graphStats } from "../../src/compress/stats.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { OpAttrs } from "../../src/graph/ir.ts";
import { contextFor, filled, mobileNet, plainNet, uniform } from "./nets.ts";

const window: Pick<OpAttrs["Conv2D"], "strides" | "dilations" | "pads"> = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] };

describe("multiply-accumulates", () => {
  it("counts each op by hand", () => {
    const b = new GraphBuilder("macs");
    const next = uniform(1);
    const weights = (name: string, shape: readonly number[]): string =>
      b.constant(
        name,
        "float32",
        shape,
        filled(
          shape.reduce((x, y) => x * y, 1),
          next,
        ),
      );
    const x = b.input("x", "float32", [1, 6, 5, 4]);
    b.add("Conv2D", "conv", [x, weights("w1", [8, 3, 2, 4])], { ...window, groups: 1 });
    b.add("Conv2D", "grouped", [x, weights("w2", [8, 3, 2, 2])], { ...window, groups: 2 });
    b.add("DepthwiseConv2D", "dw", [x, weights("w3", [1, 3, 3, 8])], { ...window, groups: 4 });
    b.add("ConvTranspose2D", "up", [x, weights("w4", [3, 2, 2, 4])], { ...window, strides: [2, 2], outputPadding: [0, 0], groups: 1 });
    b.add("Dense", "dense", [x, weights("w5", [7, 4])], {});
    b.add("MatMul", "matmul", [x, b.input("y", "float32", [5, 6])], { transposeA: true, transposeB: false });
    const last = b.add("Unary", "relu", [x], { fn: "relu" });
    const graph = b.finish([last]);
    const macs = Object.fromEntries(graphStats(graph).layers.map((layer) => [layer.node, layer.macs]));
    expect(macs).toEqual({
      conv: 4 * 4 * 8 * (3 * 2 * 4),
      grouped: 4 * 4 * 8 * (3 * 2 * 2),
      dw: 4 * 3 * 8 * 9,
      up: 6 * 5 * 4 * 3 * 4,
      dense: 6 * 5 * 7 * 4,
      matmul: 6 * 4 * 6 * 5,
      relu: 0,
    });
  });
});

describe("layer statistics", () => {
  it("sees pruning and quantization", async () => {
    const graph = plainNet();
    const before = graphStats(graph);
    expect(before.totals.params).toBe(6 * 9 + 6 + 20 * 54 + 20 + 24 * 720 + 24 + 240 + 10);
    expect(before.totals.weightBytes).toBe(before.totals.params * 4);
    expect(before.totals.nonzeroParams).toBe(before.totals.params);
    expect(before.totals.effectiveMacs).toBe(before.totals.macs);
    expect(before.layers.find((l) => l.node === "fc1")).toEqual({
      node: "fc1",
      op: "Dense",
      input: "float32 [1, 720]",
      output: "float32 [1, 24]",
      params: 24 * 721,
      nonzeroParams: 24 * 721,
      weightBytes: 4 * 24 * 721,
      macs: 24 * 720,
      effectiveMacs: 24 * 720,
      weight: { shape: [24, 720], count: 24 * 720, nonzero: 24 * 720, sparsity: 0, distinct: expect.any(Number) as number, bits: 32 },
    });

    const { graph: small } = await applyRecipe(graph, parseRecipe("prune:0.5+int8"), contextFor(graph));
    const after = graphStats(small);
    const fc1 = after.layers.find((l) => l.node === "fc1")!;
    expect(fc1.weight?.bits).toBe(8);
    expect(fc1.weight?.distinct).toBeLessThanOrEqual(255);
    expect(fc1.weight?.sparsity).toBeGreaterThanOrEqual(0.5);
    expect(fc1.effectiveMacs).toBe(fc1.weight!.nonzero);
    expect(after.totals.params).toBe(before.totals.params);
    expect(after.totals.macs).toBe(before.totals.macs);
    const biases = 6 + 20 + 24 + 10;
    expect(after.totals.weightBytes).toBe(before.totals.params - biases + 4 * biases);
  });

  it("labels ops and counts a shared constant once", () => {
    const { layers } = graphStats(mobileNet());
    expect(layers.map((l) => l.op)).toContain("Binary mul");
    expect(layers.find((l) => l.node === "shifted")?.params).toBe(16);
    const b = new GraphBuilder("shared");
    const w = b.constant("w", "float32", [4, 4], new Float32Array(16));
    let x = b.input("x", "float32", [1, 4]);
    x = b.add("Dense", "one", [x, w], {});
    x = b.add("Dense", "two", [x, w], {});
    const { totals, layers: shared } = graphStats(b.finish([x]));
    expect(totals).toEqual({ params: 16, nonzeroParams: 0, weightBytes: 64, macs: 32, effectiveMacs: 0 });
    expect(shared.map((l) => l.weight?.sparsity)).toEqual([1, 1]);
  });
});

describe("size", () => {
  it("packs the file and counts bits", async () => {
    const graph = plainNet();
    const file = new Uint8Array(50_000).map((_, i) => (i * i) % 251);
    const size = await modelSize(graph, file);
    expect(size).toMatchObject({ fileBytes: 50_000, bitsPerWeight: 32, params: graphStats(graph).totals.params });
    expect(size.gzipBytes).toBeLessThan(10_000);
    expect(size.brotliBytes).toBeLessThan(size.gzipBytes);
    expect(size.slimBytes).toBe(exportSlim(graph).length);
  });

  it("has no bits per weight without weights", async () => {
    const b = new GraphBuilder("none");
    const y = b.add("Unary", "relu", [b.input("x", "float32", [1])], { fn: "relu" });
    expect(await modelSize(b.finish([y]), new Uint8Array(3))).not.toHaveProperty("bitsPerWeight");
  });
});
