/** quick, normal and rigorous: the same code path with other numbers. */
import type { RaceSettings } from "../engines/tune/race.ts";
import type { SamplingSettings } from "../hosts/sampling.ts";

export const PRESETS = ["quick", "normal", "rigorous"] as const;
export type PresetName = (typeof PRESETS)[number];

export interface Preset {
  /**
   * Fresh processes or pages that a record's latency comes from. Three at least: of two, the interval is 12.7 standard errors wide each
   * way, of three 4.3.
   */
  readonly processes: number;
  /**
   * The same on a software GPU, where every process builds its pipelines anew for seconds, and the figure says that a model works, not how
   * fast it is.
   */
  readonly softwareProcesses: number;
  /** In each of them. */
  readonly sampling: Omit<SamplingSettings, "floorSamples">;
  /** What may do in a process on a software GPU once the time is over. */
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
    processes: 3,
    softwareProcesses: 1,
    sampling: {
      warmup: { floorMs: 200, maxMs: 800, minRuns: 2 },
      minSamples: 8,
      maxSamples: 100,
      precision: 0.05,
      minTimeMs: 100,
      timeLimitMs: 300,
      blockClockSteps: BLOCK_CLOCK_STEPS,
    },
    race: { warmup: { floorMs: 250, windowMs: 40, maxMs: 1000 }, blockMs: 1, rounds: 15, limitMs: 250 },
    softwareFloorSamples: 3,
    accuracyMs: 700,
    paritySamples: 4,
  },
  normal: {
    processes: 3,
    softwareProcesses: 1,
    sampling: {
      warmup: { floorMs: 450, maxMs: 1500, minRuns: 2 },
      minSamples: 10,
      maxSamples: 200,
      precision: 0.02,
      minTimeMs: 200,
      timeLimitMs: 500,
      blockClockSteps: BLOCK_CLOCK_STEPS,
    },
    race: { warmup: { floorMs: 500, windowMs: 60, maxMs: 2000 }, blockMs: 2, rounds: 31, limitMs: 800 },
    softwareFloorSamples: 4,
    accuracyMs: 1200,
    paritySamples: 8,
  },
  rigorous: {
    processes: 7,
    softwareProcesses: 3,
    sampling: {
      warmup: { floorMs: 1000, maxMs: 6000, minRuns: 2 },
      minSamples: 30,
      maxSamples: 500,
      precision: 0.01,
      minTimeMs: 600,
      timeLimitMs: 4000,
      blockClockSteps: BLOCK_CLOCK_STEPS,
    },
    race: { warmup: { floorMs: 1500, windowMs: 100, maxMs: 6000 }, blockMs: 5, rounds: 101, limitMs: 5000 },
    softwareFloorSamples: 10,
    accuracyMs: Infinity,
    paritySamples: 32,
  },
};

export function presetOf(name: PresetName): Preset {
  return TABLE[name];
}

/**
 * The sampling loop's settings on hardware, or on a GPU that is software.
 * @param processes that share the work; of fewer than the preset's, each takes more samples
 */
export function samplingFor(
  { sampling, softwareFloorSamples, processes: usual }: Preset,
  software: boolean,
  processes: number,
): SamplingSettings {
  const factor = Math.max(1, usual / processes);
  const times = (count: number): number => Math.ceil(count * factor);
  const minSamples = times(sampling.minSamples);
  return {
    ...sampling,
    minSamples,
    maxSamples: times(sampling.maxSamples),
    minTimeMs: times(sampling.minTimeMs),
    timeLimitMs: times(sampling.timeLimitMs),
    floorSamples: software ? times(softwareFloorSamples) : minSamples,
  };
}
