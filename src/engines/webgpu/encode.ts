/** A dispatch with everything that it needs on the device. */
import type { Step } from "./step.ts";

export interface ReadyStep {
  readonly step: Step;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
}

export function encodeStep(pass: GPUComputePassEncoder, { step, pipeline, bindGroup }: ReadyStep, repeats = 1): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(...step.groups);
}
