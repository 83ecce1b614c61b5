/** The session around the kernels: inputs, outputs, options, placement, memory, profile, and the observer. */
import { describe, expect, it } from "vitest";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { observeGraph } from "../../../src/engines/cpu/observe.ts";
import { ShapeError, UnsupportedError, UsageError } from "../../../src/errors.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph, Quantization } from "../../../src/graph/ir.ts";
import { context, floatConv } from "./graphs.ts";

const grid = (scale: number, zeroPoint = 0): Quantization => ({ scales: Float32Array.of(scale), zeroPoints: Int32Array.of(zeroPoint) });

describe("cpu session", () => {
  it("returns fresh outputs in the graph's order", async () => {
    const session = await cpuEngine.compile(floatConv(), context, {});
    const [sum, product] = await session.run([Float32Array.of(1, 2, 3, 4)]);
    expect([...sum!]).toEqual([4, 8, 12, 16]);
    expect([...product!]).toEqual([3, 6, 9, 12]);
    sum!.fill(0);
    const [again] = await session.run([Float32Array.of(0, 0, 0, 1)]);
    expect([...again!]).toEqual([1, 2, 3, 7]);
    expect([...product!]).toEqual([3, 6, 9, 12]);
  });

  it("leaves the caller's input alone and does not keep it", async () => {
    const session = await cpuEngine.compile(floatConv(), context, {});
    const input = Float32Array.of(1, 1, 1, 1);
    await session.run([input]);
    expect([...input]).toEqual([1, 1, 1, 1]);
  });

  it("passes a graph input, a constant and a doubled output through", async () => {
    const b = new GraphBuilder("through");
    const x = b.input("x", "int8", [2]);
    const c = b.constant("c", "float32", [1], Float32Array.of(5));
    const session = await cpuEngine.compile(b.finish([x, c, x]), context, {});
    const outputs = await session.run([Int8Array.of(3, -4)]);
    expect(outputs.map((o) => [...o])).toEqual([[3, -4], [5], [3, -4]]);
  });

  it("refuses a wrong number, type or length of inputs, naming the input", async () => {
    const session = await cpuEngine.compile(floatConv(), context, {});
    await expect(session.run([])).rejects.toThrow(/got 0, expected 1 \(x\)/);
    await expect(session.run([Int8Array.of(1, 2, 3, 4)])).rejects.toThrow(/input "x".*got Int8Array, expected Float32Array/);
    await expect(session.run([new Float32Array(5)])).rejects.toThrow(/input "x".*got 5 elements, expected 4 for \[1, 2, 2, 1\]/);
    await expect(session.run([new Float32Array(5)])).rejects.toBeInstanceOf(ShapeError);
  });

  it("knows the option sparse and no other", async () => {
    await expect(cpuEngine.compile(floatConv(), context, { threads: "2" })).rejects.toBeInstanceOf(UsageError);
    await expect(cpuEngine.probe(context, { sparse: "maybe" })).rejects.toThrow(/got "maybe", expected one of auto, on, off/);
    await expect(cpuEngine.probe(context, {})).resolves.toMatchObject({ available: true });
  });

  it("places every node on the cpu and profiles each with the host's clock", async () => {
    const session = await cpuEngine.compile(floatConv(), context, {});
    const placement = session.placement();
    expect(placement.map(({ node, kernel, engine }) => [node, kernel, engine])).toEqual([
      ["conv", "f32_gemm_packed_4x4__cpu", "cpu"],
      ["flat", "any_reshape_alias__cpu", "cpu"],
      ["line", "any_reshape_copy__cpu", "cpu"],
      ["sum", "f32_binary_add__cpu", "cpu"],
    ]);
    const profile = await session.profile([new Float32Array(4)]);
    expect(profile.map(({ node, ms }) => [node, ms])).toEqual(placement.map(({ node }) => [node, 1]));
  });

  it("counts packed weights, constants read as they are, and the arena", async () => {
    const { weights, activationsPeak } = (await cpuEngine.compile(floatConv(), context, {})).memory();
    // Packed [1][1][4] floats and the constant of four floats that the reshape reads.
    expect(weights).toBe(16 + 16);
    // x, the product (shared with its reshape), the reshaped constant and the sum in 64-byte slots, and scratch.
    expect(activationsPeak).toBeGreaterThanOrEqual(3 * 64);
    expect(activationsPeak).toBeLessThan(1024);
  });

  it("holds sparse weights in less memory than dense ones", async () => {
    const graph = blockSparseDense();
    const sparse = await cpuEngine.compile(graph, context, {});
    const dense = await cpuEngine.compile(graph, context, { sparse: "off" });
    expect(sparse.placement()[0]!.kernel).toBe("f32_spmm_1x8_4x4__cpu");
    expect(dense.placement()[0]!.kernel).toBe("f32_gemm_packed_4x4__cpu");
    expect(sparse.memory().weights).toBeLessThan(0.5 * dense.memory().weights);
  });
});

/** 64 → 64, three quarters of the 1×8 blocks zero. */
function blockSparseDense(): Graph {
  const b = new GraphBuilder("sparse");
  const x = b.input("x", "float32", [1, 64]);
  const w = new Float32Array(64 * 64);
  for (let o = 0; o < 64; o++) for (let i = 0; i < 64; i++) w[o * 64 + i] = (i + (o >> 3)) % 4 === 0 ? 1 : 0;
  return b.finish([b.add("Dense", "fc", [x, b.constant("w", "float32", [64, 64], w)], {})]);
}

describe("what the cpu engine refuses", () => {
  const refused = async (graph: Graph): Promise<void> => {
    await expect(cpuEngine.compile(graph, context, {})).rejects.toBeInstanceOf(UnsupportedError);
    await expect(cpuEngine.compile(graph, context, {})).rejects.toThrow(/node "n" \((Dense|Binary|Softmax|Reshape)\)/);
  };

  it("a hardswish fused into an integer op", async () => {
    const b = new GraphBuilder("g");
    const x = b.input("x", "int8", [1, 2], grid(1));
    const w = b.constant("w", "int8", [1, 2], Int8Array.of(1, 1), { quant: grid(1) });
    await refused(b.finish([b.add("Dense", "n", [x, w], { activation: { kind: "hardswish" } }, { dtype: "int8", quant: grid(1) })]));
  });

  it("an addition whose scales are too far apart", async () => {
    const b = new GraphBuilder("g");
    const x = b.input("x", "int8", [2], grid(1000));
    await refused(b.finish([b.add("Binary", "n", [x, x], { fn: "add" }, { dtype: "int8", quant: grid(1) })]));
  });

  it("an integer softmax on another grid than 1/256", async () => {
    const b = new GraphBuilder("g");
    const x = b.input("x", "int8", [1, 2], grid(1));
    await refused(b.finish([b.add("Softmax", "n", [x], { axis: 1, beta: 1 }, { dtype: "int8", quant: grid(1 / 128, -128) })]));
  });

  it("a reshape that would also change the grid", async () => {
    const b = new GraphBuilder("g");
    const x = b.input("x", "int8", [2], grid(1));
    await refused(b.finish([b.add("Reshape", "n", [x], {}, { shape: [2, 1], dtype: "int8", quant: grid(2) })]));
  });
});

describe("single nodes", () => {
  it("evaluateNode computes from constants", () => {
    const b = new GraphBuilder("g");
    const x = b.constant("x", "int64", [3], Float64Array.of(2, 3, 4));
    const y = b.add("Gather", "n", [x, b.constant("i", "int64", [], Float64Array.of(-1))], { axis: 0 });
    const graph = b.finish([y]);
    expect(evaluateNode(graph.nodes[0]!, graph.tensors).map((data) => [...data])).toEqual([[4]]);
  });

  it("a gather index out of range is an error that names the node and the range", () => {
    const b = new GraphBuilder("g");
    const x = b.constant("x", "float32", [3], Float32Array.of(2, 3, 4));
    const y = b.add("Gather", "n", [x, b.constant("i", "int32", [1], Int32Array.of(3))], { axis: 0 });
    const graph = b.finish([y]);
    expect(() => evaluateNode(graph.nodes[0]!, graph.tensors)).toThrow(/node "n" \(Gather\).*got 3, expected -3 to 2/);
  });
});

describe("observeGraph", () => {
  it("shows inputs and every computed tensor in order, and returns the outputs", () => {
    const seen: [string, number[]][] = [];
    const outputs = observeGraph(floatConv()).run([Float32Array.of(1, 2, 3, 4)], (name, data) => seen.push([name, [...data]]));
    expect(seen).toEqual([
      ["x", [1, 2, 3, 4]],
      ["conv", [3, 6, 9, 12]],
      ["flat", [3, 6, 9, 12]],
      ["line", [1, 2, 3, 4]],
      ["sum", [4, 8, 12, 16]],
    ]);
    expect(outputs.map((o) => [...o])).toEqual([
      [4, 8, 12, 16],
      [3, 6, 9, 12],
    ]);
  });
});
