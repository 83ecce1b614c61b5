/** Layers that quantize their input at run time on the GPU: equal to the CPU engine to the bit, with every kernel and its grid. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import type { EngineContext } from "../../../src/engines/engine.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { dynamicConv, dynamicDense, dynamicGraphs, dynamicInput } from "../dynamic.ts";
import { keepDevice, testContext } from "./context.ts";

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
