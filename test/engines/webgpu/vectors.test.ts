/** Every op vector on WebGPU. */
import { afterAll, beforeAll } from "vitest";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { describeVectors } from "../vectors.ts";
import { keepDevice, testContext } from "./context.ts";
import { WEBGPU_DECLINES } from "./declines.ts";

let shared: SharedDevice;
beforeAll(async () => {
  shared = await keepDevice();
});
afterAll(() => {
  shared.release();
});

describeVectors("webgpu", webgpuEngine, testContext, { declines: WEBGPU_DECLINES });
