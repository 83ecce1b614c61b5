/** Limits that a device may have, smaller than any real one: refused before anything is made, with the limit's name and a remedy. */
import { describe, expect, it } from "vitest";
import type { DeviceFacts, DeviceLimits } from "../../../src/engines/webgpu/device.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import { parseOptions } from "../../../src/engines/webgpu/options.ts";
import { DeviceLimitError } from "../../../src/errors.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { LIMITS, denseGraph, randomGraph } from "./graphs.ts";

const SOFTWARE: DeviceFacts = { software: true, dot4: true, f16: false, subgroups: false, limits: LIMITS };
const HARDWARE: DeviceFacts = { ...SOFTWARE, software: false };

function refusal(graph: Graph, facts: DeviceFacts, limits: Partial<DeviceLimits>, options: Record<string, string> = {}): unknown {
  try {
    return lowerGraph(graph, { ...facts, limits: { ...LIMITS, ...limits } }, parseOptions(options));
  } catch (error) {
    return error;
  }
}

describe("device limits", () => {
  it.each<[string, Partial<DeviceLimits>, DeviceFacts, RegExp, RegExp]>([
    [
      "a buffer",
      { maxBufferSize: 16 },
      SOFTWARE,
      /^tensor "\w+" on webgpu: exceeds maxStorageBufferBindingSize, got \d+ bytes, expected at most 16\b/,
      /^use a smaller input or batch, or another target$/,
    ],
    [
      "a binding",
      { maxStorageBufferBindingSize: 16 },
      SOFTWARE,
      /^tensor "\w+" on webgpu: exceeds maxStorageBufferBindingSize, got \d+ bytes, expected at most 16\b/,
      /^use a smaller input or batch, or another target$/,
    ],
    [
      "the number of buffers",
      { maxStorageBuffersPerShaderStage: 1 },
      SOFTWARE,
      /^node "\w+" \(\w+\) on webgpu: exceeds maxStorageBuffersPerShaderStage, got [2-8] storage buffers, expected at most 1\b/,
      /^use a browser or driver that offers higher limits, or another target$/,
    ],
    [
      "threads on software",
      { maxComputeInvocationsPerWorkgroup: 8 },
      SOFTWARE,
      /^node "\w+" \(\w+\) on webgpu: exceeds maxComputeInvocationsPerWorkgroup, got 16 threads a workgroup, expected at most 8\b/,
      /^use a browser or driver that offers higher limits, or another target$/,
    ],
    [
      "threads on hardware",
      { maxComputeInvocationsPerWorkgroup: 32 },
      HARDWARE,
      /^node "\w+" \(\w+\) on webgpu: exceeds maxComputeInvocationsPerWorkgroup, got 64 threads a workgroup, expected at most 32\b/,
      /^use a browser or driver that offers higher limits, or another target$/,
    ],
  ])("%s beyond its limit is refused by name", (_, limits, facts, message, remedy) => {
    const error = refusal(randomGraph("float32", 3), facts, limits);
    expect(error).toBeInstanceOf(DeviceLimitError);
    expect((error as DeviceLimitError).message).toMatch(message);
    expect((error as DeviceLimitError).remedy).toMatch(remedy);
  });

  it("takes a kernel without workgroup memory where that is short", () => {
    const lowered = refusal(denseGraph("float32", 64, 64, 64), HARDWARE, { maxComputeWorkgroupStorageSize: 1000 });
    expect(lowered).toMatchObject({ steps: [{ kernel: "f32_gemm_direct_4x4__wgsl" }] });
  });

  it.each([SOFTWARE, HARDWARE])("does not refuse what every device has", (facts) => {
    expect(lowerGraph(randomGraph("float32", 3), facts, parseOptions({})).steps.length).toBeGreaterThan(0);
  });
});
