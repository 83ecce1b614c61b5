/**
 * What a submission costs before any kernel computes: a ladder of empty dispatches, from submit to the mapped result as `run` does it. The
 * line through their times gives the fixed part and the part of each dispatch (Criterion's slope, on the GPU).
 */
import { fitLine } from "../../stats/line.ts";
import { median } from "../../stats/describe.ts";
import type { SharedDevice } from "./device.ts";
import { GpuLedger } from "./ledger.ts";
import { emptyStep } from "./probes.ts";
import type { ShaderReader } from "./shaders.ts";

export interface Overhead {
  /** A submission with its read-back: milliseconds from submit to mapped, without any dispatch. */
  readonly submitReadMs: number;
  /** Each dispatch; absent where it is lost in the noise. */
  readonly dispatchMs?: number;
}

export const LADDER: readonly number[] = [0, 1, 2, 4, 8, 16, 32, 64];
const WARMUP_ROUNDS = 3;
const LEAST_ROUNDS = 7;
const MOST_ROUNDS = 25;
const LIMIT_MS = 250;
const READ_BYTES = 16;

export async function measureOverhead(shared: SharedDevice, read: ShaderReader, now: () => number): Promise<Overhead> {
  const { device } = shared;
  const encode = await emptyStep(shared, read);
  const ledger = new GpuLedger(device);
  try {
    const source = ledger.create("ladder", READ_BYTES, GPUBufferUsage.COPY_SRC);
    const staging = ledger.create("ladder read", READ_BYTES, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    const rung = async (dispatches: number): Promise<number> => {
      const start = now();
      const encoder = device.createCommandEncoder({ label: "ladder" });
      const pass = encoder.beginComputePass();
      encode(pass, dispatches);
      pass.end();
      encoder.copyBufferToBuffer(source, 0, staging, 0, READ_BYTES);
      device.queue.submit([encoder.finish()]);
      await shared.guard(staging.mapAsync(GPUMapMode.READ));
      staging.getMappedRange();
      staging.unmap();
      return now() - start;
    };
    return overheadOf(await climb(rung, now));
  } finally {
    ledger.destroyAll();
  }
}

/** Rung by rung and round by round, so that a change of the machine's mood meets all alike. */
async function climb(rung: (dispatches: number) => Promise<number>, now: () => number): Promise<readonly (readonly number[])[]> {
  const samples = LADDER.map((): number[] => []);
  for (let i = 0; i < WARMUP_ROUNDS; i++) for (const dispatches of LADDER) await rung(dispatches);
  const begin = now();
  for (let round = 0; round < MOST_ROUNDS && (round < LEAST_ROUNDS || now() - begin < LIMIT_MS); round++) {
    for (const [i, dispatches] of LADDER.entries()) samples[i]!.push(await rung(dispatches));
  }
  return samples;
}

/** @param samples per entry of LADDER, milliseconds */
export function overheadOf(samples: readonly (readonly number[])[]): Overhead {
  const points = LADDER.map((dispatches, i) => [dispatches, median(samples[i] ?? [])] as const);
  const { intercept, slope } = fitLine(points);
  // The line may miss the first rung by the noise of the last; what was measured without dispatches bounds it.
  const submitReadMs = intercept > 0 ? intercept : points[0]![1];
  return slope > 0 ? { submitReadMs, dispatchMs: slope } : { submitReadMs };
}
