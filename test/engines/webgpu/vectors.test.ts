/** Every op vector on WebGPU. */
import { afterAll, beforeAll } from "vitest";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { describeVectors } from "../vectors.ts";
import { keepDevice, testContext } from "./context.ts";

let shared: SharedDevice;
beforeAll(async () => {
  shared = await keepDevice();
});
afterAll(() => {
  shared.release();
});

describeVectors("webgpu", webgpuEngine, testContext, {
  declines: [
    // GPUs have no float64 and no int64.
    "Binary: float64",
    "Binary: int64: shape arithmetic",
    "Binary: int64: division",
    "Cast: double to float",
    "Reduce: int64 prod",
    "Unary: float64 erf keeps its digits",
    // Plain integers beyond indices and flags.
    "Cast: float to int8 saturates",
    "Cast: int32 to uint8 wraps",
    "Unary: int32 neg and abs",
    // Grids wider than 8 bits.
    "Quantize: int16",
    "Requantize: int32 to int8",
    // Weights are packed when the graph is compiled.
    "Conv2D: weights at run time",
  ],
});
