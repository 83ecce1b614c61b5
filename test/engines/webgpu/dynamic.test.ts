/** Layers that quantize their input at run time on the GPU: equal to the CPU engine to the bit, with every kernel and its grid. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import type { EngineContext } from "../../../src/engines/engine.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import { parseOptions } from "../../../src/engines/webgpu/options.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { dynamicConv, dynamicDense, dynamicGraphs, dynamicInput } from "../dynamic.ts";
import { keepDevice, testContext } from "./context.ts";
import { reference, runForced } from "./forced.ts";

let shared: SharedDevice;
let context: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
});
afterAll(() => {
  shared.release();
});

async function check(graph: Graph, options: Readonly<Record<string, string>> = {}, inputs?: readonly Float32Array[]): Promise<void> {
  const [session, reference] = [await webgpuEngine.compile(graph, context, options), await cpuEngine.compile(graph, context, {})];
  try {
    const kernels = session.placement().map(({ kernel }) => kernel);
    if (options["kernel"] !== undefined) expect(kernels).toContain(options["kernel"]);
    expect(kernels.filter((kernel) => kernel.includes("_dynamic_"))).toHaveLength(1);
    for (const x of inputs ?? (["signed", "positive", "zero"] as const).map((kind) => dynamicInput(graph, 3, kind))) {
      const [[got], [want]] = [await session.run([x]), await reference.run([x])];
      expect(got).toEqual(want);
    }
  } finally {
    session.dispose();
    reference.dispose();
  }
}

describe("layers", () => {
  it.each(dynamicGraphs())("%s", async (_, graph) => {
    await check(graph);
  });

  it.each(["dot4", "unpack"].flatMap((dot) => ["4x4", "1x4", "32x32"].map((tile) => `${dot}_${tile}`)))("with %s", async (how) => {
    await check(dynamicDense({ seed: 7, activation: { kind: "clamp", min: 0, max: 6 } }, 37, 35, 45), {
      kernel: `i8_gemm_dynamic_${how}__wgsl`,
    });
    await check(dynamicConv({ seed: 8 }, [1, 7, 9, 5], 37, [3, 3], { pads: [1, 1, 1, 1] }), { kernel: `i8_conv_dynamic_${how}__wgsl` });
  });

  /** All that a tile of 64 × 64 must get right: whole and part tiles, steps of 64 of k that divide it and that do not, one step and several. */
  const SIXTEEN_WIDE: readonly (readonly [string, Graph])[] = [
    ["64×64×64", dynamicDense({ seed: 21 }, 64, 64, 64)],
    ["63×65×80", dynamicDense({ seed: 22, activation: { kind: "clamp", min: 0, max: 6 } }, 63, 65, 80)],
    ["65×63×16", dynamicDense({ seed: 23, noBias: true }, 65, 63, 16)],
    ["4×1×112", dynamicDense({ seed: 24, perTensor: true }, 4, 1, 112)],
    ["67×131×192", dynamicDense({ seed: 25 }, 67, 131, 192)],
    ["an image", dynamicConv({ seed: 26 }, [2, 7, 6, 16], 17, [3, 3], { pads: [1, 1, 1, 1] })],
    [
      "strides and dilation",
      dynamicConv({ seed: 27 }, [1, 13, 11, 32], 12, [3, 3], { strides: [2, 3], dilations: [1, 2], pads: [0, 2, 1, 0] }),
    ],
    ["groups", dynamicConv({ seed: 28 }, [1, 6, 6, 32], 72, [3, 3], { groups: 2, pads: [1, 0, 0, 1] })],
  ];

  const tiles64 = ["dot4", "unpack"].flatMap((dot) => ["64x64", "64x64_8x8"].map((tile) => `${dot}_${tile}`));

  it.each(tiles64)("with %s, sixteen bytes at once", { timeout: 180_000 }, async (how) => {
    for (const [where, graph] of SIXTEEN_WIDE) {
      const kernel = `i8_${graph.nodes[0]!.op === "Dense" ? "gemm" : "conv"}_dynamic_${how}__wgsl`;
      const able = lowerGraph(graph, shared.facts, parseOptions({})).choices.get("layer")!.kernels;
      if (how.startsWith("dot4") && !shared.facts.dot4) expect(able, where).not.toContain(kernel);
      else await check(graph, { kernel });
    }
  });

  it("any size whose rows are multiples of sixteen bytes, by tiles of 64 × 64", async () => {
    const size = fc.integer({ min: 4, max: 70 });
    await fc.assert(
      fc.asyncProperty(size, size, fc.integer({ min: 1, max: 9 }), fc.nat(), async (m, n, sixteens, seed) =>
        check(dynamicDense({ seed }, m, n, 16 * sixteens), { kernel: "i8_gemm_dynamic_unpack_64x64__wgsl" }),
      ),
      { numRuns: 10 },
    );
  });

  it("does not read sixteen bytes at once where a pixel or a row is no multiple of them, nor take few rows by large tiles", () => {
    for (const graph of [
      dynamicDense({ seed: 1 }, 64, 64, 24),
      dynamicDense({ seed: 1 }, 3, 64, 64),
      dynamicConv({ seed: 1 }, [1, 6, 6, 8], 8, [3, 3]),
    ]) {
      const { kernels } = lowerGraph(graph, shared.facts, parseOptions({})).choices.get("layer")!;
      expect(kernels.filter((kernel) => kernel.includes("64x64"))).toEqual([]);
    }
  });

  it("notices one wrong weight", async () => {
    const graph = dynamicDense({ seed: 22 }, 63, 65, 80);
    const w = graph.tensors.get("w")!;
    const data = w.data!.slice();
    data[64 * 80 + 79] = data[64 * 80 + 79]! ^ 1;
    const wrong = { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, data }) };
    const inputs = [dynamicInput(graph, 3)];
    const { out, kernels } = await runForced(wrong, "i8_gemm_dynamic_unpack_64x64__wgsl", context, {}, inputs);
    expect(kernels).toContain("i8_gemm_dynamic_unpack_64x64__wgsl");
    expect(out).not.toEqual(await reference(graph, context, inputs));
  });

  it("any size", async () => {
    const size = fc.integer({ min: 1, max: 40 });
    await fc.assert(
      fc.asyncProperty(size, size, size, fc.nat(), async (m, n, k, seed) => check(dynamicDense({ seed }, m, n, k))),
      { numRuns: 15 },
    );
  });

  it("refuses groups whose channels do not fill words, by name", async () => {
    const graph = dynamicConv({ seed: 1 }, [1, 4, 4, 6], 6, [3, 3], { groups: 2 });
    await expect(webgpuEngine.compile(graph, context, {})).rejects.toThrow(
      /node "layer" \(Conv2D\) on webgpu: a layer of 2 groups of 3 channels that quantizes its input, expected a multiple of 4/,
    );
  });
});

describe("the grid", () => {
  it("of a tensor of many workgroups", async () => {
    await check(dynamicDense({ seed: 5 }, 31, 5, 997));
  });

  it("is divided to the bit, whatever the range", async () => {
    const value = fc.float({ min: Math.fround(1e-25), max: Math.fround(1e25), noNaN: true });
    // An identity of one weight: its result is scale × scale of the weight × code.
    const graph = dynamicDense({ seed: 2, noBias: true }, 4, 4, 4);
    const cases = fc.sample(fc.tuple(value, value), { numRuns: 300, seed: 11 });
    const edges = [0, 2 ** -101, 2 ** -100, 255, 255 * 2 ** -20, 1 + 2 ** -23, 2 - 2 ** -23, 1, 3, 127.5].map((v) => [v, 0] as const);
    const inputs = [...cases, ...edges].map(([high, low]) =>
      Float32Array.from({ length: 16 }, (_, i) => (i % 3 === 0 ? high : -low / (i + 1))),
    );
    await check(graph, {}, inputs);
  });
});
