/** Samples of the GPU's own time, and what is said of them. */
import type { GpuTime } from "../engines/engine.ts";
import { median } from "../stats/describe.ts";
import type { GpuSettings, GpuTiming } from "./protocol.ts";

/** Drivers raise clocks and finish compiling in the first submissions. */
const WARMUP_SAMPLES = 2;

/** @returns undefined as soon as the session has no GPU time to tell */
export async function sampleGpu(
  sample: () => Promise<GpuTime | undefined>,
  { samples, limitMs }: GpuSettings,
  report: (fraction: number) => Promise<void>,
): Promise<GpuTiming | undefined> {
  const spans: number[] = [];
  const sums: number[] = [];
  let dropped = 0;
  let taken = 0;
  let gridNs = 0;
  const begin = performance.now();
  while (taken < WARMUP_SAMPLES + samples && (taken <= WARMUP_SAMPLES || performance.now() - begin < limitMs)) {
    const time = await sample();
    if (time === undefined) return undefined;
    taken++;
    await report(taken / (WARMUP_SAMPLES + samples));
    if (taken <= WARMUP_SAMPLES) continue;
    ({ gridNs } = time);
    dropped += time.dropped;
    if (time.spanMs !== undefined) spans.push(time.spanMs);
    if (time.kernelsMs !== undefined) sums.push(time.kernelsMs);
  }
  return {
    ...(spans.length === 0 ? {} : { spanMs: median(spans) }),
    ...(sums.length === 0 ? {} : { kernelsMs: median(sums) }),
    samples: taken - WARMUP_SAMPLES,
    gridNs,
    dropped,
  };
}
