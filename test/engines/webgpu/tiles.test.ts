/** Every 8-bit and every depthwise candidate, by name, on remainders of its tile: bytes to the bit, floats within the derived tolerance. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../../../src/engines/engine.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import { parseOptions } from "../../../src/engines/webgpu/options.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { TypedArray } from "../../../src/graph/dtype.ts";
import type { Conv2DAttrs, Graph, Shape } from "../../../src/graph/ir.ts";
import { keepDevice, testContext } from "./context.ts";
import { checkForced, reference, runForced } from "./forced.ts";
import { denseGraph, grid, randomInputs, windowGraph } from "./graphs.ts";
import type { Type, Window } from "./graphs.ts";

let shared: SharedDevice;
let context: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
});
afterAll(() => {
  shared.release();
});

/** Runs the one layer with every dense kernel that can execute it. @returns their names */
async function checkAll(graph: Graph, where: string): Promise<readonly string[]> {
  const { kernels } = lowerGraph(graph, shared.facts, parseOptions({ sparse: "off" })).choices.get(graph.nodes[0]!.name)!;
  for (const kernel of kernels) await checkForced(graph, kernel, context, { sparse: "off" }, where);
  return kernels;
}

describe("8-bit candidates", () => {
  it.each([1, 3, 4, 5, 15, 16, 17, 33])("%d rows", async (m) => {
    const kernels = await checkAll(denseGraph("int8", m, 20, 24), `${m} rows`);
    if (shared.facts.subgroups) expect(kernels).toContain("i8_gemm_share_16x16__wgsl");
  });

  it.each([1, 3, 4, 5, 8, 15, 16, 17, 37])("%d columns", async (n) => {
    await checkAll(denseGraph("int8", 9, n, 12), `${n} columns`);
  });

  it.each([1, 3, 4, 5, 61, 64, 67])("%d long sums", async (k) => {
    await checkAll(denseGraph("int8", 17, 17, k), `${k} long`);
  });

  it.each<[string, Window]>([
    ["3×3", { op: "Conv2D", input: [1, 7, 6, 8], weights: [17, 3, 3, 8], attrs: { pads: [1, 1, 1, 1] } }],
    ["odd channels", { op: "Conv2D", input: [1, 7, 6, 5], weights: [9, 3, 3, 5], attrs: { pads: [0, 1, 2, 0] } }],
    ["prime strides", { op: "Conv2D", input: [2, 13, 17, 4], weights: [5, 3, 3, 4], attrs: { strides: [5, 7], pads: [1, 1, 1, 1] } }],
    ["dilation", { op: "Conv2D", input: [1, 9, 9, 4], weights: [12, 3, 3, 4], attrs: { dilations: [2, 3] } }],
    ["groups", { op: "Conv2D", input: [1, 6, 6, 16], weights: [24, 3, 3, 8], attrs: { groups: 2, pads: [1, 1, 1, 1] } }],
    ["a stem of one channel", { op: "Conv2D", input: [1, 9, 8, 1], weights: [8, 3, 3, 1], attrs: { strides: [2, 2] } }],
  ])("convolution: %s", async (where, window) => {
    await checkAll(windowGraph("int8", window), where);
  });

  it.each([
    [64, 64, 64],
    [63, 65, 80],
    [65, 61, 16],
    [4, 3, 48],
    [67, 130, 144],
  ])("tiles of sixteen bytes at once: %d×%d×%d", async (m, n, k) => {
    const kernels = await checkAll(denseGraph("int8", m, n, k), `${m}×${n}×${k}`);
    const tiles = ["64x64", "64x64_8x8"].flatMap((tile) => ["dot4", "unpack"].map((dot) => `i8_gemm_${dot}_${tile}__wgsl`));
    expect(kernels).toEqual(expect.arrayContaining(tiles));
  });

  it.each<[string, Window]>([
    ["pads", { op: "Conv2D", input: [2, 7, 6, 16], weights: [17, 3, 3, 16], attrs: { pads: [1, 1, 1, 1] } }],
    [
      "strides and dilation",
      { op: "Conv2D", input: [1, 13, 11, 32], weights: [12, 3, 3, 32], attrs: { strides: [2, 3], dilations: [1, 2] } },
    ],
    ["groups", { op: "Conv2D", input: [1, 6, 6, 32], weights: [72, 3, 3, 16], attrs: { groups: 2, pads: [1, 0, 0, 1] } }],
  ])("tiles of sixteen bytes at once of an image: %s", async (where, window) => {
    const kernels = await checkAll(windowGraph("int8", window), where);
    expect(kernels).toEqual(expect.arrayContaining(["i8_conv_dot4_64x64__wgsl", "i8_conv_unpack_64x64_8x8__wgsl"]));
  });

  it("does not read sixteen bytes at once where a pixel or a row is no multiple of them", () => {
    const narrow = windowGraph("int8", { op: "Conv2D", input: [1, 6, 6, 24], weights: [8, 3, 3, 24] });
    for (const graph of [narrow, denseGraph("int8", 64, 64, 24)]) {
      const { kernels } = lowerGraph(graph, shared.facts, parseOptions({ sparse: "off" })).choices.get(graph.nodes[0]!.name)!;
      expect(kernels.filter((kernel) => kernel.includes("64x64"))).toEqual([]);
    }
  });

  it("sums of extreme bytes stay exact where float32 is asked for more than 24 bits", async () => {
    const [m, n, k] = [5, 9, 2600];
    const b = new GraphBuilder("extreme");
    const x = b.input("x", "int8", [m, k], grid(1, 0));
    const w = b.constant("w", "int8", [n, k], new Int8Array(n * k).fill(-128), { quant: grid(1, 0) });
    const graph = b.finish([b.add("Dense", "layer", [x, w], {}, { quant: grid(2 ** 18, 0) })]);
    // Sums near 2^25 that differ in their last bits, on both sides of a rounding border.
    const input = Int8Array.from({ length: m * k }, (_, i) => (i % k < 2560 ? -128 : -127 - (i % 2)));
    const want = await reference(graph, context, [input]);
    const { kernels } = lowerGraph(graph, shared.facts, parseOptions({ sparse: "off" })).choices.get("layer")!;
    for (const kernel of kernels) expect((await runForced(graph, kernel, context, {}, [input])).out, kernel).toEqual(want);
  });
});

describe.each<Type>(["float32", "int8", "uint8"])("depthwise candidates of %s", (type) => {
  const depthwise = (input: Shape, kernel: readonly [number, number], attrs: Partial<Conv2DAttrs> = {}): Graph =>
    windowGraph(type, { op: "DepthwiseConv2D", input, weights: [1, ...kernel, input[3]!], attrs });

  it.each([3, 5])("square windows of %d in steps of one and two: remainders of columns, rows that strips do not divide", async (size) => {
    const half = (size - 1) / 2;
    for (const stride of [1, 2] as const)
      for (const [h, w] of [
        [size, size],
        [7, 5],
        [11, 13],
        [23, 8],
      ] as const) {
        const attrs = { strides: [stride, stride], pads: [half, half, half, half] } as const;
        const kernels = await checkAll(depthwise([1, h, w, 8], [size, size], attrs), `${h}×${w} stride ${stride}`);
        expect(kernels).toContain(`${type === "float32" ? "f32" : "i8"}_depthwise_rolling_${size}x${size}_s${stride}__wgsl`);
      }
  });

  it("batches, uneven pads, many channels, and one strip of everything", async () => {
    await checkAll(depthwise([2, 9, 6, 132], [3, 3], { pads: [0, 1, 2, 0] }), "batch of two");
    await checkAll(depthwise([1, 40, 3, 4], [3, 3], { pads: [1, 1, 1, 1] }), "one strip");
    await checkAll(depthwise([1, 6, 6, 4], [3, 3], { strides: [2, 2], pads: [0, 0, 1, 1] }), "pads at the end");
  });

  it("leaves other windows to the other kernels", async () => {
    for (const [kernel, attrs] of [
      [[3, 5], {}],
      [[3, 3], { dilations: [2, 2] }],
      [[3, 3], { strides: [1, 2] }],
      [[3, 3], { strides: [3, 3] }],
    ] as const) {
      const kernels = await checkAll(depthwise([1, 9, 11, 4], kernel, attrs), kernel.join("×"));
      expect(kernels.some((name) => name.includes("rolling"))).toBe(false);
    }
  });

  it("takes channels that do not fill a word where they are bytes", async () => {
    const kernels = await checkAll(depthwise([1, 7, 7, 6], [3, 3], { pads: [1, 1, 1, 1] }), "six channels");
    expect(kernels.some((name) => name.includes("rolling"))).toBe(type !== "float32");
  });
});

describe("the comparison itself", () => {
  it("notices one wrong weight of a depthwise layer", async () => {
    const graph = windowGraph("float32", { op: "DepthwiseConv2D", input: [1, 5, 5, 4], weights: [1, 3, 3, 4] });
    const w = graph.tensors.get("w")!;
    const data = w.data!.slice();
    data[7] = data[7]! + 0.25;
    const inputs: TypedArray[] = randomInputs(graph, 1);
    const wrong = { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, data }) };
    const { out } = await runForced(wrong, "f32_depthwise_rolling_3x3_s1__wgsl", context, {}, inputs);
    expect(out).not.toEqual(await reference(graph, context, inputs));
  });
});
