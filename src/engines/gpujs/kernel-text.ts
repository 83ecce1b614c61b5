/** From a kernel function to what gpu.js is given. */
import type { KernelSettings } from "./library.ts";
import type { Call } from "./lower/context.ts";

/** Loops whose bounds gpu.js does not recognize as constant end here at the latest; none of ours is longer. */
const LONGEST_LOOP = 2 ** 24;

/** @param outputs calls of the kernel function, or elements where it is called for each */
export function kernelSettings(call: Call, outputs: number): KernelSettings {
  return {
    output: [outputs],
    constants: call.constants,
    constantTypes: Object.fromEntries(Object.keys(call.constants).map((name) => [name, "Integer"])),
    pipeline: true,
    precision: "single",
    tactic: "precision",
    optimizeFloatMemory: !call.texels,
    loopMaxIterations: LONGEST_LOOP,
  };
}

/** gpu.js takes text: what the function itself refers to must be in it. */
export function kernelText(call: Call): string {
  return call.source.toString();
}
