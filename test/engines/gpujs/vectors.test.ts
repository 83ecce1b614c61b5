/** Golden and generated op cases in gpu.js's CPU mode. */
import { gpuJsCpuEngine } from "../../../src/engines/gpujs/index.ts";
import { context } from "../cpu/graphs.ts";
import { describeVectors } from "../vectors.ts";
import { GPUJS_DECLINES, isFloatCase } from "./declines.ts";

describeVectors("gpujs-cpu", gpuJsCpuEngine, context, { only: isFloatCase, declines: GPUJS_DECLINES });
