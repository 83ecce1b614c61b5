/** Whole nets with int16 activations: the same bits on the CPU, WASM and WebGPU engines, and no node of WASM that runs elsewhere. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../../src/engines/engine.ts";
import { cpuEngine } from "../../src/engines/cpu/index.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import type { SharedDevice } from "../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../src/engines/webgpu/index.ts";
import { INT16_MODELS, noiseFor } from "./models.ts";
import { context as wasmContext } from "./wasm/context.ts";
import { keepDevice, testContext } from "./webgpu/context.ts";

let shared: SharedDevice;
let gpuContext: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  gpuContext = await testContext();
});
afterAll(() => {
  shared.release();
});

describe.each(INT16_MODELS)("$name", ({ load }) => {
  it("gives the same bits on three engines", { timeout: 120_000 }, async () => {
    const graph = await load();
    const cpu = await cpuEngine.compile(graph, wasmContext, {});
    const wasm = await wasmEngine.compile(graph, wasmContext, {});
    const scalar = await wasmEngine.compile(graph, wasmContext, { simd: "off" });
    const gpu = await webgpuEngine.compile(graph, gpuContext, {});
    for (const seed of [1, 2]) {
      const inputs = noiseFor(graph, seed);
      const want = await cpu.run(inputs);
      expect(want[0]!.some((v) => v !== want[0]![0])).toBe(true);
      expect(await wasm.run(inputs)).toEqual(want);
      expect(await scalar.run(inputs)).toEqual(want);
      expect(await gpu.run(inputs)).toEqual(want);
    }
    expect(wasm.placement().filter(({ engine }) => engine !== "wasm")).toEqual([]);
    // Without vector instructions there is no int16 kernel, and placement says so.
    expect(scalar.placement().filter(({ op, engine }) => op === "Dense" && engine !== "cpu")).toEqual([]);
    for (const session of [cpu, wasm, scalar, gpu]) session.dispose();
  });
});
