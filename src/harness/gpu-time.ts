/** The GPU's own time of a record's inference, where the target has a GPU and that a clock. */
import type { Host } from "../hosts/host.ts";
import type { GpuSettings } from "../hosts/protocol.ts";
import type { GpuMs } from "../results/schema.ts";
import type { Inputs } from "./prepare.ts";

export const GPU_SETTINGS: GpuSettings = { samples: 30, limitMs: 1500 };

/** @returns undefined where nothing could be measured: absent in the record, never 0 */
export async function measureGpu(host: Host, inputs: Inputs): Promise<GpuMs | undefined> {
  const timing = await host.request("gpu", { inputs, settings: GPU_SETTINGS });
  if (timing?.spanMs === undefined) return undefined;
  const { spanMs, kernelsMs, samples, gridNs, dropped } = timing;
  return { span: spanMs, ...(kernelsMs === undefined ? {} : { kernels: kernelsMs }), n: samples, gridNs, dropped };
}
