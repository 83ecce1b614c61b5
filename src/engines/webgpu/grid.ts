/**
 * How finely the GPU's clock ticks, by measurement: browsers round timestamps to 65,536 ns (a guard for web pages) unless told otherwise,
 * drivers count in ticks of 1 ns to some µs, and nothing in WebGPU says which.
 */
import type { SharedDevice } from "./device.ts";
import { GpuLedger } from "./ledger.ts";
import { peakStep } from "./probes.ts";
import type { ShaderReader } from "./shaders.ts";
import { timeRegions } from "./timestamps.ts";

/** A clock whose period is no whole number of nanoseconds is rounded to them: a difference is off by one, and so is its neighbour. */
const ROUNDING_NS = 1.5;
/** Finer steps cannot be told from rounding, and need not be. */
const LEAST_FRACTIONAL_NS = 8;
/** Above so many of the smallest difference, the error of the period is larger than the rounding. */
const FAR = 16;
/** A step that so few differences would fit by chance is believed. */
const CHANCE = 0.01;

/**
 * The step of which all differences between timestamps are multiples, in nanoseconds; undefined for fewer than two different timestamps.
 * Exactly where it is a whole number, else to the nanosecond.
 */
export function clockGrid(timestamps: readonly bigint[]): number | undefined {
  const times = [...new Set(timestamps)].sort((a, b) => (a < b ? -1 : 1));
  const steps = times.slice(1).map((time, i) => Number(time - times[i]!));
  if (steps.length === 0) return undefined;
  const exact = steps.reduce(divisor);
  return exact > 1 ? exact : (fractionalStep(steps) ?? exact);
}

/** Greatest common divisor. */
function divisor(a: number, b: number): number {
  while (b > 0) [a, b] = [b, a % b];
  return a;
}

/** The largest period that explains differences rounded to nanoseconds, unless it explains them by chance. */
function fractionalStep(steps: readonly number[]): number | undefined {
  const least = Math.min(...steps);
  const near = [...new Set(steps)].filter((step) => step <= FAR * least).sort((a, b) => a - b);
  for (let parts = 1; least / parts >= LEAST_FRACTIONAL_NS; parts++) {
    if (parts * ((2 * ROUNDING_NS) / (least / parts)) ** (near.length - 1) > CHANCE) return undefined;
    const period = periodOf(near, parts);
    if (period !== undefined) return period;
  }
  return undefined;
}

/**
 * @param steps rising: each narrows down the period before a longer one needs it
 * @param parts periods of the first
 * @returns undefined where no period explains them all
 */
function periodOf(steps: readonly number[], parts: number): number | undefined {
  let [low, high] = [0, Infinity];
  for (const [i, step] of steps.entries()) {
    const ticks = i === 0 ? parts : Math.max(1, Math.round((2 * step) / (low + high)));
    low = Math.max(low, (step - ROUNDING_NS) / ticks);
    high = Math.min(high, (step + ROUNDING_NS) / ticks);
    if (low > high) return undefined;
  }
  return (low + high) / 2;
}

const REGIONS = 24;
const ENOUGH_TIMES = 16;
const FIRST_ITERATIONS = 64;
const MOST_ITERATIONS = 2 ** 20;

const grids = new WeakMap<SharedDevice, Promise<number | undefined>>();

/** Nanoseconds of a tick, measured once a device; undefined where it has no timestamps, or they stand still. */
export function timestampGrid(shared: SharedDevice, read: ShaderReader): Promise<number | undefined> {
  let grid = grids.get(shared);
  if (grid === undefined) {
    grid = shared.device.features.has("timestamp-query") ? measureGrid(shared, read) : Promise.resolve(undefined);
    grids.set(shared, grid);
    grid.catch(() => grids.delete(shared));
  }
  return grid;
}

/** Passes of different lengths, longer ones until enough of their timestamps differ. */
async function measureGrid(shared: SharedDevice, read: ShaderReader): Promise<number | undefined> {
  const ledger = new GpuLedger(shared.device);
  try {
    for (let iterations = FIRST_ITERATIONS; ; iterations *= 16) {
      const encode = await peakStep(shared, ledger, read, "f32_peak_muladd_8x4__wgsl", { iterations, groups: 1 });
      const regions = Array.from(
        { length: REGIONS },
        (_, i) =>
          (pass: GPUComputePassEncoder): void =>
            encode(pass, 1 + (i % 5)),
      );
      const times = await timeRegions(shared, ledger, regions);
      ledger.destroyAll();
      const all = times.flatMap(({ begin, end }) => [begin, end]);
      if (new Set(all).size >= ENOUGH_TIMES || iterations >= MOST_ITERATIONS) return clockGrid(all);
    }
  } finally {
    ledger.destroyAll();
  }
}
