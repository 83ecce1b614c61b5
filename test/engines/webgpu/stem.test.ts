/** First convolutions of three channels: remainders of pixels and columns, pads, batches, op vectors, and when their kernels are chosen. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { compareOutputs, nodeTolerance } from "../../../src/engines/tolerance.ts";
import type { DeviceFacts, SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import { parseOptions } from "../../../src/engines/webgpu/options.ts";
import type { Conv2DAttrs, Graph } from "../../../src/graph/ir.ts";
import { STEMS } from "../../../src/kernels/wgsl-stem.ts";
import { describeVectors } from "../vectors.ts";
import { convCase } from "../wasm/cases.ts";
import { keepDevice, testContext } from "./context.ts";
import { checkForced, reference, runForced } from "./forced.ts";
import { LIMITS, randomInputs, windowGraph } from "./graphs.ts";
import type { Type, Window } from "./graphs.ts";

const HARDWARE: DeviceFacts = { software: false, dot4: true, f16: true, subgroups: true, limits: LIMITS };
const SOFTWARE: DeviceFacts = { ...HARDWARE, software: true };
const KERNELS = STEMS.map(({ name }) => name);
const OFF = { sparse: "off", coded: "off" };
const SAME = { pads: [1, 1, 1, 1] } as const;

/** @param size [batch, height, width] */
function stem(
  type: Type,
  size: readonly [number, number, number],
  out: number,
  stride: number,
  attrs: Partial<Conv2DAttrs> = {},
  weights: readonly [number, number, number] = [3, 3, 3],
): Graph {
  return windowGraph(type, {
    op: "Conv2D",
    input: [...size, weights[2] * (attrs.groups ?? 1)],
    weights: [out, ...weights],
    attrs: { strides: [stride, stride], ...attrs },
  } satisfies Window);
}

function kernelsOf(graph: Graph, facts: DeviceFacts): readonly string[] {
  return lowerGraph(graph, facts, parseOptions(OFF)).choices.get("layer")!.kernels;
}

const stemsOf = (graph: Graph): readonly string[] => kernelsOf(graph, SOFTWARE).filter((kernel) => KERNELS.includes(kernel));

let shared: SharedDevice;
let context: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
});
afterAll(() => {
  shared.release();
});

async function checkAll(graph: Graph, where: string): Promise<void> {
  const kernels = stemsOf(graph);
  expect(kernels, where).toHaveLength(2);
  for (const kernel of kernels) await checkForced(graph, kernel, context, OFF, where);
}

const TYPES: readonly Type[] = ["float32", "int8", "uint8"];

describe.each(TYPES.flatMap((type) => [1, 2].map((stride) => [type, stride] as const)))("%s in steps of %d", (type, stride) => {
  it("columns of pixels", { timeout: 120_000 }, async () => {
    for (const columns of [1, 3, 4, 5, 7, 8, 9, 13]) {
      await checkAll(stem(type, [1, 5, (columns - 1) * stride + 3], 8, stride), `${columns} columns`);
      await checkAll(
        stem(type, [1, 5, (columns - 1) * stride + 2], 5, stride, { pads: [1, 0, 0, 1] }),
        `${columns} columns, pad at the right`,
      );
    }
  });

  it("outputs, by one dispatch and several", { timeout: 120_000 }, async () => {
    for (const out of [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 37, 64])
      await checkAll(stem(type, [1, 6, 9], out, stride, SAME), `${out} outputs`);
    await checkAll(stem(type, [1, 5, 8 * stride], 32, stride, SAME), "whole");
  });

  it.each<[string, readonly [number, number, number], Partial<Conv2DAttrs>]>([
    ["pads all around", [1, 8, 8], SAME],
    ["pads at the end only", [1, 8, 8], { pads: [0, 0, 1, 1] }],
    ["wide pads", [1, 3, 4], { pads: [2, 3, 3, 2] }],
    ["a batch", [3, 7, 5], SAME],
    ["one pixel", [1, 3, 3], {}],
    ["a window that is padding but for one pixel", [1, 1, 1], SAME],
  ])("%s", async (where, size, attrs) => {
    await checkAll(stem(type, size, 8, stride, attrs), where);
  });

  it("any size", { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 3, max: 23 });
    const pad = fc.integer({ min: 0, max: 2 });
    await fc.assert(
      fc.asyncProperty(size, size, fc.integer({ min: 1, max: 40 }), pad, pad, async (h, w, out, top, left) => {
        await checkAll(stem(type, [1, h, w], out, stride, { pads: [top, left, 2 - top, 2 - left] }), `${h}×${w}`);
      }),
      { numRuns: 8 },
    );
  });

  it("notices one wrong weight, of whichever tap", async () => {
    const graph = stem(type, [1, 6, 9], 8, stride, SAME);
    const w = graph.tensors.get("w")!;
    const inputs = randomInputs(graph, 1);
    const want = await reference(graph, context, inputs);
    const tolerance = nodeTolerance(graph, graph.nodes[0]!, [inputs[0], w.data, graph.tensors.get("b")!.data], want);
    for (const at of [0, 13, 26, 27 * 8 - 1]) {
      const data = w.data!.slice();
      data[at] = type === "float32" ? data[at]! + 0.5 : data[at]! ^ 64;
      const wrong = { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, data }) };
      const { out } = await runForced(wrong, stemsOf(graph)[0]!, context, OFF, inputs);
      expect(compareOutputs([want], [out], tolerance).pass, `weight ${at}`).toBe(false);
    }
  });
});

for (const kernel of KERNELS) {
  const kind = kernel.startsWith("f32") ? "float32" : "int8";
  const stride = kernel.includes("_s1_") ? 1 : 2;
  const own = { kind, kernel: [3, 3], strides: [stride, stride] } as const;
  describeVectors(`webgpu:kernel=${kernel}`, webgpuEngine, testContext, {
    engineOptions: { kernel },
    only: (c) => kind === "float32" && c.name.startsWith("three channels") && c.name.includes("steps of two") === (stride === 2),
    extra: [
      convCase("Conv2D", { ...own, seed: 1, input: [1, 9, 8, 3], outputs: 8 }),
      convCase("Conv2D", { ...own, seed: 2, input: [2, 7, 11, 3], outputs: 7, pads: [1, 1, 1, 1] }),
    ],
  });
}

describe("the choice", () => {
  it.each<[string, Graph, DeviceFacts, string]>([
    ["eight columns", stem("float32", [1, 96, 96], 8, 2, SAME), SOFTWARE, "f32_conv_stem_3x3_s2_4x8__wgsl"],
    ["sixteen", stem("float32", [1, 96, 96], 16, 2, SAME), SOFTWARE, "f32_conv_stem_3x3_s2_4x16__wgsl"],
    ["thirty-two", stem("float32", [1, 96, 96], 32, 2, SAME), SOFTWARE, "f32_conv_stem_3x3_s2_4x16__wgsl"],
    ["steps of one", stem("float32", [1, 32, 32], 16, 1, SAME), SOFTWARE, "f32_conv_stem_3x3_s1_4x16__wgsl"],
    ["bytes", stem("int8", [1, 96, 96], 8, 2, SAME), SOFTWARE, "i8_conv_stem_3x3_s2_4x8__wgsl"],
    ["eight columns on hardware", stem("float32", [1, 96, 96], 8, 2, SAME), HARDWARE, "f32_conv_stem_3x3_s2_4x8__wgsl"],
    ["thirty-two on hardware, by one dispatch", stem("float32", [1, 224, 224], 32, 2, SAME), HARDWARE, "f32_conv_tiled_32x32__wgsl_scalar"],
    ["thirty-two of bytes on hardware", stem("int8", [1, 224, 224], 32, 2, SAME), HARDWARE, "i8_conv_dot4_32x32__wgsl"],
  ])("%s", (_, graph, facts, kernel) => {
    expect(kernelsOf(graph, facts)[0]).toBe(kernel);
  });

  it.each<[string, Graph]>([
    ["many columns", stem("float32", [1, 9, 9], 65, 1)],
    ["four channels", stem("float32", [1, 9, 9], 8, 1, {}, [3, 3, 4])],
    ["four channels of bytes", stem("int8", [1, 9, 9], 8, 1, {}, [3, 3, 4])],
    ["two channels of bytes", stem("int8", [1, 9, 9], 8, 1, {}, [3, 3, 2])],
    ["other windows", stem("float32", [1, 9, 9], 8, 1, {}, [3, 5, 3])],
    ["wide windows of one channel", stem("float32", [1, 9, 9], 8, 1, {}, [3, 9, 1])],
    ["tall windows of nine channels", stem("int8", [1, 9, 9], 8, 1, {}, [3, 1, 9])],
    ["larger windows", stem("float32", [1, 9, 9], 8, 1, {}, [5, 5, 3])],
    ["uneven steps", stem("float32", [1, 9, 9], 8, 1, { strides: [1, 2] })],
    ["dilation in y", stem("int8", [1, 9, 9], 8, 1, { dilations: [2, 1] })],
    ["dilation in x", stem("float32", [1, 9, 9], 8, 1, { dilations: [1, 2] })],
    ["groups", stem("float32", [1, 9, 9], 9, 1, { groups: 3 })],
  ])("leaves %s to the other kernels", (_, graph) => {
    expect(stemsOf(graph)).toEqual([]);
  });
});
