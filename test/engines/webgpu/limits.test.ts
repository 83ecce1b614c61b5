/** Limits that a device may have, smaller than any real one: refused before anything is made, with the limit's name and a remedy. */
import { describe, expect, it } from "vitest";
import type { DeviceFacts, DeviceLimits } from "../../../src/engines/webgpu/device.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import { parseOptions } from "../../../src/engines/webgpu/options.ts";
import { DeviceLimitError } from "../../../src/errors.ts";
import { LIMITS, randomGraph } from "./graphs.ts";

describe("device limits", () => {
  it.each([
    ["maxBufferSize", 16],
    ["maxStorageBufferBindingSize", 16],
    ["maxStorageBuffersPerShaderStage", 1],
    ["maxComputeInvocationsPerWorkgroup", 32],
  ] as const)("%s of %i is refused by name", (name: keyof DeviceLimits, value) => {
    const facts: DeviceFacts = { software: true, dot4: true, f16: false, subgroups: false, limits: { ...LIMITS, [name]: value } };
    const error = ((): unknown => {
      try {
        return lowerGraph(randomGraph("float32", 3), facts, parseOptions({}));
      } catch (e) {
        return e;
      }
    })();
    expect(error).toBeInstanceOf(DeviceLimitError);
    expect((error as DeviceLimitError).message).toMatch(/exceeds max\w+, got \d+|no kernel fits the device/);
    expect((error as DeviceLimitError).remedy).not.toBe("");
  });

  it("does not refuse what every device has", () => {
    const facts: DeviceFacts = { software: true, dot4: true, f16: false, subgroups: false, limits: LIMITS };
    expect(lowerGraph(randomGraph("float32", 3), facts, parseOptions({})).steps.length).toBeGreaterThan(0);
  });
});
