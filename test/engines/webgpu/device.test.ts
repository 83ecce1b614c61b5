/** Which adapters count as software, and what a lost device turns into. */
import { describe, expect, it, vi } from "vitest";
import { SharedDevice, acquireDevice, isSoftwareAdapter } from "../../../src/engines/webgpu/device.ts";
import type { AdapterIdentity } from "../../../src/engines/webgpu/device.ts";
import { DeviceFailure } from "../../../src/errors.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { keepDevice, testContext, testGpu } from "./context.ts";
import { LIMITS, denseGraph } from "./graphs.ts";

const identity = (description: string, rest: Partial<AdapterIdentity> = {}): AdapterIdentity => ({
  vendor: "",
  architecture: "",
  device: "",
  description,
  isFallbackAdapter: false,
  ...rest,
});

describe("isSoftwareAdapter", () => {
  it.each([
    identity("SwiftShader driver 5.0.0"),
    identity("", { architecture: "swiftshader" }),
    identity("llvmpipe (LLVM 19.1.7, 256 bits)"),
    identity("Microsoft Basic Render Driver"),
    identity("anything", { isFallbackAdapter: true }),
  ])("%j is software", (info) => {
    expect(isSoftwareAdapter(info)).toBe(true);
  });

  it.each([
    identity("NVIDIA GeForce RTX 4090"),
    identity("AMD Radeon 780M (RADV PHOENIX)", { vendor: "amd", architecture: "rdna-3" }),
    identity("", { vendor: "apple", architecture: "common-3" }),
    identity("Intel(R) Arc(tm) Graphics (MTL)"),
  ])("%j is hardware", (info) => {
    expect(isSoftwareAdapter(info)).toBe(false);
  });
});

interface FakeDevice {
  readonly shared: SharedDevice;
  readonly lose: (reason: GPUDeviceLostReason, message: string) => Promise<void>;
  readonly report: (message: string) => void;
  readonly onEmpty: () => void;
}

function fakeDevice(): FakeDevice {
  let lose: (info: GPUDeviceLostInfo) => void = () => undefined;
  const lost = new Promise<GPUDeviceLostInfo>((resolve) => (lose = resolve));
  let listener: (event: unknown) => void = () => undefined;
  const device = { lost, destroy: vi.fn(), addEventListener: (_: string, l: (event: unknown) => void) => (listener = l) };
  const facts = { software: true, dot4: true, f16: false, subgroups: false, limits: LIMITS };
  const onEmpty = vi.fn();
  return {
    shared: new SharedDevice({} as GPU, device as unknown as GPUDevice, facts, onEmpty),
    lose: async (reason, message) => {
      lose({ reason, message } as GPUDeviceLostInfo);
      await lost;
      await Promise.resolve();
    },
    report: (message) => listener({ error: { message } }),
    onEmpty,
  };
}

describe("SharedDevice", () => {
  it("turns a loss into a failure with a remedy", async () => {
    const { shared, lose, onEmpty } = fakeDevice();
    shared.assertUsable();
    await lose("unknown", "driver reset");
    expect(() => shared.assertUsable()).toThrow(DeviceFailure);
    expect(() => shared.assertUsable()).toThrow(/device was lost, got reason "unknown": driver reset/);
    expect(shared.lost?.remedy).not.toBe("");
    expect(onEmpty).toHaveBeenCalledTimes(1);
  });

  it("does not call its own destroy a loss", async () => {
    const { shared, lose } = fakeDevice();
    shared.acquire().release();
    await lose("destroyed", "");
    expect(() => shared.assertUsable()).not.toThrow();
  });

  it("calls it a loss when somebody else destroys the device", async () => {
    const { shared, lose, onEmpty } = fakeDevice();
    shared.acquire();
    await lose("destroyed", "by hand");
    expect(() => shared.assertUsable()).toThrow(/device was lost, got reason "destroyed": by hand/);
    expect(onEmpty).toHaveBeenCalledTimes(1);
  });

  it("reports an error that no scope caught as ours", () => {
    const { shared, report } = fakeDevice();
    report("bad binding");
    report("second");
    expect(() => shared.assertUsable()).toThrow(/internal: webgpu reported: bad binding/);
  });

  it("is shared while somebody holds it and opened anew afterwards", async () => {
    const first = await keepDevice();
    const second = await acquireDevice(await testGpu());
    expect(second).toBe(first);
    first.release();
    second.release();
    const third = await keepDevice();
    expect(third).not.toBe(first);
    third.release();
  });
});

describe("a device that somebody destroys", () => {
  it("fails the session that had it, by type, and the next session gets a fresh one", async () => {
    const gpu = await testGpu();
    const context = { ...(await testContext()), gpu };
    const graph = denseGraph("float32", 4, 4, 4);
    const shared = await acquireDevice(gpu);
    const session = await webgpuEngine.compile(graph, context, {});
    const input = new Float32Array(16).fill(1);
    const expected = await session.run([input]);
    shared.device.destroy();
    const error: unknown = await session.run([input]).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DeviceFailure);
    expect((error as DeviceFailure).code).toBe("device-lost");
    session.dispose();
    shared.release();
    const next = await webgpuEngine.compile(graph, context, {});
    expect(await next.run([input])).toEqual(expected);
    next.dispose();
  });
});
