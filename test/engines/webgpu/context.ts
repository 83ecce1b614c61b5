/**
 * The GPU of WebGPU tests, as the global setup arranged it, and a context for the engine. One GPU object a test file, referenced from here
 * so that it is not collected; `keepDevice` holds the engine's shared device and its compiled pipelines across sessions.
 */
import { readFile } from "node:fs/promises";
import { acquireDevice } from "../../../src/engines/webgpu/device.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { openNodeGpu } from "../../../src/hosts/gpu.ts";

const ROOT = new URL("../../../", import.meta.url);

let gpu: Promise<GPU> | undefined;

export function testGpu(): Promise<GPU> {
  gpu ??= openNodeGpu();
  return gpu;
}

export async function testContext(): Promise<EngineContext> {
  return { readAsset: (path) => readFile(new URL(path, ROOT)), now: () => performance.now(), gpu: await testGpu() };
}

export async function keepDevice(): Promise<SharedDevice> {
  return acquireDevice(await testGpu());
}
