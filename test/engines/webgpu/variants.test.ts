/** The op vectors again on the kernels that the default choice leaves out here, and on dispatches that fold into y. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { compareOutputs } from "../../../src/engines/tolerance.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import type { WebGpuOptions } from "../../../src/engines/webgpu/options.ts";
import { WebGpuSession } from "../../../src/engines/webgpu/session.ts";
import { UnsupportedError } from "../../../src/errors.ts";
import { wgslKernel } from "../../../src/kernels/wgsl.ts";
import { allCases, describeVectors, prepareCase } from "../vectors.ts";
import type { OpCase } from "../vectors.ts";
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

const isProduct = (c: OpCase): boolean => c.op === "Dense" || (c.op === "Conv2D" && c.name !== "weights at run time");
const isInteger = (c: OpCase): boolean => c.inputs[0]!.dtype !== "float32";

describeVectors("webgpu:gemm=split", webgpuEngine, testContext, { engineOptions: { gemm: "split" }, only: isProduct });
describeVectors("webgpu:dot4=unpack", webgpuEngine, testContext, {
  engineOptions: { dot4: "unpack" },
  only: (c) => isProduct(c) && isInteger(c),
});
describeVectors("webgpu:dot4=unpack,gemm=tiled", webgpuEngine, testContext, {
  engineOptions: { dot4: "unpack", gemm: "tiled" },
  only: (c) => isProduct(c) && isInteger(c),
});
describeVectors("webgpu:sparse=on", webgpuEngine, testContext, { engineOptions: { sparse: "on" }, only: isProduct });
describeVectors("webgpu:sparse=off", webgpuEngine, testContext, {
  engineOptions: { sparse: "off" },
  only: (c) => isProduct(c) && c.inputs[1]?.sparsity !== undefined,
});

describe("dispatches folded into y", () => {
  it("give the same results in every flat kernel", async () => {
    const limits = { ...shared.facts.limits, maxComputeWorkgroupsPerDimension: 3 };
    const options: WebGpuOptions = { gemm: "auto", dot4: "auto", sparse: "auto", coded: "auto" };
    const read = async (path: string): Promise<string> => new TextDecoder().decode(await context.readAsset(`shaders/${path}`));
    const folded = new Set<string>();
    for (const opCase of allCases()) {
      const prepared = prepareCase(opCase);
      let lowered;
      try {
        lowered = lowerGraph(prepared.graph, { ...shared.facts, limits }, options);
      } catch (error) {
        // Beyond the pretended limit, or not on this engine at all.
        if (error instanceof UnsupportedError || (error instanceof Error && error.message.includes("maxComputeWorkgroupsPerDimension")))
          continue;
        throw error;
      }
      const kernels = lowered.steps.filter((step) => step.groups[1] > 1).map((step) => step.kernel);
      if (kernels.length === 0) continue;
      for (const kernel of kernels) folded.add(wgslKernel(kernel).file!);
      const session = await WebGpuSession.create(prepared.graph, shared.acquire(), lowered, read, context.now);
      const outputs = await session.run(prepared.inputs);
      session.dispose();
      const comparison = compareOutputs([prepared.expected], outputs, prepared.tolerance);
      expect(comparison.pass, `${prepared.title}: ${comparison.message}`).toBe(true);
    }
    expect(folded.size).toBeGreaterThan(3);
  });
});
