/** Products whose k is split over workgroups: every remainder of tiles, steps and slices; order, memory and when they are chosen. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { compareOutputs, nodeTolerance } from "../../../src/engines/tolerance.ts";
import type { DeviceFacts, SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { FLOAT_CANDIDATES } from "../../../src/engines/webgpu/lower/float/index.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import { parseOptions } from "../../../src/engines/webgpu/options.ts";
import { planPool } from "../../../src/engines/webgpu/pool.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { codedDense } from "../coded.ts";
import { allCases, describeVectors, prepareCase } from "../vectors.ts";
import type { OpCase } from "../vectors.ts";
import { keepDevice, testContext } from "./context.ts";
import { checkForced, reference, runForced } from "./forced.ts";
import { LIMITS, convGraph, denseGraph, randomInputs } from "./graphs.ts";
import type { ConvShape } from "./graphs.ts";

const HARDWARE: DeviceFacts = { software: false, dot4: true, f16: true, subgroups: true, limits: LIMITS };
const SOFTWARE: DeviceFacts = { ...HARDWARE, software: true };
const KERNELS = FLOAT_CANDIDATES.map(({ kernel }) => kernel).filter((kernel) => kernel.includes("_sliced_"));
const OFF = { sparse: "off", coded: "off" };

function choiceOf(
  graph: Graph,
  facts: DeviceFacts,
): { readonly kernel: string; readonly why: string; readonly kernels: readonly string[] } {
  return lowerGraph(graph, facts, parseOptions(OFF)).choices.get(graph.nodes[0]!.name)!;
}

function slicedKernel(graph: Graph): string {
  const kernels = choiceOf(graph, SOFTWARE).kernels.filter((kernel) => KERNELS.includes(kernel));
  expect(kernels).toHaveLength(1);
  return kernels[0]!;
}

/** How many slices the first dispatch of a layer without groups has. */
function slicesIn(graph: Graph): number {
  return lowerGraph(graph, SOFTWARE, parseOptions({ ...OFF, kernel: slicedKernel(graph) })).steps[0]!.groups[2];
}

const able = (c: OpCase): boolean => {
  if (c.op !== "Dense" && c.op !== "Conv2D" && c.op !== "MatMul") return false;
  try {
    return lowerGraph(prepareCase(c).graph, SOFTWARE, parseOptions({ kernel: KERNELS.join("+") })).steps.some(({ kernel }) =>
      KERNELS.includes(kernel),
    );
  } catch {
    return false;
  }
};

let shared: SharedDevice;
let context: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
});
afterAll(() => {
  shared.release();
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe("op vectors on them", () => {
  it("are several", () => {
    expect(allCases().filter(able).length).toBeGreaterThan(3);
  });
  for (const kernel of KERNELS) {
    const takes = (c: OpCase): boolean => able(c) && choiceOf(prepareCase(c).graph, SOFTWARE).kernels.includes(kernel);
    if (allCases().some(takes))
      describeVectors(`webgpu:kernel=${kernel}`, webgpuEngine, testContext, { engineOptions: { kernel }, only: takes });
  }
});

describe("products", () => {
  it.each([
    [31, 33, 32],
    [32, 32, 64],
    [33, 31, 33],
    [4, 1, 5],
    [5, 3, 127],
    [37, 68, 1021],
    [64, 32, 256],
    [33, 36, 1028],
    [7, 130, 4608],
  ])("%d×%d×%d", { timeout: 120_000 }, async (m, n, k) => {
    const graph = denseGraph("float32", m, n, k);
    await checkForced(graph, slicedKernel(graph), context, OFF, `${m}×${n}×${k}`);
    expect(slicesIn(graph)).toBeGreaterThan(1);
  });

  it.each<[string, ConvShape]>([
    ["a late layer", { input: [7, 7, 64], out: 40, kernel: [3, 3], pads: [1, 1, 1, 1] }],
    ["odd channels in a batch", { batch: 2, input: [5, 7, 13], out: 33, kernel: [3, 2], strides: [2, 1], pads: [1, 0, 0, 1] }],
    ["dilation", { input: [9, 9, 12], out: 12, kernel: [3, 3], dilations: [2, 3], pads: [2, 3, 2, 3] }],
    ["groups", { input: [6, 6, 80], out: 24, kernel: [3, 3], pads: [1, 1, 1, 1], groups: 2 }],
    ["groups of odd channels", { input: [6, 6, 9], out: 15, kernel: [3, 3], groups: 3 }],
  ])("convolution: %s", { timeout: 120_000 }, async (where, shape) => {
    const graph = convGraph(shape);
    await checkForced(graph, slicedKernel(graph), context, OFF, where);
  });

  it("notices one wrong weight in the last slice", async () => {
    const graph = denseGraph("float32", 33, 36, 1028);
    const w = graph.tensors.get("w")!;
    const data = w.data!.slice();
    data[36 * 1028 - 1] = data[36 * 1028 - 1]! + 0.25;
    const wrong = { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, data }) };
    const inputs = randomInputs(graph, 1);
    const { out } = await runForced(wrong, slicedKernel(graph), context, OFF, inputs);
    const want = await reference(graph, context, inputs);
    const tolerance = nodeTolerance(graph, graph.nodes[0]!, [inputs[0], w.data], want);
    expect(compareOutputs([want], [out], tolerance).pass).toBe(false);
  });

  it("give the same bits every time, by one submission, and count their sums", async () => {
    const graph = denseGraph("float32", 37, 68, 1021);
    const kernel = slicedKernel(graph);
    const inputs = randomInputs(graph, 2);
    const session = await webgpuEngine.compile(graph, context, OFF, [{ node: "dense", kernel, why: "forced" }]);
    const plain = await webgpuEngine.compile(graph, context, OFF, [
      { node: "dense", kernel: "f32_gemm_direct_4x4__wgsl_scalar", why: "forced" },
    ]);
    const submit = vi.spyOn(Object.getPrototypeOf(shared.device.queue) as GPUQueue, "submit");
    const [first] = await session.run(inputs);
    expect(submit).toHaveBeenCalledTimes(1);
    for (let i = 0; i < 5; i++) expect(await session.run(inputs)).toEqual([first]);
    // The sums are there when x is; the output, written when x is read no more, moves into its buffer.
    const output = 37 * 68 * 4;
    expect(session.memory().activationsPeak).toBe(plain.memory().activationsPeak - output + slicesIn(graph) * output);
    session.dispose();
    plain.dispose();
  });
});

describe("their sums", () => {
  it("share a buffer with nothing that the layer reads or writes", () => {
    const graph = denseGraph("float32", 49, 64, 1024);
    const lowered = lowerGraph(graph, SOFTWARE, parseOptions({ ...OFF, kernel: slicedKernel(graph) }));
    expect(lowered.steps.map(({ kernel }) => kernel)).toEqual(["f32_gemm_sliced_32x32__wgsl", "f32_gemm_sliced_sum_1x4__wgsl"]);
    const { bufferOf } = planPool(lowered, graph.inputs, graph.outputs);
    const sums = bufferOf.get("dense/sums");
    expect(sums).toBeDefined();
    for (const name of [...graph.inputs, ...graph.outputs]) expect(bufferOf.get(name)).not.toBe(sums);
  });

  it("are never more than a device can bind: the kernel does not apply then", () => {
    const graph = denseGraph("float32", 256, 256, 256);
    const small: DeviceFacts = { ...HARDWARE, limits: { ...LIMITS, maxStorageBufferBindingSize: 300_000 } };
    expect(choiceOf(graph, HARDWARE).kernels).toContain("f32_gemm_sliced_32x32__wgsl");
    expect(choiceOf(graph, small).kernels).not.toContain("f32_gemm_sliced_32x32__wgsl");
  });
});

describe("the choice", () => {
  it.each<[string, Graph, string]>([
    ["few tiles, long sums", denseGraph("float32", 49, 256, 1024), "f32_gemm_sliced_32x32__wgsl"],
    ["a late convolution", convGraph({ input: [7, 7, 512], out: 64, kernel: [3, 3], pads: [1, 1, 1, 1] }), "f32_conv_sliced_32x32__wgsl"],
    ["rows of odd length", denseGraph("float32", 64, 64, 1025), "f32_gemm_sliced_32x32__wgsl_scalar"],
    ["fewer tiles than keep a GPU busy", denseGraph("float32", 256, 192, 2048), "f32_gemm_sliced_32x32__wgsl"],
    ["as many as that", denseGraph("float32", 256, 256, 2048), "f32_gemm_tiled_32x32__wgsl"],
    ["short sums", denseGraph("float32", 49, 64, 128), "f32_gemm_tiled_32x32__wgsl"],
    ["few rows are split over threads", denseGraph("float32", 8, 64, 1024), "f32_gemm_split_8x4__wgsl"],
  ])("on hardware: %s", (_, graph, kernel) => {
    expect(choiceOf(graph, HARDWARE).kernel).toBe(kernel);
  });

  it("says how many slices there are", () => {
    expect(choiceOf(denseGraph("float32", 49, 256, 1024), HARDWARE).why).toBe("dense weights, k in 4 slices");
  });

  it("is another on software, whose threads are few", () => {
    expect(KERNELS).not.toContain(choiceOf(denseGraph("float32", 49, 256, 1024), SOFTWARE).kernel);
  });

  it("does not offer slices where tiles are more than any GPU has units for", () => {
    const { kernels } = choiceOf(denseGraph("float32", 32 * 16, 32 * 17, 64), HARDWARE);
    expect(kernels.filter((kernel) => KERNELS.includes(kernel))).toEqual([]);
  });

  it("does not expand weights that have a compact code", () => {
    const graph = codedDense({ spec: { kind: "float16" }, seed: 1 }, 16, 32, 4096);
    const { choices } = lowerGraph(graph, { ...HARDWARE, f16: false }, parseOptions({}));
    expect(choices.get(graph.nodes[0]!.name)!.kernel).toContain("float16");
  });
});
