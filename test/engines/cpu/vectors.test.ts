/** Golden and generated op cases on the CPU engine, with zeros skipped and not. */
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { describeVectors } from "../vectors.ts";

const context = { readAsset: () => Promise.reject(new Error("the cpu engine reads no files")), now: () => performance.now() };

describeVectors("cpu", cpuEngine, context);
describeVectors("cpu:sparse=off", cpuEngine, context, {
  engineOptions: { sparse: "off" },
  only: ({ inputs }) => inputs[1]?.sparsity !== undefined,
});
