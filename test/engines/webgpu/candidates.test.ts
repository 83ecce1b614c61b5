/** Every dense float candidate, forced by name, on remainders of its tile; and what happens where none fits. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Estimate } from "../../../src/engines/candidates.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { compareOutputs, nodeTolerance } from "../../../src/engines/tolerance.ts";
import { layerInputs } from "../../../src/engines/tune/layer.ts";
import type { DeviceFacts, SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { lowerBest } from "../../../src/engines/webgpu/lower/candidates.ts";
import type { Candidate, Workgroup } from "../../../src/engines/webgpu/lower/candidates.ts";
import { Lowering } from "../../../src/engines/webgpu/lower/context.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import type { WebGpuOptions } from "../../../src/engines/webgpu/options.ts";
import { DeviceLimitError, UnsupportedError, UsageError } from "../../../src/errors.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { keepDevice, testContext } from "./context.ts";
import { convGraph, denseGraph } from "./graphs.ts";
import type { ConvShape } from "./graphs.ts";

const AUTO: WebGpuOptions = { gemm: "auto", dot4: "auto", sparse: "auto", coded: "auto" };

let shared: SharedDevice;
let context: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
});
afterAll(() => {
  shared.release();
});

/** A software GPU compiles them for seconds each, and again for every combination of what fits: they get layers of their own. */
const LARGE_TILE = /_tiled_(64|128)x/;

/** Runs the one layer with every kernel that can execute it. @returns their names */
async function verifyAll(
  graph: Graph,
  which: (kernel: string) => boolean = (kernel) => !LARGE_TILE.test(kernel),
): Promise<readonly string[]> {
  const [node] = graph.nodes;
  const kernels = lowerGraph(graph, shared.facts, AUTO).choices.get(node!.name)!.kernels.filter(which);
  const inputs = layerInputs(graph);
  const tensors = new Map(graph.tensors);
  graph.inputs.forEach((name, i) => tensors.set(name, { ...tensors.get(name)!, data: inputs[i]! }));
  const [expected] = evaluateNode(node!, tensors);
  const values = node!.inputs.map((name) => tensors.get(name)?.data);
  const tolerance = nodeTolerance(graph, node!, values, expected!);
  for (const kernel of kernels) {
    const session = await webgpuEngine.compile(graph, context, {}, [{ node: node!.name, kernel, why: "forced" }]);
    const { pass, message } = compareOutputs([expected!], await session.run(inputs), tolerance);
    expect(session.placement()).toContainEqual(expect.objectContaining({ kernel, why: expect.stringContaining("forced") as string }));
    session.dispose();
    expect(pass, `${kernel}: ${message}`).toBe(true);
  }
  return kernels;
}

describe("dense float candidates", () => {
  it.each([1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 37])("%d rows", async (m) => {
    const kernels = await verifyAll(denseGraph("float32", m, 20, 24));
    expect(kernels).toContain("f32_gemm_direct_4x4__wgsl");
    if (shared.facts.subgroups) expect(kernels).toContain("f32_gemm_quad_8x4__wgsl");
  });

  it.each([1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 37])("%d columns", async (n) => {
    await verifyAll(denseGraph("float32", 9, n, 12));
  });

  it.each([1, 3, 4, 5, 31, 32, 33, 37, 127])("%d long sums", async (k) => {
    await verifyAll(denseGraph("float32", 9, 17, k));
  });

  it.each<[string, ConvShape]>([
    ["a stem of three channels", { input: [9, 8, 3], out: 8, kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }],
    ["one channel, odd window", { input: [11, 7, 1], out: 17, kernel: [5, 2], strides: [3, 2], pads: [2, 0, 1, 1] }],
    ["no padding", { input: [7, 7, 8], out: 16, kernel: [3, 3] }],
    ["prime stride", { input: [23, 13, 4], out: 5, kernel: [3, 3], strides: [7, 5], pads: [1, 1, 1, 1] }],
    ["dilation", { input: [11, 11, 5], out: 12, kernel: [3, 3], dilations: [2, 3], pads: [2, 3, 2, 3] }],
    ["groups", { input: [6, 6, 8], out: 24, kernel: [3, 3], pads: [1, 1, 1, 1], groups: 2 }],
    ["pads at the end only", { input: [6, 6, 4], out: 4, kernel: [3, 3], strides: [2, 2], pads: [0, 0, 1, 1] }],
  ])("convolution: %s", async (_, shape) => {
    const kernels = await verifyAll(convGraph(shape));
    expect(kernels.length).toBeGreaterThan(2);
  });

  it.each<[string, () => Graph, string]>([
    ["a product that they divide", () => denseGraph("float32", 128, 64, 64), "gemm"],
    ["a product that is larger than tiles", () => denseGraph("float32", 131, 68, 76), "gemm"],
    ["an image", () => convGraph({ input: [9, 8, 8], out: 12, kernel: [3, 3], pads: [1, 1, 1, 1] }), "conv"],
  ])("large tiles: %s", { timeout: 180_000 }, async (_, graph, family) => {
    const kernels = await verifyAll(graph(), (kernel) => LARGE_TILE.test(kernel));
    expect([...kernels].sort()).toEqual([
      `f32_${family}_tiled_128x64_8x8__wgsl`,
      `f32_${family}_tiled_64x64_8x8__wgsl`,
      `f32_${family}_tiled_64x64__wgsl`,
    ]);
  });

  it.each([1, 2, 3, 4, 5, 7, 8])("k split over threads, %d rows", async (m) => {
    const kernels = await verifyAll(denseGraph("float32", m, 18, 132), (kernel) => kernel.includes("_split_"));
    expect(kernels.length).toBeGreaterThan(0);
  });

  it("refuses a kernel that cannot execute the layer", () => {
    const choice = { node: "layer", kernel: "f32_gemm_direct_4x4__wgsl", why: "forced" };
    const graph = convGraph({ input: [7, 7, 8], out: 16, kernel: [3, 3] });
    expect(() => lowerGraph(graph, shared.facts, AUTO, [choice])).toThrow(UsageError);
    expect(() => lowerGraph(graph, shared.facts, AUTO, [choice])).toThrow(
      /node "layer": kernel f32_gemm_direct_4x4__wgsl cannot execute it/,
    );
  });
});

describe("lowerBest", () => {
  const made = (kernel: string, workgroup: Workgroup | undefined, estimate: Estimate | undefined): Candidate<number> => ({
    kernel,
    requires: [],
    ...(workgroup === undefined ? {} : { workgroup }),
    sparse: false,
    estimate: () => estimate,
    lower: (c) => {
      c.dispatch({ kernel, params: [], inputs: [], output: "y", groups: [1, 1, 1] });
    },
  });
  const large: Workgroup = { invocations: 1 << 20, storageBytes: 0 };
  const cheap: Estimate = { cost: 0.5, why: "cheap" };
  const dear: Estimate = { cost: 2, why: "dear" };

  function lower(list: readonly Candidate<number>[], facts: DeviceFacts = shared.facts): string | undefined {
    const graph = denseGraph("float32", 1, 1, 1);
    const c = new Lowering(graph, facts, AUTO);
    c.begin(graph.nodes[0]!);
    lowerBest(c, list, 0);
    return c.finish().choices.get(graph.nodes[0]!.name)?.kernel;
  }

  it("takes the cheapest that the device can hold", () => {
    expect(lower([made("big", large, cheap), made("small", undefined, dear)])).toBe("small");
  });

  it("names limits and a remedy where only they stand in the way", () => {
    expect(() => lower([made("big", large, cheap), made("misfit", undefined, undefined)])).toThrow(DeviceLimitError);
    expect(() => lower([made("big", large, cheap)])).toThrow(
      /no kernel fits the device, got 1048576 threads and 0 bytes a workgroup for big, expected at most \d+ threads/,
    );
  });

  it("says so where nothing applies", () => {
    expect(() => lower([made("misfit", undefined, undefined)])).toThrow(UnsupportedError);
  });
});
