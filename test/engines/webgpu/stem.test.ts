/** First convolutions of three channels: remainders of pixels and columns, pads, batches, op vectors, and when their kernels are chosen. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { compareOutputs, nodeTolerance } from "../../../src/engines/tolerance.ts";
import type { DeviceFacts, SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import { parseOptions } from "../../../src/engines/webgpu/options.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { STEM_TILES, stemName } from "../../../src/kernels/wgsl-stem.ts";
import { describeVectors } from "../vectors.ts";
import { convCase } from "../wasm/cases.ts";
import { keepDevice, testContext } from "./context.ts";
import { checkForced, reference, runForced } from "./forced.ts";
import { LIMITS, convGraph, randomInputs } from "./graphs.ts";
import type { ConvShape } from "./graphs.ts";

const HARDWARE: DeviceFacts = { software: false, dot4: true, f16: true, subgroups: true, limits: LIMITS };
const SOFTWARE: DeviceFacts = { ...HARDWARE, software: true };
const KERNELS = STEM_TILES.map(stemName);
const OFF = { sparse: "off", coded: "off" };

function stem(height: number, width: number, out: number, stride: number, rest: Partial<ConvShape> = {}): Graph {
  return convGraph({ input: [height, width, 3], out, kernel: [3, 3], strides: [stride, stride], ...rest });
}

function kernelsOf(graph: Graph, facts: DeviceFacts): readonly string[] {
  return lowerGraph(graph, facts, parseOptions(OFF)).choices.get(graph.nodes[0]!.name)!.kernels;
}

let shared: SharedDevice;
let context: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
});
afterAll(() => {
  shared.release();
});

/** With every stem kernel that takes it. @returns how many there were */
async function checkAll(graph: Graph, where: string): Promise<number> {
  const kernels = kernelsOf(graph, SOFTWARE).filter((kernel) => KERNELS.includes(kernel));
  for (const kernel of kernels) await checkForced(graph, kernel, context, OFF, where);
  return kernels.length;
}

const SAME = { pads: [1, 1, 1, 1] } as const;

describe.each([1, 2])("steps of %d", (stride) => {
  it.each([1, 3, 4, 5, 7, 8, 9, 13])("%d columns of pixels", async (columns) => {
    expect(await checkAll(stem(5, (columns - 1) * stride + 3, 8, stride), `${columns} columns`)).toBe(3);
    await checkAll(stem(5, (columns - 1) * stride + 2, 5, stride, { pads: [1, 0, 0, 1] }), `${columns} columns, pad at the right`);
  });

  it.each([1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32])("%d outputs", async (out) => {
    expect(await checkAll(stem(6, 9, out, stride, SAME), `${out} outputs`)).toBe(out <= 8 ? 3 : out <= 16 ? 2 : 1);
  });

  it.each<[string, number, number, Partial<ConvShape>]>([
    ["pads all around", 8, 8, SAME],
    ["pads at the end only", 8, 8, { pads: [0, 0, 1, 1] }],
    ["wide pads", 3, 4, { pads: [2, 3, 3, 2] }],
    ["a batch", 7, 5, { ...SAME, batch: 3 }],
    ["one pixel", 3, 3, {}],
    ["a window that is padding but for one pixel", 1, 1, SAME],
  ])("%s", async (where, height, width, rest) => {
    await checkAll(stem(height, width, 8, stride, rest), where);
  });

  it("any size", { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 3, max: 23 });
    const pad = fc.integer({ min: 0, max: 2 });
    await fc.assert(
      fc.asyncProperty(size, size, fc.integer({ min: 1, max: 32 }), pad, pad, async (h, w, out, top, left) => {
        expect(await checkAll(stem(h, w, out, stride, { pads: [top, left, 2 - top, 2 - left] }), `${h}×${w}`)).toBeGreaterThan(0);
      }),
      { numRuns: 12 },
    );
  });

  it("notices one wrong weight, of whichever tap", async () => {
    const graph = stem(6, 9, 8, stride, SAME);
    const w = graph.tensors.get("w")!;
    const kernel = `f32_conv_stem_3x3_s${stride}_4x8__wgsl`;
    const inputs = randomInputs(graph, 1);
    const want = await reference(graph, context, inputs);
    const tolerance = nodeTolerance(graph, graph.nodes[0]!, [inputs[0], w.data, graph.tensors.get("b")!.data], want);
    for (const at of [0, 13, 26, 27 * 8 - 1]) {
      const data = w.data!.slice();
      data[at] = data[at]! + 0.5;
      const wrong = { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, data }) };
      const { out } = await runForced(wrong, kernel, context, OFF, inputs);
      expect(compareOutputs([want], [out], tolerance).pass, `weight ${at}`).toBe(false);
    }
  });
});

for (const kernel of KERNELS) {
  const stride = kernel.includes("_s1_") ? 1 : 2;
  const own = [
    convCase("Conv2D", { kind: "float32", seed: 1, input: [1, 9, 8, 3], outputs: 8, kernel: [3, 3], strides: [stride, stride] }),
    convCase("Conv2D", {
      kind: "float32",
      seed: 2,
      input: [2, 7, 11, 3],
      outputs: 7,
      kernel: [3, 3],
      strides: [stride, stride],
      pads: [1, 1, 1, 1],
    }),
  ];
  describeVectors(`webgpu:kernel=${kernel}`, webgpuEngine, testContext, {
    engineOptions: { kernel },
    only: (c) => c.op === "Conv2D" && c.name.startsWith("three channels") && c.name.includes("steps of two") === (stride === 2),
    extra: own,
  });
}

describe("the choice", () => {
  it.each<[string, Graph, DeviceFacts, string]>([
    ["eight columns", stem(96, 96, 8, 2, SAME), SOFTWARE, "f32_conv_stem_3x3_s2_4x8__wgsl"],
    ["sixteen", stem(96, 96, 16, 2, SAME), SOFTWARE, "f32_conv_stem_3x3_s2_4x16__wgsl"],
    ["thirty-two", stem(96, 96, 32, 2, SAME), SOFTWARE, "f32_conv_stem_3x3_s2_4x32__wgsl"],
    ["steps of one", stem(32, 32, 16, 1, SAME), SOFTWARE, "f32_conv_stem_3x3_s1_4x16__wgsl"],
    ["eight columns on hardware", stem(96, 96, 8, 2, SAME), HARDWARE, "f32_conv_stem_3x3_s2_4x8__wgsl"],
    ["thirty-two on hardware, by more threads", stem(224, 224, 32, 2, SAME), HARDWARE, "f32_conv_tiled_32x32__wgsl_scalar"],
  ])("%s", (_, graph, facts, kernel) => {
    expect(kernelsOf(graph, facts)[0]).toBe(kernel);
  });

  it.each<[string, ConvShape]>([
    ["more columns than a thread has", { input: [9, 9, 3], out: 33, kernel: [3, 3] }],
    ["other channels", { input: [9, 9, 4], out: 8, kernel: [3, 3] }],
    ["other windows", { input: [9, 9, 3], out: 8, kernel: [3, 5] }],
    ["larger windows", { input: [9, 9, 3], out: 8, kernel: [5, 5] }],
    ["uneven steps", { input: [9, 9, 3], out: 8, kernel: [3, 3], strides: [1, 2] }],
    ["dilation in y", { input: [9, 9, 3], out: 8, kernel: [3, 3], dilations: [2, 1] }],
    ["dilation in x", { input: [9, 9, 3], out: 8, kernel: [3, 3], dilations: [1, 2] }],
    ["groups", { input: [9, 9, 9], out: 9, kernel: [3, 3], groups: 3 }],
  ])("leaves %s to the other kernels", (_, shape) => {
    expect(kernelsOf(convGraph(shape), SOFTWARE).filter((kernel) => KERNELS.includes(kernel))).toEqual([]);
  });
});
