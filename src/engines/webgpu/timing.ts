/**
 * GPU time of a session's dispatches, apart from `run`. Kernels are timed one by one, each in a pass of its own, since WebGPU writes
 * timestamps around passes only; an inference as a whole is timed in one pass, as `run` encodes it. The two differ: kernels may overlap
 * within a pass, and between passes the device idles.
 */
import type { GpuTime, NodeProfile } from "../engine.ts";
import type { SharedDevice } from "./device.ts";
import { encodeStep } from "./encode.ts";
import type { ReadyStep } from "./encode.ts";
import { timestampGrid } from "./grid.ts";
import type { GpuLedger } from "./ledger.ts";
import type { ShaderReader } from "./shaders.ts";
import { timeRepeated } from "./timestamps.ts";
import type { RegionReport, Repeatable } from "./timestamps.ts";

export class StepTimer {
  private readonly shared: SharedDevice;
  private readonly ledger: GpuLedger;
  private readonly steps: readonly ReadyStep[];
  private readonly read: ShaderReader;
  private readonly now: () => number;
  /** With the repetitions that proved necessary so far. A step reads and writes different buffers, so once more changes nothing. */
  private readonly kernels: readonly Repeatable[];
  /**
   * Repeated inferences read what the one before left in the input buffers, which activations may share by then: other values, the same
   * work.
   */
  private readonly inference: Repeatable;

  constructor(shared: SharedDevice, ledger: GpuLedger, steps: readonly ReadyStep[], read: ShaderReader, now: () => number) {
    this.shared = shared;
    this.ledger = ledger;
    this.steps = steps;
    this.read = read;
    this.now = now;
    this.kernels = steps.map((step) => ({ repeats: 1, encode: (pass, repeats) => encodeStep(pass, step, repeats) }));
    this.inference = {
      repeats: 1,
      encode: (pass, repeats) => {
        for (let i = 0; i < repeats; i++) for (const step of steps) encodeStep(pass, step);
      },
    };
  }

  /** By the GPU's clock; where it has none, wall time of a submission for each dispatch. Kernels that could not be timed are left out. */
  async profile(): Promise<readonly NodeProfile[]> {
    const gridNs = await timestampGrid(this.shared, this.read);
    if (gridNs === undefined) return this.profileByWall();
    const { times } = await this.timeKernels(gridNs);
    return times.flatMap((time, i) => {
      if (time === undefined) return [];
      return [{ ...named(this.steps[i]!), ...time }];
    });
  }

  /** One sample each of the inference as a whole and of all kernels; undefined where the device has no timestamps, or nothing to time. */
  async gpuTime(): Promise<GpuTime | undefined> {
    const gridNs = await timestampGrid(this.shared, this.read);
    if (gridNs === undefined || this.steps.length === 0) return undefined;
    const whole = await timeRepeated(this.shared, this.ledger, [this.inference], gridNs);
    const parts = await this.timeKernels(gridNs);
    const [inference] = whole.times;
    // A sum without some of its parts would flatter.
    const kernels = parts.times.flatMap((time) => (time === undefined ? [] : [time.ms]));
    return {
      gridNs,
      dropped: whole.dropped + parts.dropped,
      ...(inference === undefined ? {} : { spanMs: inference.ms }),
      ...(kernels.length === parts.times.length ? { kernelsMs: kernels.reduce((sum, ms) => sum + ms, 0) } : {}),
    };
  }

  private timeKernels(gridNs: number): Promise<RegionReport> {
    return timeRepeated(this.shared, this.ledger, this.kernels, gridNs);
  }

  private async profileByWall(): Promise<readonly NodeProfile[]> {
    const { device } = this.shared;
    const results: NodeProfile[] = [];
    await this.shared.guard(device.queue.onSubmittedWorkDone());
    for (const ready of this.steps) {
      const start = this.now();
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass({ label: ready.step.kernel });
      encodeStep(pass, ready);
      pass.end();
      device.queue.submit([encoder.finish()]);
      await this.shared.guard(device.queue.onSubmittedWorkDone());
      results.push({ ...named(ready), ms: this.now() - start });
    }
    return results;
  }
}

function named({ step: { node, op, kernel, fused, helper } }: ReadyStep): Omit<NodeProfile, "ms"> {
  return { node, op, kernel, ...(fused && { fused }), ...(helper && { helper }) };
}
