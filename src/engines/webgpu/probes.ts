/** The kernels that measure the device itself, ready to be encoded. */
import type { SharedDevice } from "./device.ts";
import type { GpuLedger } from "./ledger.ts";
import { requestPipeline } from "./pipelines.ts";
import type { ShaderReader } from "./shaders.ts";
import { f, u } from "./step.ts";

export type Encode = (pass: GPUComputePassEncoder, repeats: number) => void;

/** Threads of a workgroup of every probe: fills the units of all GPUs, and every device has as many. */
export const PROBE_WORKGROUP = 256;
const STORAGE_OUT_BYTES = 16;

export interface LoopSize {
  /** Turns of the loop, of four steps each. */
  readonly iterations: number;
  readonly groups: number;
}

/** A loop on registers (`f32_peak_…`, `i8_peak_…`). Its buffers are the ledger's. */
export async function peakStep(
  shared: SharedDevice,
  ledger: GpuLedger,
  read: ShaderReader,
  kernel: string,
  { iterations, groups }: LoopSize,
): Promise<Encode> {
  const isFloat = kernel.startsWith("f32");
  const out = ledger.create(kernel, groups * PROBE_WORKGROUP * (isFloat ? STORAGE_OUT_BYTES : 4), GPUBufferUsage.STORAGE);
  const words = [...u(iterations), ...(isFloat ? f(1, 0) : u(1, 0))];
  return ready(shared, ledger, read, kernel, words, [out], groups);
}

/** `bytes` from one buffer to another. */
export async function copyStep(shared: SharedDevice, ledger: GpuLedger, read: ShaderReader, bytes: number): Promise<Encode> {
  const buffers = ["copy to", "copy from"].map((label) => ledger.create(label, bytes, GPUBufferUsage.STORAGE));
  const count = bytes / 16;
  const groups = Math.min(Math.ceil(count / PROBE_WORKGROUP / 4), shared.facts.limits.maxComputeWorkgroupsPerDimension);
  return ready(shared, ledger, read, "any_peak_copy__wgsl", u(count), buffers, groups);
}

export async function emptyStep(shared: SharedDevice, read: ShaderReader): Promise<Encode> {
  const pipeline = await requestPipeline(shared, "any_peak_empty__wgsl", {}, read);
  return (pass, repeats) => {
    pass.setPipeline(pipeline);
    for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(1);
  };
}

async function ready(
  shared: SharedDevice,
  ledger: GpuLedger,
  read: ShaderReader,
  kernel: string,
  words: readonly number[],
  buffers: readonly GPUBuffer[],
  groups: number,
): Promise<Encode> {
  const { device } = shared;
  const pipeline = await requestPipeline(shared, kernel, { WG: PROBE_WORKGROUP }, read);
  const params = ledger.create(`${kernel} parameters`, words.length * 4, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  device.queue.writeBuffer(params, 0, Uint32Array.from(words));
  const entries = [params, ...buffers].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const bindGroup = device.createBindGroup({ label: kernel, layout: pipeline.getBindGroupLayout(0), entries });
  return (pass, repeats) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(groups);
  };
}
