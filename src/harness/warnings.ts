/**
 * Every warning that a record can carry, and nothing else: a stable key, what was seen (with numbers), what to do next. They never
 * change a number or drop a sample.
 */
import type { Warning } from "../results/schema.ts";
import { median } from "../stats/describe.ts";
import { medianInterval } from "../stats/interval.ts";
import { classifyOutliers } from "../stats/outliers.ts";
import { isSpeedingUp } from "./sampling.ts";
import type { SamplingResult, SamplingSettings } from "./sampling.ts";

export type WarningKey =
  | "accuracy-sampled"
  | "calibrated-on-test-set"
  | "fewer-samples-than-asked"
  | "first-run-slow"
  | "interval-wide"
  | "kernel-excluded"
  | "ops-on-cpu"
  | "outliers"
  | "software-adapter"
  | "still-warming"
  | "threads-beyond-cores"
  | "timer-saturated";

export interface TypedWarning extends Warning {
  readonly key: WarningKey;
}

/** First inference over the steady median; below, nobody waits for it. */
const FIRST_RUN_FACTOR = 10;
const FIRST_RUN_MIN_MS = 50;
/** Share of severe outliers worth a word. */
const OUTLIER_SHARE = 0.05;

export function softwareAdapter(adapter: string): TypedWarning {
  return {
    key: "software-adapter",
    evidence: `${adapter} runs on the processor, not on a GPU`,
    next: "Compare its times with other software adapters only; install a GPU driver for real ones",
  };
}

/** @param facts of the target's probe */
export function threadsBeyondCores({ threads, cores }: Readonly<Record<string, unknown>>): readonly TypedWarning[] {
  if (typeof threads !== "number" || typeof cores !== "number" || threads <= cores) return [];
  return [
    {
      key: "threads-beyond-cores",
      evidence: `${threads} threads on ${cores} ${cores === 1 ? "core" : "cores"}: they take turns, and each waits for the others`,
      next: `Use threads=${cores}`,
    },
  ];
}

export function opsOnCpu(nodes: readonly { readonly node: string; readonly op: string }[], total: number): TypedWarning {
  const ops = [...new Set(nodes.map(({ op }) => op))].join(", ");
  return {
    key: "ops-on-cpu",
    evidence: `${nodes.length} of ${total} ops run on the cpu engine: ${ops}`,
    next: "See placement in the record",
  };
}

export function kernelExcluded(
  excluded: readonly { readonly node: string; readonly kernel: string; readonly why: string }[],
): TypedWarning {
  const kernels = [...new Set(excluded.map(({ kernel }) => kernel))].join(", ");
  return {
    key: "kernel-excluded",
    evidence: `${kernels} gave wrong results and was not used: ${excluded[0]?.node ?? ""}: ${excluded[0]?.why ?? ""}`,
    next: "This is a bug in the kernel; see tuning.excluded in the record",
  };
}

export function accuracySampled(n: number, of: number): TypedWarning {
  return {
    key: "accuracy-sampled",
    evidence: `${n} of ${of} test samples`,
    next: "Use --preset rigorous for all of them",
  };
}

export function calibratedOnTestSet(dataset: string): TypedWarning {
  return {
    key: "calibrated-on-test-set",
    evidence: `dataset ${dataset} names no calibration samples, so int8 was calibrated on the samples that accuracy is measured on`,
    next: "Add a `calibration` header to the dataset",
  };
}

/** What the timed samples show. */
export function timingWarnings(result: SamplingResult, settings: SamplingSettings, firstMs: number): readonly TypedWarning[] {
  return [
    ...stillWarming(result),
    ...fewerSamples(result, settings),
    ...saturated(result),
    ...outliers(result),
    ...wide(result, settings),
    ...firstRunSlow(result, firstMs),
  ];
}

function stillWarming({ samples, warmup }: SamplingResult): readonly TypedWarning[] {
  const next = "Use --preset rigorous, which warms up longer, and close other programs";
  if (isSpeedingUp(samples)) {
    const half = samples.length >> 1;
    const change = (1 - median(samples.slice(samples.length - half)) / median(samples.slice(0, half))) * 100;
    return [{ key: "still-warming", evidence: `the second half of the samples is ${change.toFixed(0)} % faster than the first`, next }];
  }
  if (warmup.steady) return [];
  return [{ key: "still-warming", evidence: `not steady after ${warmup.runs} runs in ${warmup.ms.toFixed(0)} ms of warm-up`, next }];
}

function fewerSamples({ samples }: SamplingResult, { minSamples, timeLimitMs }: SamplingSettings): readonly TypedWarning[] {
  if (samples.length >= minSamples) return [];
  return [
    {
      key: "fewer-samples-than-asked",
      evidence: `${samples.length} samples in ${(timeLimitMs / 1000).toFixed(1)} s, ${minSamples} were asked for`,
      next: "Use --preset rigorous, or a hardware GPU",
    },
  ];
}

/** tinybench's criteria: mostly zeros, or almost no distinct values. */
function saturated({ samples, blockCalls, clockStepMs }: SamplingResult): readonly TypedWarning[] {
  if (samples.length < 10) return [];
  const zeros = samples.filter((ms) => ms === 0).length;
  const distinct = new Set(samples).size;
  if (zeros <= samples.length / 2 && distinct >= 3) return [];
  return [
    {
      key: "timer-saturated",
      evidence: `${distinct} distinct times, ${zeros} of ${samples.length} zero, clock step ${(clockStepMs * 1e6).toFixed(0)} ns, blocks of ${blockCalls}`,
      next: "The clock is too coarse for this model here: treat the times as an upper bound",
    },
  ];
}

function outliers({ samples }: SamplingResult): readonly TypedWarning[] {
  const { severe } = classifyOutliers(samples);
  if (severe <= samples.length * OUTLIER_SHARE) return [];
  return [
    {
      key: "outliers",
      evidence: `${severe} of ${samples.length} samples lie more than 3 interquartile ranges out; all are kept`,
      next: "Close other programs and run again",
    },
  ];
}

function wide({ samples, stopReason }: SamplingResult, { precision }: SamplingSettings): readonly TypedWarning[] {
  const interval = medianInterval(samples);
  if (stopReason === "settled" || interval === undefined) return [];
  const half = (interval.high - interval.low) / 2 / interval.median;
  if (!(half > precision * 2)) return [];
  return [
    {
      key: "interval-wide",
      evidence: `95 % interval of the median is ±${(half * 100).toFixed(1)} % after ${samples.length} samples, ±${(precision * 100).toFixed(0)} % was asked for`,
      next: "Close other programs, or use --preset rigorous",
    },
  ];
}

function firstRunSlow({ samples }: SamplingResult, firstMs: number): readonly TypedWarning[] {
  const steadyMs = median(samples);
  if (firstMs < FIRST_RUN_MIN_MS || firstMs < steadyMs * FIRST_RUN_FACTOR) return [];
  return [
    {
      key: "first-run-slow",
      evidence: `the first inference took ${firstMs.toFixed(0)} ms, ${(firstMs / steadyMs).toFixed(0)} times the median; it is not in the samples`,
      next: "Run one inference at start-up, before a user waits for it",
    },
  ];
}
