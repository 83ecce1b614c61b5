/**
 * Times several runtimes side by side: each is warmed up until steady, then they take turns, so that whatever else the machine does
 * meets all of them alike. A sample is the mean of a block of calls long enough for the clock, and short, since a busy system interrupts
 * long ones; one call before it, untimed, brings back the caches that the others used. Round r gives one sample of each, and a ratio of
 * two of the same round; the median of these ratios has an interval from order statistics.
 */
import { isSpeedingUp } from "../../src/hosts/sampling.ts";
import { median } from "../../src/stats/describe.ts";
import { medianInterval, type MedianInterval } from "../../src/stats/interval.ts";

export interface Contestant {
  readonly name: string;
  readonly call: () => unknown;
}

export interface RoundSettings {
  /** Warm-up of each: at least, and at most. V8 replaces WASM by faster code for up to some seconds. */
  readonly warmMs: number;
  readonly warmMaxMs: number;
  /** A block of calls lasts about this long. */
  readonly blockMs: number;
  readonly minRounds: number;
  readonly maxRounds: number;
  /** After `minRounds`, rounds end when this is over. */
  readonly budgetMs: number;
}

/** For figures to publish. */
export const FULL: RoundSettings = { warmMs: 1000, warmMaxMs: 5000, blockMs: 1, minRounds: 31, maxRounds: 301, budgetMs: 4000 };
/** Shows that everything works. */
export const QUICK: RoundSettings = { warmMs: 300, warmMaxMs: 800, blockMs: 1, minRounds: 9, maxRounds: 31, budgetMs: 500 };

export interface Timed {
  readonly name: string;
  /** Milliseconds of one call, one sample a round. */
  readonly samples: readonly number[];
  readonly blockCalls: number;
  readonly warmMs: number;
  /** The last two windows of the warm-up agreed. */
  readonly steady: boolean;
}

/** Windows of the warm-up; two neighbours that agree within 2 % end it. */
const WINDOW_MS = 200;
const STEADY = 0.98;
const MAX_RESTARTS = 2;

export async function timeRounds(
  contestants: readonly Contestant[],
  settings: RoundSettings,
  now: () => number,
): Promise<readonly Timed[]> {
  const block = async (contestant: Contestant, calls: number): Promise<number> => {
    const begin = now();
    for (let i = 0; i < calls; i++) await contestant.call();
    return (now() - begin) / calls;
  };
  const warm: { readonly calls: number; readonly ms: number; readonly steady: boolean }[] = [];
  for (const contestant of contestants) warm.push(await warmUp(() => block(contestant, 1), settings, now));

  let restarts = 0;
  for (;;) {
    const samples = contestants.map((): number[] => []);
    const begin = now();
    for (let round = 0; round < settings.maxRounds && (round < settings.minRounds || now() - begin < settings.budgetMs); round++) {
      for (let turn = 0; turn < contestants.length; turn++) {
        // The first turn goes round, so that nobody always follows the same neighbour into cold caches first.
        const i = (round + turn) % contestants.length;
        await contestants[i]!.call();
        samples[i]!.push(await block(contestants[i]!, warm[i]!.calls));
      }
    }
    if (restarts++ < MAX_RESTARTS && samples.some(isSpeedingUp)) continue;
    return contestants.map(({ name }, i) => {
      const { calls, ms, steady } = warm[i]!;
      return { name, samples: samples[i]!, blockCalls: calls, warmMs: ms, steady };
    });
  }
}

async function warmUp(
  call: () => Promise<number>,
  { warmMs, warmMaxMs, blockMs }: RoundSettings,
  now: () => number,
): Promise<{ readonly calls: number; readonly ms: number; readonly steady: boolean }> {
  const begin = now();
  let before = Infinity;
  for (;;) {
    const times: number[] = [];
    const end = now() + WINDOW_MS;
    while (now() < end) times.push(await call());
    const typical = median(times);
    const steady = typical >= before * STEADY;
    before = Math.min(before, typical);
    const ms = now() - begin;
    if ((steady && ms >= warmMs) || ms >= warmMaxMs)
      return { calls: Math.max(1, Math.round(blockMs / Math.max(typical, 1e-4))), ms, steady };
  }
}

/** How many times as long `other` takes as `one`, in the rounds that both took part in. */
export function ratioInterval(one: readonly number[], other: readonly number[]): MedianInterval | undefined {
  return medianInterval(other.map((ms, i) => ms / one[i]!));
}
