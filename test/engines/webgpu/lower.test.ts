/** Lowering without a GPU: which kernels, what limits and what refusals. */
import { describe, expect, it } from "vitest";
import type { DeviceFacts } from "../../../src/engines/webgpu/device.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import type { WebGpuOptions } from "../../../src/engines/webgpu/options.ts";
import { planPool } from "../../../src/engines/webgpu/pool.ts";
import { FLAT_WORKGROUP, foldGroups } from "../../../src/engines/webgpu/step.ts";
import { DeviceLimitError, UnsupportedError } from "../../../src/errors.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { codebookConv, codebookDense } from "../int8-codebook.ts";
import { LIMITS, denseGraph, grid, randomGraph } from "./graphs.ts";

const HARDWARE: DeviceFacts = { software: false, dot4: true, f16: true, subgroups: true, limits: LIMITS };
const SOFTWARE: DeviceFacts = { ...HARDWARE, software: true, subgroups: false };
const QUADS: DeviceFacts = { ...SOFTWARE, subgroups: true };
const CODEBOOK = { values: 16, seed: 1 };
const AUTO: WebGpuOptions = { gemm: "auto", dot4: "auto", sparse: "auto", coded: "auto" };

function kernelsOf(graph: Graph, facts: DeviceFacts, options: Partial<WebGpuOptions> = {}): string[] {
  return lowerGraph(graph, facts, { ...AUTO, ...options }).steps.map((step) => step.kernel);
}

describe("choice of kernels", () => {
  it.each([
    ["hardware tiles", denseGraph("float32", 64, 64, 64), HARDWARE, {}, "f32_gemm_tiled_32x32__wgsl"],
    ["software does not", denseGraph("float32", 64, 64, 64), SOFTWARE, {}, "f32_gemm_direct_4x4__wgsl"],
    ["software shares loads where it can", denseGraph("float32", 64, 64, 64), QUADS, {}, "f32_gemm_quad_16x4__wgsl"],
    ["by a lower tile where a higher one is part empty", denseGraph("float32", 8, 64, 63), QUADS, {}, "f32_gemm_quad_8x4__wgsl"],
    ["by twelve rows where sixteen are part empty", denseGraph("float32", 36, 128, 128), QUADS, {}, "f32_gemm_quad_12x4__wgsl"],
    ["eight columns by weights that are shared", denseGraph("float32", 64, 8, 64), QUADS, {}, "f32_gemm_share_16x8__wgsl"],
    ["but not four columns by sixteen", denseGraph("float32", 64, 4, 64), QUADS, {}, "f32_gemm_direct_4x4__wgsl"],
    ["odd rows are read one value at a time", denseGraph("float32", 64, 64, 63), SOFTWARE, {}, "f32_gemm_direct_4x4__wgsl_scalar"],
    ["hardware splits k for few rows", denseGraph("float32", 1, 10, 256), HARDWARE, {}, "f32_gemm_split_1x4__wgsl"],
    ["but not a short k", denseGraph("float32", 1, 10, 16), HARDWARE, {}, "f32_gemm_direct_1x4__wgsl"],
    ["software takes few rows one by one", denseGraph("float32", 1, 10, 256), SOFTWARE, {}, "f32_gemm_direct_1x4__wgsl"],
    ["int8 on hardware", denseGraph("int8", 64, 64, 64), HARDWARE, {}, "i8_gemm_dot4_32x32__wgsl"],
    ["int8 on software", denseGraph("int8", 64, 64, 64), SOFTWARE, {}, "i8_gemm_dot4_4x4__wgsl"],
    ["int8 on software that shares loads", denseGraph("int8", 64, 64, 64), QUADS, {}, "i8_gemm_share_16x16__wgsl"],
    ["int8 without the language feature", denseGraph("int8", 64, 64, 64), { ...SOFTWARE, dot4: false }, {}, "i8_gemm_unpack_4x4__wgsl"],
    ["forced tiles", denseGraph("float32", 64, 64, 64), SOFTWARE, { gemm: "tiled" }, "f32_gemm_tiled_32x32__wgsl"],
    ["forced twin", denseGraph("int8", 64, 64, 64), HARDWARE, { dot4: "unpack" }, "i8_gemm_unpack_32x32__wgsl"],
    ["enough zero blocks", denseGraph("float32", 64, 64, 64, 0.7), HARDWARE, {}, "f32_gemm_block1x8_4x8__wgsl"],
    ["enough zero blocks in int8", denseGraph("int8", 64, 64, 256, 0.8), HARDWARE, {}, "i8_gemm_block1x8_4x8__wgsl"],
    ["zero blocks at batch 1", denseGraph("float32", 1, 64, 64, 0.7), SOFTWARE, {}, "f32_gemm_block1x8_1x8__wgsl"],
    ["zero blocks by shared lists", denseGraph("float32", 64, 64, 256, 0.5), QUADS, {}, "f32_gemm_block1x8_share_16x8__wgsl"],
    ["too few for shared lists", denseGraph("float32", 64, 64, 256, 0.1), QUADS, {}, "f32_gemm_quad_16x4__wgsl"],
    ["too few zero blocks", denseGraph("int8", 64, 64, 64, 0.1), SOFTWARE, {}, "i8_gemm_dot4_4x4__wgsl"],
    ["indices of int8 values on hardware", codebookDense(CODEBOOK, 64, 64, 256), HARDWARE, {}, "i8_gemm_codebook4_dot4_32x32__wgsl"],
    ["and of one row", codebookDense(CODEBOOK, 1, 64, 256), HARDWARE, {}, "i8_gemm_codebook4_dot4_1x4__wgsl"],
    [
      "indices without the language feature",
      codebookDense(CODEBOOK, 64, 64, 256),
      { ...SOFTWARE, dot4: false },
      {},
      "i8_gemm_codebook4_unpack_4x4__wgsl",
    ],
    ["indices on software that shares loads", codebookDense(CODEBOOK, 64, 64, 256), QUADS, {}, "i8_gemm_codebook4_share_16x16__wgsl"],
    ["codes switched off", codebookDense(CODEBOOK, 64, 64, 256), QUADS, { coded: "off" }, "i8_gemm_share_16x16__wgsl"],
    ["sparse switched off", denseGraph("float32", 64, 64, 64, 0.7), SOFTWARE, { sparse: "off" }, "f32_gemm_direct_4x4__wgsl"],
    ["sparse forced", denseGraph("float32", 64, 64, 63, 0), SOFTWARE, { sparse: "on" }, "f32_gemm_block1x8_4x8__wgsl"],
    ["sparse forced, words", denseGraph("float32", 64, 64, 64, 0), SOFTWARE, { sparse: "on" }, "f32_gemm_block4x8_4x8__wgsl"],
    ["few zero blocks do not beat a split on hardware", denseGraph("float32", 1, 64, 64, 0.7), HARDWARE, {}, "f32_gemm_split_1x4__wgsl"],
  ] as const)("%s", (_, graph, facts, options, kernel) => {
    expect(kernelsOf(graph, facts, options)).toEqual([kernel]);
  });

  it("marks kernels that only prepare a layer's input", () => {
    const marks = (graph: Graph): unknown => lowerGraph(graph, QUADS, AUTO).steps.map(({ kernel, helper = false }) => [kernel, helper]);
    expect(marks(codebookConv(CODEBOOK, [1, 6, 6, 1], 16, [3, 3]))).toEqual([
      ["i8_im2col_rows__wgsl", true],
      ["i8_gemm_codebook4_share_16x16__wgsl", false],
    ]);
  });

  it.each([
    [1, HARDWARE, "i16_conv_general_1x4__wgsl"],
    [1024, HARDWARE, "i16_conv_general_1x4__wgsl"],
    [4096, HARDWARE, "i16_conv_general_4x4__wgsl"],
    [64, SOFTWARE, "i16_conv_general_4x4__wgsl"],
  ] as const)("int16 with %i rows shares weights among four where threads are enough", (rows, facts, kernel) => {
    const b = new GraphBuilder("wide");
    const x = b.input("x", "int16", [rows, 8], grid(0.1, 0));
    const w = b.constant("w", "int8", [64, 8], new Int8Array(512).fill(1), { quant: grid(0.1, 0) });
    const graph = b.finish([b.add("Dense", "fc", [x, w], {}, { dtype: "int16", quant: grid(1, 0) })]);
    expect(kernelsOf(graph, facts)).toEqual([kernel]);
  });

  it("does not call the padding of odd channels a sparsity", () => {
    const b = new GraphBuilder("stem");
    const x = b.input("x", "int8", [1, 9, 9, 1], grid(0.1, 0));
    const w = b.constant("w", "int8", [8, 3, 3, 1], new Int8Array(72).fill(1), { quant: grid(0.1, 0) });
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1 } as const;
    const y = b.add("Conv2D", "c", [x, w], attrs, { quant: grid(1, 0) });
    expect(kernelsOf(b.finish([y]), SOFTWARE)).toEqual(["i8_im2col_rows__wgsl", "i8_gemm_dot4_4x4__wgsl"]);
  });

  it("skips stored zeros: a sparse layer holds fewer bytes than its dense twin", () => {
    const bytes = (zeros: number): number =>
      lowerGraph(denseGraph("float32", 64, 64, 64, zeros), SOFTWARE, AUTO).constants.reduce((sum, block) => sum + block.data.byteLength, 0);
    expect(bytes(0.9)).toBeLessThan(0.25 * bytes(0));
  });

  it("moves nothing where only the shape changes", () => {
    const b = new GraphBuilder("views");
    const x = b.input("x", "float32", [1, 4, 1, 6]);
    const t = b.add("Transpose", "t", [x], { perm: [0, 2, 1, 3] });
    const r = b.add("Reshape", "r", [t], {}, { shape: [24] });
    const lowered = lowerGraph(b.finish([r]), SOFTWARE, AUTO);
    expect(lowered.steps).toEqual([]);
    expect(lowered.aliases.get(r)).toBe("x");
    expect(lowered.kernels.get("r")).toEqual(["any_alias_view__wgsl"]);
  });

  it("copies bytes whose rows change length", () => {
    const b = new GraphBuilder("rows");
    const x = b.input("x", "int8", [2, 6], grid(1, 0));
    const r = b.add("Reshape", "r", [x], {}, { shape: [3, 4], quant: grid(1, 0) });
    expect(kernelsOf(b.finish([r]), SOFTWARE)).toEqual(["i8_reshape_rows__wgsl"]);
  });
});

describe("refusals", () => {
  it("names node, op and what was expected", () => {
    const b = new GraphBuilder("double");
    const x = b.input("x", "float32", [4]);
    const y = b.add("Quantize", "to16", [x], {}, { dtype: "int16", quant: grid(1, 3) });
    const graph = b.finish([y]);
    expect(() => lowerGraph(graph, SOFTWARE, AUTO)).toThrow(UnsupportedError);
    expect(() => lowerGraph(graph, SOFTWARE, AUTO)).toThrow(/node "to16" \(Quantize\) on webgpu: float32 to int16, expected/);
  });

  it("refuses a native dot product that the device lacks", () => {
    expect(() => kernelsOf(denseGraph("int8", 8, 8, 8), { ...SOFTWARE, dot4: false }, { dot4: "native" })).toThrow(
      /packed_4x8_integer_dot_product/,
    );
  });

  it.each([
    [
      "an activation",
      denseGraph("float32", 2048, 4, 4),
      4096,
      /tensor "x" on webgpu: exceeds maxStorageBufferBindingSize, got 32768 bytes, expected at most 4096/,
    ],
    [
      "weights",
      denseGraph("float32", 1, 64, 64),
      4096,
      /node "dense" \(Dense\) on webgpu: weights exceed maxStorageBufferBindingSize, got 16384/,
    ],
  ])("checks the size of %s before anything is made", (_, graph, limit, message) => {
    const facts = { ...SOFTWARE, limits: { ...LIMITS, maxStorageBufferBindingSize: limit } };
    expect(() => lowerGraph(graph, facts, AUTO)).toThrow(DeviceLimitError);
    expect(() => lowerGraph(graph, facts, AUTO)).toThrow(message);
  });

  it("checks the number of workgroups", () => {
    const facts = { ...SOFTWARE, limits: { ...LIMITS, maxComputeWorkgroupsPerDimension: 2 } };
    expect(() => lowerGraph(denseGraph("float32", 4096, 64, 4), facts, AUTO)).toThrow(/exceeds maxComputeWorkgroupsPerDimension/);
  });
});

describe("foldGroups", () => {
  it("covers every workgroup within the limit", () => {
    for (const count of [0, 1, 7, 8, 9, 55, 64]) {
      const [x, y, z] = foldGroups(count, { ...LIMITS, maxComputeWorkgroupsPerDimension: 8 }, "test");
      expect(Math.max(x, y)).toBeLessThanOrEqual(8);
      expect(x * y).toBeGreaterThanOrEqual(count);
      expect(z).toBe(1);
    }
    expect(() => foldGroups(65, { ...LIMITS, maxComputeWorkgroupsPerDimension: 8 }, "test")).toThrow(DeviceLimitError);
  });
});

describe("planPool", () => {
  it("never gives one buffer to two tensors that live at once, and reuses buffers", () => {
    let reused = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const graph = randomGraph(seed % 2 === 0 ? "float32" : "int8", seed);
      const lowered = lowerGraph(graph, SOFTWARE, AUTO);
      const plan = planPool(lowered, graph.inputs, graph.outputs);
      const root = (name: string): string => lowered.aliases.get(name) ?? name;
      const end = lowered.steps.length;
      const lives = new Map<string, { first: number; last: number }>();
      const touch = (name: string, at: number): void => {
        const life = lives.get(name) ?? { first: at, last: at };
        lives.set(name, { first: Math.min(life.first, at), last: Math.max(life.last, at) });
      };
      for (const input of graph.inputs) touch(input, -1);
      lowered.steps.forEach((step, i) => {
        touch(step.output, i);
        for (const input of step.inputs) if (input.kind === "tensor") touch(input.name, i);
      });
      for (const output of graph.outputs) touch(root(output), end);
      const names = [...lives.keys()];
      for (const a of names) {
        expect(plan.bufferBytes[plan.bufferOf.get(a)!]).toBeGreaterThanOrEqual(lowered.bytes.get(a)!);
        for (const b of names) {
          if (a >= b || plan.bufferOf.get(a) !== plan.bufferOf.get(b)) continue;
          reused++;
          const overlap = lives.get(a)!.first <= lives.get(b)!.last && lives.get(b)!.first <= lives.get(a)!.last;
          expect(overlap, `seed ${seed}: ${a} and ${b} share a buffer while both live`).toBe(false);
        }
      }
    }
    expect(reused).toBeGreaterThan(20);
  });
});

describe("flat dispatches", () => {
  it("have at least one thread an output unit", () => {
    const { steps } = lowerGraph(denseGraph("float32", 33, 65, 7), SOFTWARE, AUTO);
    const [x, y] = steps[0]!.groups;
    expect(x * y * FLAT_WORKGROUP).toBeGreaterThanOrEqual(9 * 17);
  });
});
