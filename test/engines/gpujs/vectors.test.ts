/** Golden and generated op cases in gpu.js's CPU mode. */
import { gpuJsCpuEngine } from "../../../src/engines/gpujs/index.ts";
import { context } from "../cpu/graphs.ts";
import { describeVectors } from "../vectors.ts";

describeVectors("gpujs-cpu", gpuJsCpuEngine, context, {
  only: ({ inputs, output }) => [...inputs, output].every(({ dtype }) => dtype === "float32"),
});
