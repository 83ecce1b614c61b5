/** The engine's side of the contract: options, placement, memory, repeated runs, errors. */
import { memoryUsage } from "node:process";
import { describe, expect, it } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { compareOutputs, graphTolerance } from "../../../src/engines/tolerance.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { random } from "../generated.ts";
import { context } from "./context.ts";

const CONV = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1 } as const;

function noise(length: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length }, () => next() * 2 - 1);
}

/** Convolution, a node without a kernel (erf), depthwise, residual, a reshape, a dense layer, softmax. */
function smallNet(): Graph {
  const b = new GraphBuilder("small");
  b.input("x", "float32", [1, 8, 8, 3]);
  b.constant("w0", "float32", [12, 3, 3, 3], noise(12 * 27, 1));
  b.constant("b0", "float32", [12], noise(12, 2));
  b.constant("w1", "float32", [1, 3, 3, 12], noise(9 * 12, 3));
  b.constant("w2", "float32", [10, 768], noise(7680, 4));
  const conv = b.add("Conv2D", "conv", ["x", "w0", "b0"], { ...CONV, activation: { kind: "hardswish" } });
  const erf = b.add("Unary", "erf", [conv], { fn: "erf" });
  const dw = b.add("DepthwiseConv2D", "dw", [erf, "w1"], CONV);
  const sum = b.add("Binary", "sum", [dw, conv], { fn: "add" });
  const flat = b.add("Reshape", "flat", [sum], {}, { shape: [1, 768] });
  const logits = b.add("Dense", "fc", [flat, "w2"], {});
  const p = b.add("Softmax", "softmax", [logits], { axis: 1, beta: 1 });
  return b.finish([p, flat]);
}

describe("wasm session", () => {
  it("agrees with the cpu engine on a graph, run after run", async () => {
    const graph = smallNet();
    const [wasm, cpu] = [await wasmEngine.compile(graph, context, {}), await cpuEngine.compile(graph, context, {})];
    for (const seed of [5, 6, 5]) {
      const x = noise(192, seed);
      const [got, want] = [await wasm.run([x]), await cpu.run([x])];
      const comparison = compareOutputs(want, got, graphTolerance(graph, want));
      expect(comparison.pass, comparison.message).toBe(true);
    }
  });

  it("returns fresh arrays", async () => {
    const session = await wasmEngine.compile(smallNet(), context, {});
    const [first] = await session.run([noise(192, 1)]);
    const copy = first!.slice();
    await session.run([noise(192, 2)]);
    expect(first).toEqual(copy);
  });

  it("places every node, and names the one that the cpu engine runs", async () => {
    const session = await wasmEngine.compile(smallNet(), context, { relaxed: "off" });
    expect(session.placement().map(({ node, engine, kernel }) => `${node} ${engine === "cpu" ? "on cpu" : kernel}`)).toEqual([
      "conv f32_conv_indirect_4x8__wasm_simd",
      "erf on cpu",
      "dw f32_depthwise_w3s1_1x4__wasm_simd",
      "sum f32_binary_broadcast_1x4__wasm_simd",
      "flat any_reshape_alias__wasm_simd",
      "fc f32_gemv_packed_1x24__wasm_simd",
      "softmax f32_softmax_rows_1x4__wasm_simd",
    ]);
  });

  it("profiles every node", async () => {
    const session = await wasmEngine.compile(smallNet(), context, {});
    const profile = await session.profile([noise(192, 1)]);
    expect(profile.map(({ node }) => node)).toEqual(["conv", "erf", "dw", "sum", "flat", "fc", "softmax"]);
    expect(profile.every(({ ms }) => ms >= 0)).toBe(true);
  });

  it("counts packed weights, working memory and linear memory", async () => {
    const memory = (await wasmEngine.compile(smallNet(), context, {})).memory();
    // Panels of 8: conv 2 × (1 + 27) × 32, dense 2 × (1 + 768) × 32; depthwise 3 × (1 + 9) × 16.
    expect(memory.weights).toBe(2 * 28 * 32 + 2 * 769 * 32 + 3 * 10 * 16);
    expect(memory.activationsPeak).toBeGreaterThan(2 * 768 * 4);
    expect(memory.wasm).toBeGreaterThanOrEqual(memory.weights + memory.activationsPeak);
    expect(memory.wasm! % 65536).toBe(0);
  });

  it("keeps sessions apart", async () => {
    const graph = smallNet();
    const [a, b] = [await wasmEngine.compile(graph, context, {}), await wasmEngine.compile(graph, context, {})];
    const want = await a.run([noise(192, 1)]);
    await b.run([noise(192, 2)]);
    expect(await a.run([noise(192, 1)])).toEqual(want);
  });

  it("passes graph inputs and constants through as outputs", async () => {
    const b = new GraphBuilder("through");
    b.input("x", "float32", [3]);
    b.constant("k", "float32", [2], Float32Array.of(7, 8));
    const session = await wasmEngine.compile(b.finish(["x", "k"]), context, {});
    expect(await session.run([Float32Array.of(1, 2, 3)])).toEqual([Float32Array.of(1, 2, 3), Float32Array.of(7, 8)]);
  });

  it("skips zeros only where that pays", async () => {
    const kernelAt = async (zeroBlocks: number): Promise<string | undefined> => {
      const w = new Float32Array(16 * 40).fill(0.5);
      for (let o = 0; o < 16; o++) w.fill(0, o * 40, o * 40 + zeroBlocks);
      const b = new GraphBuilder("sparse");
      b.input("x", "float32", [9, 40]);
      b.constant("w", "float32", [16, 40], w);
      const graph = b.finish([b.add("Dense", "fc", ["x", "w"], {})]);
      return (await wasmEngine.compile(graph, context, { relaxed: "off" })).placement()[0]?.kernel;
    };
    expect(await kernelAt(4)).toBe("f32_gemm_packed_4x8__wasm_simd");
    expect(await kernelAt(20)).toBe("f32_spmm_1x8_4x8__wasm_simd");
  });

  it("allocates nothing per layer while it runs", async () => {
    const x = [new Float32Array(8)];
    const bytesPerRun = async (layers: number): Promise<number> => {
      const b = new GraphBuilder("layers");
      b.input("x", "float32", [1, 8]);
      b.constant("w", "float32", [8, 8], noise(64, 1));
      let last = "x";
      for (let i = 0; i < layers; i++) last = b.add("Dense", `fc${i}`, [last, "w"], {});
      const session = await wasmEngine.compile(b.finish([last]), context, {});
      for (let i = 0; i < 3000; i++) await session.run(x);
      const growths: number[] = [];
      for (let attempt = 0; attempt < 15; attempt++) {
        const before = memoryUsage().heapUsed;
        for (let i = 0; i < 200; i++) await session.run(x);
        growths.push((memoryUsage().heapUsed - before) / 200);
      }
      // A collection in between makes growth negative; the median is of runs without one.
      return growths.sort((p, q) => p - q)[7]!;
    };
    const [few, many] = [await bytesPerRun(5), await bytesPerRun(105)];
    expect(few).toBeGreaterThan(0);
    // Outputs and promises are the same for both; a single number on the heap for every layer would be 1200 bytes.
    expect(many - few).toBeLessThan(400);
  });

  it("rejects inputs of the wrong number, type or length", async () => {
    const session = await wasmEngine.compile(smallNet(), context, {});
    await expect(session.run([])).rejects.toThrow('graph "small": wrong number of inputs, got 0, expected 1 (x)');
    await expect(session.run([new Float32Array(191)])).rejects.toThrow(
      'input "x" of graph "small": got Float32Array of 191, expected Float32Array (float32) of 192 for [1, 8, 8, 3]',
    );
    await expect(session.run([new Int8Array(192)])).rejects.toThrow("got Int8Array of 192");
  });
});

describe("wasm options", () => {
  it("takes the values that it implements", async () => {
    expect(await wasmEngine.probe(context, { threads: "1", simd: "on" })).toMatchObject({ available: true, facts: { simd: true } });
  });

  it("rejects unknown keys and values", async () => {
    for (const options of [{ thread: "1" }, { threads: "many" }, { simd: "yes" }, { relaxed: "yes" }, { simd: "off", relaxed: "on" }]) {
      await expect(wasmEngine.compile(smallNet(), context, options)).rejects.toMatchObject({ name: "UsageError" });
      await expect(wasmEngine.probe(context, options)).rejects.toMatchObject({ name: "UsageError" });
    }
  });

  it("is unavailable when the kernels are not built", async () => {
    const host = { ...context, readAsset: (): Promise<Uint8Array> => Promise.reject(new Error("ENOENT")) };
    expect(await wasmEngine.probe(host, {})).toMatchObject({
      available: false,
      reason: { code: "wasm-not-built", remedy: "Run npm run build." },
    });
  });
});
