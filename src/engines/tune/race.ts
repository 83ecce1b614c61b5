/**
 * Which of several ways to do the same is the fastest here: round-robin single samples, so that a change of the machine's mood meets all
 * alike; whoever is clearly behind after three rounds is out. The default stays unless another beats it by more than the noise.
 */
import { median } from "../../stats/describe.ts";
import { medianInterval } from "../../stats/interval.ts";

export interface Racer {
  readonly name: string;
  /** Executes once. @returns milliseconds of the execution alone */
  readonly call: () => Promise<number>;
}

export interface RaceSettings {
  /** A racer is warm when `windowMs` of calls are no faster than the window before, and `floorMs` are over. */
  readonly warmup: { readonly floorMs: number; readonly windowMs: number; readonly maxMs: number };
  /** A sample is the mean of as many calls as fill this. */
  readonly blockMs: number;
  readonly rounds: number;
  /** After three rounds, who takes so many times as long as the fastest is out; absent: all stay. */
  readonly outAt?: number;
  /** No further round after this long; the first three are always run. */
  readonly limitMs: number;
}

export const RACE_SETTINGS: RaceSettings = {
  // V8 replaces baseline code by optimized code after some hundred milliseconds of use (Node 20.20, 2026-11-24).
  warmup: { floorMs: 300, windowMs: 60, maxMs: 1500 },
  blockMs: 0.5,
  rounds: 17,
  outAt: 1.5,
  limitMs: 400,
};

/** Rounds after which who is slow may be sent home. */
const FIRST_ROUNDS = 3;
/** Windows: faster than the one before by this share means that a compiler is still at work. */
const STILL_FASTER = 0.03;
/** What a winner gains at least, at the low end of the interval: below, two runs of one kernel differ as much. */
export const LEAST_GAIN = 0.02;
const LEAST_CALLS = 3;

/** Name → milliseconds of one call, one sample a round, in order; racers that were sent home have fewer. */
export type RaceSamples = ReadonlyMap<string, readonly number[]>;

export interface RaceResult {
  readonly samples: RaceSamples;
  /** Name → calls that a sample is the mean of. */
  readonly calls: ReadonlyMap<string, number>;
}

/**
 * @param racers the first is the default: it stays in to the end, since the others are compared with it
 * @param floorMs least warm-up of a racer: the settings' for code that has not run yet, less for code that has
 */
export async function race(
  racers: readonly Racer[],
  settings: RaceSettings,
  now: () => number,
  floorMs: (name: string) => number = () => settings.warmup.floorMs,
): Promise<RaceResult> {
  const samples = new Map<string, number[]>();
  const calls = new Map<string, number>();
  for (const racer of racers) {
    const callMs = await warmUp(racer, settings, now, floorMs(racer.name));
    calls.set(racer.name, callMs > 0 ? Math.max(1, Math.ceil(settings.blockMs / callMs)) : 1);
    samples.set(racer.name, []);
  }
  let running = racers;
  const begin = now();
  for (let round = 1; round <= settings.rounds; round++) {
    for (const racer of running) samples.get(racer.name)!.push(await mean(racer, calls.get(racer.name)!));
    if (round < FIRST_ROUNDS) continue;
    if (settings.outAt !== undefined) {
      running = withoutSlow(running, samples, settings.outAt);
      if (running.length < 2) break;
    }
    if (now() - begin >= settings.limitMs) break;
  }
  return { samples, calls };
}

function withoutSlow(running: readonly Racer[], samples: RaceSamples, outAt: number): readonly Racer[] {
  const typical = running.map(({ name }) => median(samples.get(name)!));
  const leader = Math.min(...typical);
  return running.filter((_, i) => i === 0 || typical[i]! <= outAt * leader);
}

/** @returns milliseconds of a call at the end */
async function warmUp(racer: Racer, { warmup }: RaceSettings, now: () => number, floorMs: number): Promise<number> {
  const begin = now();
  const windowMs = Math.min(warmup.windowMs, floorMs);
  let before = Infinity;
  for (;;) {
    const start = now();
    const times: number[] = [];
    do times.push(await racer.call());
    while ((times.length < LEAST_CALLS || now() - start < windowMs) && now() - begin < warmup.maxMs);
    const typical = median(times);
    const elapsed = now() - begin;
    if (elapsed >= warmup.maxMs || (elapsed >= floorMs && typical >= before * (1 - STILL_FASTER))) return typical;
    before = typical;
  }
}

async function mean({ call }: Racer, calls: number): Promise<number> {
  let total = 0;
  for (let i = 0; i < calls; i++) total += await call();
  return total / calls;
}

export interface Verdict {
  readonly winner: string;
  /** Median over rounds of default / winner; 1 for the default. */
  readonly gain: number;
  /** Rounds that default and winner were compared in. */
  readonly rounds: number;
}

/** @param samples at least the default's */
export function judge(samples: RaceSamples, defaultName: string): Verdict {
  const own = samples.get(defaultName) ?? [];
  let best: Verdict = { winner: defaultName, gain: 1, rounds: own.length };
  let bestMedian = Infinity;
  for (const [name, times] of samples) {
    if (name === defaultName || times.length === 0) continue;
    const ratios = times.flatMap((ms, round) => (own[round] === undefined || ms <= 0 ? [] : [own[round] / ms]));
    const interval = medianInterval(ratios);
    if (interval === undefined || interval.low <= 1 + LEAST_GAIN || median(times) >= bestMedian) continue;
    bestMedian = median(times);
    best = { winner: name, gain: interval.median, rounds: ratios.length };
  }
  return best;
}
