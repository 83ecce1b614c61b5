/** quick, normal and rigorous: the same code path with other numbers. */
import type { RaceSettings } from "../engines/tune/race.ts";
import type { SamplingSettings } from "./sampling.ts";

export const PRESETS = ["quick", "normal", "rigorous"] as const;
export type PresetName = (typeof PRESETS)[number];

export interface Preset {
  readonly sampling: Omit<SamplingSettings, "floorSamples">;
  /** What may do on a software GPU once the time is over: at least the 6 that a 95 % interval of the median needs. */
  readonly softwareFloorSamples: number;
  /** Layers measured in turn; the limit is for each row of a shape. */
  readonly race: RaceSettings;
  /** Time that the accuracy of one record may take; the number of samples follows from the latency. */
  readonly accuracyMs: number;
  /** Real samples whose outputs are compared with the CPU engine before timing. */
  readonly paritySamples: number;
}

const BLOCK_CLOCK_STEPS = 100;

const TABLE: Readonly<Record<PresetName, Preset>> = {
  quick: {
    sampling: {
      warmup: { floorMs: 200, maxMs: 1000, minRuns: 2 },
      minSamples: 20,
      maxSamples: 300,
      precision: 0.05,
      minTimeMs: 150,
      timeLimitMs: 600,
      blockClockSteps: BLOCK_CLOCK_STEPS,
    },
    race: { warmup: { floorMs: 250, windowMs: 40, maxMs: 1000 }, blockMs: 1, rounds: 15, limitMs: 250 },
    softwareFloorSamples: 6,
    accuracyMs: 1000,
    paritySamples: 4,
  },
  normal: {
    sampling: {
      warmup: { floorMs: 600, maxMs: 2000, minRuns: 2 },
      minSamples: 20,
      maxSamples: 500,
      precision: 0.02,
      minTimeMs: 400,
      timeLimitMs: 1200,
      blockClockSteps: BLOCK_CLOCK_STEPS,
    },
    race: { warmup: { floorMs: 500, windowMs: 60, maxMs: 2000 }, blockMs: 2, rounds: 31, limitMs: 800 },
    softwareFloorSamples: 6,
    accuracyMs: 4000,
    paritySamples: 8,
  },
  rigorous: {
    sampling: {
      warmup: { floorMs: 2000, maxMs: 10_000, minRuns: 2 },
      minSamples: 100,
      maxSamples: 2000,
      precision: 0.01,
      minTimeMs: 3000,
      timeLimitMs: 15_000,
      blockClockSteps: BLOCK_CLOCK_STEPS,
    },
    race: { warmup: { floorMs: 1500, windowMs: 100, maxMs: 6000 }, blockMs: 5, rounds: 101, limitMs: 5000 },
    softwareFloorSamples: 20,
    accuracyMs: Infinity,
    paritySamples: 32,
  },
};

export function presetOf(name: PresetName): Preset {
  return TABLE[name];
}

/** The sampling loop's settings on hardware, or on a GPU that is software. */
export function samplingFor(preset: Preset, software: boolean): SamplingSettings {
  return { ...preset.sampling, floorSamples: software ? preset.softwareFloorSamples : preset.sampling.minSamples };
}
