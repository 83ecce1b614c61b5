/** Residual connections that a layer can add to its sums: which are found. */
import { describe, expect, it } from "vitest";
import { findResiduals } from "../../src/engines/residual.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Activation, Graph } from "../../src/graph/ir.ts";
import { RELU, withResidual } from "./residual.ts";
import { denseGraph, grid } from "./webgpu/graphs.ts";

describe("findResiduals", () => {
  /** What varies of `y = x·w + other`. */
  interface Case {
    readonly activation?: Activation;
    readonly type?: "float32" | "int8";
    /** Shape of what is added; a constant or an input. */
    readonly other?: readonly number[];
    readonly constant?: boolean;
    readonly extra?: "reader" | "output" | "later" | "twice";
  }

  function build({ activation, type = "float32", other = [4, 8], constant = false, extra }: Case): Graph {
    const b = new GraphBuilder("residual");
    const quant = type === "int8" ? { quant: grid(0.1, 0) } : {};
    const x = b.input("x", type, [4, 4], type === "int8" ? grid(0.1, 0) : undefined);
    const data = type === "int8" ? new Int8Array(32).fill(1) : new Float32Array(32).fill(1);
    const w = b.constant("w", type, [8, 4], data, quant);
    const sum = b.add("Dense", "layer", [x, w], activation === undefined ? {} : { activation }, quant);
    const elements = other.reduce((n, size) => n * size, 1);
    const r = constant ? b.constant("r", "float32", other, new Float32Array(elements)) : b.input("r", type, other, quant.quant);
    const late = extra === "later" ? b.add("Unary", "late", [r], { fn: "relu" }) : r;
    const total = b.add("Binary", "add", extra === "twice" ? [sum, sum] : [late, sum], { fn: "add" }, quant);
    if (extra === "reader") return b.finish([total, b.add("Unary", "reader", [sum], { fn: "relu" })]);
    return b.finish(extra === "output" ? [total, sum] : [total]);
  }

  it("finds what is added to a layer, and puts its activation behind", () => {
    const graph = withResidual(denseGraph("float32", 4, 8, 4), RELU);
    expect(findResiduals(graph).get("add")).toMatchObject({
      layer: "dense",
      other: { name: "other" },
      activation: RELU,
      out: { name: "total" },
    });
    expect(findResiduals(build({})).get("add")?.layer).toBe("layer");
  });

  it.each<[string, Case]>([
    ["a layer with an activation of its own", { activation: RELU }],
    ["bytes", { type: "int8" }],
    ["what is broadcast", { other: [1, 8] }],
    ["a constant", { constant: true }],
    ["a layer that something else reads", { extra: "reader" }],
    ["a layer that is an output", { extra: "output" }],
    ["what is computed behind the layer", { extra: "later" }],
    ["a layer added to itself", { extra: "twice" }],
  ])("leaves %s alone", (_, what) => {
    expect([...findResiduals(build(what))]).toEqual([]);
  });

  it("gives the addition to the later of two layers", () => {
    const b = new GraphBuilder("two");
    const x = b.input("x", "float32", [4, 4]);
    const w = b.constant("w", "float32", [8, 4], new Float32Array(32).fill(1));
    const [first, second] = [b.add("Dense", "first", [x, w], {}), b.add("Dense", "second", [x, w], {})];
    const graph = b.finish([b.add("Binary", "add", [second, first], { fn: "add" })]);
    expect(findResiduals(graph).get("add")).toMatchObject({ layer: "second", other: { name: first } });
  });
});
