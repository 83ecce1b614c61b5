/** Golden and generated op cases on the CPU engine, with zeros skipped and not. */
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { describeVectors } from "../vectors.ts";
import { cpuCases } from "./cases.ts";
import { context } from "./graphs.ts";

describeVectors("cpu", cpuEngine, context, { extra: cpuCases() });
describeVectors("cpu:sparse=off", cpuEngine, context, {
  engineOptions: { sparse: "off" },
  only: ({ inputs }) => inputs[1]?.sparsity !== undefined,
  extra: cpuCases().filter(({ inputs }) => inputs[1]?.sparsity !== undefined),
});
