/**
 * The timing loop: warm up until steady, then sample until the median is known well enough. Runs inside the host, with the host's
 * clock injected, so tests drive it with a fake one. No sample is dropped: they are kept in order, or all taken anew where they show that
 * the warm-up was too short.
 *
 * Warm-up: BenchmarkDotNet's rule (at least four changes of direction between consecutive times) is not enough under V8, whose
 * compilers replace code by a faster version after up to a second; so a floor in time is added, and the last quarter of the warm-up
 * must not be faster than the quarter before it.
 * Short calls are timed in blocks so that the clock's step is at most 1 % of a sample; a sample is then the mean of its block.
 */
import { median } from "../stats/describe.ts";
import { medianInterval } from "../stats/interval.ts";

export interface SamplingSettings {
  readonly warmup: { readonly floorMs: number; readonly maxMs: number; readonly minRuns: number };
  /** Samples that every run should have. */
  readonly minSamples: number;
  /** Samples that may do once `timeLimitMs` is over: `minSamples` on hardware, fewer on a software GPU. */
  readonly floorSamples: number;
  readonly maxSamples: number;
  /** Half-width of the median's 95 % interval over the median at which sampling may stop. */
  readonly precision: number;
  /** Samples are spread over at least this long. */
  readonly minTimeMs: number;
  readonly timeLimitMs: number;
  /** A block lasts at least this many steps of the clock. */
  readonly blockClockSteps: number;
}

export type StopReason = "settled" | "max-samples" | "time-limit";

export interface SamplingResult {
  /** Milliseconds of one inference, in order; means of blocks where `blockCalls` > 1. */
  readonly samples: readonly number[];
  /** Inferences timed together as one sample. */
  readonly blockCalls: number;
  readonly stopReason: StopReason;
  /** `restarts`: how often samples turned out to be warm-up, and were taken anew. */
  readonly warmup: { readonly runs: number; readonly ms: number; readonly restarts: number; readonly steady: boolean };
  /** Smallest step that the clock was seen to make, milliseconds. */
  readonly clockStepMs: number;
}

export interface SamplingHooks {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Called between samples, outside any timed region; may wait. `fraction` 0..1 of the time that the phase may take. */
  readonly progress?: (phase: "warming up" | "timing", fraction: number, ms?: number) => Promise<void>;
}

/** Steadiness: the last quarter of the warm-up may be at most this much faster than the quarter before it. */
const STILL_FASTER = 0.03;
/** Median of the first half of the samples over that of the second, less 1. */
const SPEED_UP = 0.05;
const MAX_RESTARTS = 2;
const MIN_DIRECTION_CHANGES = 4;
/** Quarters with fewer calls say nothing; slow models rely on the direction changes alone. */
const MIN_QUARTER_CALLS = 4;

/** @param call one inference; `index` counts all calls, warm-up included, so that the caller can rotate over inputs */
export async function sampleLatency(
  call: (index: number) => Promise<unknown>,
  settings: SamplingSettings,
  hooks: SamplingHooks,
): Promise<SamplingResult> {
  const { now } = hooks;
  const clockStepMs = clockStep(now);
  let index = 0;
  const timed = async (calls: number): Promise<number> => {
    const begin = now();
    for (let i = 0; i < calls; i++) await call(index++);
    return now() - begin;
  };

  const warm = await warmUp(timed, settings, hooks);
  const blockCalls = Math.max(1, Math.ceil((settings.blockClockSteps * clockStepMs) / Math.max(warm.callMs, clockStepMs / 1000)));

  let attempt = await sample(timed, blockCalls, settings, hooks);
  let { runs, ms } = warm;
  let restarts = 0;
  // A compiler that came late: what was sampled before it was warm-up after all.
  while (isSpeedingUp(attempt.samples) && restarts < MAX_RESTARTS) {
    restarts++;
    runs += attempt.calls;
    ms += attempt.ms;
    attempt = await sample(timed, blockCalls, settings, hooks);
  }
  const { samples, stopReason } = attempt;
  const steady = restarts === 0 ? warm.steady : !isSpeedingUp(samples);
  return { samples, blockCalls, stopReason, warmup: { runs, ms, restarts, steady }, clockStepMs };
}

interface Attempt {
  readonly samples: readonly number[];
  readonly stopReason: StopReason;
  readonly calls: number;
  readonly ms: number;
}

async function sample(
  timed: (calls: number) => Promise<number>,
  blockCalls: number,
  settings: SamplingSettings,
  { now, progress }: SamplingHooks,
): Promise<Attempt> {
  const samples: number[] = [];
  const begin = now();
  const spacingMs = settings.minTimeMs / settings.maxSamples;
  let nextCheck = settings.floorSamples;
  let calls = 0;
  for (;;) {
    samples.push((await timed(blockCalls)) / blockCalls);
    calls += blockCalls;
    const elapsed = now() - begin;
    if (samples.length >= nextCheck || samples.length >= settings.maxSamples || elapsed >= settings.timeLimitMs) {
      const stopReason = decide(samples, elapsed, settings);
      if (stopReason !== undefined) return { samples, stopReason, calls, ms: elapsed };
      nextCheck = Math.max(settings.minSamples, Math.ceil(samples.length * 1.1));
    }
    await progress?.("timing", Math.min(1, elapsed / settings.timeLimitMs), samples.at(-1));
    // Fast models: untimed calls in between spread the samples over minTimeMs, so that they see more than one moment of the machine.
    while (now() - begin < samples.length * spacingMs) {
      await timed(1);
      calls++;
    }
  }
}

/** The second half of the samples is faster than the first by more than chance and by more than matters. */
export function isSpeedingUp(samples: readonly number[]): boolean {
  const half = samples.length >> 1;
  const early = medianInterval(samples.slice(0, half));
  const late = medianInterval(samples.slice(samples.length - half));
  return early !== undefined && late !== undefined && early.low > late.high && early.median > late.median * (1 + SPEED_UP);
}

function decide(samples: readonly number[], elapsedMs: number, settings: SamplingSettings): StopReason | undefined {
  const settled = relativeHalfWidth(samples) <= settings.precision;
  if (settled && samples.length >= settings.minSamples && elapsedMs >= settings.minTimeMs) return "settled";
  if (samples.length >= settings.maxSamples) return settled ? "settled" : "max-samples";
  if (elapsedMs >= settings.timeLimitMs && samples.length >= settings.floorSamples) return "time-limit";
  return undefined;
}

/** Half the median's interval over the median; Infinity where there are too few samples for an interval. */
function relativeHalfWidth(samples: readonly number[]): number {
  const interval = medianInterval(samples);
  if (interval === undefined) return Infinity;
  return interval.median > 0 ? (interval.high - interval.low) / 2 / interval.median : 0;
}

interface WarmUp {
  readonly runs: number;
  readonly ms: number;
  readonly steady: boolean;
  /** Time of one call at the end. */
  readonly callMs: number;
}

async function warmUp(timed: (calls: number) => Promise<number>, settings: SamplingSettings, hooks: SamplingHooks): Promise<WarmUp> {
  const { floorMs, maxMs, minRuns } = settings.warmup;
  const begin = hooks.now();
  const times: number[] = [];
  /** When each call ended, from the beginning. */
  const ends: number[] = [];
  let changes = 0;
  let falling = true;
  let nextCheckMs = floorMs;
  for (;;) {
    const ms = await timed(1);
    const before = times.at(-1);
    if (before !== undefined && (ms === before || ms < before !== falling)) {
      changes++;
      falling = ms < before;
    }
    times.push(ms);
    const elapsed = hooks.now() - begin;
    ends.push(elapsed);
    const done = times.length >= minRuns && elapsed >= floorMs;
    if (done && (elapsed >= nextCheckMs || elapsed >= maxMs)) {
      nextCheckMs = elapsed * 1.1;
      const steady = changes >= MIN_DIRECTION_CHANGES && !isGettingFaster(times, ends);
      if (steady || elapsed >= maxMs)
        return { runs: times.length, ms: elapsed, steady, callMs: median(times.slice(Math.floor(times.length / 2))) };
    }
    await hooks.progress?.("warming up", Math.min(1, elapsed / maxMs), ms);
  }
}

function isGettingFaster(times: readonly number[], ends: readonly number[]): boolean {
  const total = ends.at(-1) ?? 0;
  const half = ends.findIndex((end) => end > total / 2);
  const threeQuarters = ends.findIndex((end) => end > (total * 3) / 4);
  const earlier = times.slice(half, threeQuarters);
  const last = times.slice(threeQuarters);
  if (earlier.length < MIN_QUARTER_CALLS || last.length < MIN_QUARTER_CALLS) return false;
  return median(last) < median(earlier) * (1 - STILL_FASTER);
}

/** Smallest positive difference between neighbouring readings, milliseconds. */
export function clockStep(now: () => number): number {
  let step = Infinity;
  let last = now();
  let seen = 0;
  // A coarse clock (1 ms in some browsers) repeats its value many times; the bound keeps a stopped clock from hanging us.
  for (let i = 0; i < 1_000_000 && seen < 50; i++) {
    const reading = now();
    if (reading > last) {
      step = Math.min(step, reading - last);
      seen++;
      last = reading;
    }
  }
  return Number.isFinite(step) ? step : 0.001;
}
