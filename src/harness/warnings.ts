/**
 * Every warning that a record can carry, and nothing else: a stable key, what was seen (with numbers), what to do next. They never
 * change a number or drop a sample.
 */
import type { PageWatch } from "../hosts/protocol.ts";
import type { Warning } from "../results/schema.ts";
import { median } from "../stats/describe.ts";
import { classifyOutliers } from "../stats/outliers.ts";
import { disagreement, summarizeProcesses } from "../stats/processes.ts";
import { isSpeedingUp } from "../hosts/sampling.ts";
import type { SamplingResult, SamplingSettings } from "../hosts/sampling.ts";

export type WarningKey =
  | "accuracy-sampled"
  | "calibrated-on-test-set"
  | "fewer-samples-than-asked"
  | "first-run-slow"
  | "interval-wide"
  | "kernel-excluded"
  | "ops-on-cpu"
  | "outliers"
  | "processes-disagree"
  | "page-hidden"
  | "page-retried"
  | "page-throttled"
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
/** Slowest process over fastest; two runs of one program differ by some percent on any machine. */
const DISAGREEMENT = 1.1;
/** Half-width of the interval over the precision that a process was sampled to; between processes there is more to differ. */
const WIDE = { one: 2, several: 5 } as const;

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

/** A page's timers may be late now and then on a busy machine; browsers that slow a page down let them ring once a second. */
const THROTTLED_MS = 500;
/** Below, a page cannot have missed two ticks of a second. */
const THROTTLED_MIN_MS = 1000;

/** What the pages that were timed saw; the worst of them. */
export function watchWarnings(watches: readonly PageWatch[]): readonly TypedWarning[] {
  const warnings: TypedWarning[] = [];
  const hidden = watches.filter(({ hiddenMs }) => hiddenMs > 0).sort((a, b) => b.hiddenMs - a.hiddenMs)[0];
  if (hidden !== undefined) {
    warnings.push({
      key: "page-hidden",
      evidence: `the page was hidden for ${(hidden.hiddenMs / 1000).toFixed(1)} of ${(hidden.ms / 1000).toFixed(1)} s while it was timed; browsers slow hidden pages down`,
      next: "Keep the page in front, the window open and the screen on, and run again",
    });
  }
  const wait = ({ tickedMs, workerWaitMs = 0, ms }: PageWatch): number => Math.max(ms < THROTTLED_MIN_MS ? 0 : tickedMs, workerWaitMs);
  const slowed = watches.filter((watch) => wait(watch) >= THROTTLED_MS).sort((a, b) => wait(b) - wait(a))[0];
  if (slowed !== undefined) {
    const { tickMs, tickedMs, workerWaitMs = 0 } = slowed;
    const seen =
      workerWaitMs > tickedMs
        ? `a timer for 0 ms took ${workerWaitMs.toFixed(0)} ms`
        : `a timer for every ${tickMs} ms rang every ${tickedMs.toFixed(0)} ms`;
    warnings.push({
      key: "page-throttled",
      evidence: `${seen}: the browser or a busy system slows the page down`,
      next: "Keep the page in front, switch energy saving off, close other programs, and run again",
    });
  }
  return warnings;
}

/** @param message of the crash */
export function pageRetried(message: string): TypedWarning {
  return {
    key: "page-retried",
    evidence: `the first page was lost, and the record measured anew in a fresh one: ${message}`,
    next: "If it repeats, update the browser or its GPU driver, or use a smaller model",
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

/**
 * What the timed samples show.
 * @param results one a process, at least one
 * @param firstMs the first inference of the first process
 */
export function timingWarnings(results: readonly SamplingResult[], settings: SamplingSettings, firstMs: number): readonly TypedWarning[] {
  const samples = results.map((result) => result.samples);
  const apart = disagree(samples);
  return [
    ...inProcesses(results, stillWarming),
    ...inProcesses(results, (result) => fewerSamples(result, settings)),
    ...inProcesses(results, saturated),
    ...outliers(samples),
    ...apart,
    // One cause, one warning.
    ...(apart.length > 0 ? [] : wide(results, settings)),
    ...firstRunSlow(samples[0] ?? [], firstMs),
  ];
}

/** A process's warning, of the first that has it. */
function inProcesses(
  results: readonly SamplingResult[],
  check: (result: SamplingResult) => TypedWarning | undefined,
): readonly TypedWarning[] {
  const found = results.map(check);
  const at = found.findIndex((warning) => warning !== undefined);
  const warning = found[at];
  if (warning === undefined) return [];
  return results.length === 1 ? [warning] : [{ ...warning, evidence: `process ${at + 1} of ${results.length}: ${warning.evidence}` }];
}

function stillWarming({ samples, warmup }: SamplingResult): TypedWarning | undefined {
  const next = "Use --preset rigorous, which warms up longer, and close other programs";
  if (isSpeedingUp(samples)) {
    const half = samples.length >> 1;
    const change = (1 - median(samples.slice(samples.length - half)) / median(samples.slice(0, half))) * 100;
    return { key: "still-warming", evidence: `the second half of the samples is ${change.toFixed(0)} % faster than the first`, next };
  }
  if (warmup.steady) return undefined;
  return { key: "still-warming", evidence: `not steady after ${warmup.runs} runs in ${warmup.ms.toFixed(0)} ms of warm-up`, next };
}

function fewerSamples({ samples }: SamplingResult, { minSamples, timeLimitMs }: SamplingSettings): TypedWarning | undefined {
  if (samples.length >= minSamples) return undefined;
  return {
    key: "fewer-samples-than-asked",
    evidence: `${samples.length} samples in ${(timeLimitMs / 1000).toFixed(2)} s, ${minSamples} were asked for`,
    next: "Use --preset rigorous, or a hardware GPU",
  };
}

/** tinybench's criteria: mostly zeros, or almost no distinct values. */
function saturated({ samples, blockCalls, clockStepMs }: SamplingResult): TypedWarning | undefined {
  if (samples.length < 10) return undefined;
  const zeros = samples.filter((ms) => ms === 0).length;
  const distinct = new Set(samples).size;
  if (zeros <= samples.length / 2 && distinct >= 3) return undefined;
  return {
    key: "timer-saturated",
    evidence: `${distinct} distinct times, ${zeros} of ${samples.length} zero, clock step ${(clockStepMs * 1e6).toFixed(0)} ns, blocks of ${blockCalls}`,
    next: "The clock is too coarse for this model here: treat the times as an upper bound",
  };
}

/** Each process against its own quartiles. */
function outliers(processes: readonly (readonly number[])[]): readonly TypedWarning[] {
  const total = processes.reduce((sum, samples) => sum + samples.length, 0);
  const severe = processes.reduce((sum, samples) => sum + classifyOutliers(samples).severe, 0);
  if (severe <= total * OUTLIER_SHARE) return [];
  return [
    {
      key: "outliers",
      evidence: `${severe} of ${total} samples lie more than 3 interquartile ranges out; all are kept`,
      next: "Close other programs and run again",
    },
  ];
}

function disagree(processes: readonly (readonly number[])[]): readonly TypedWarning[] {
  const ratio = disagreement(processes);
  if (ratio === undefined || ratio < DISAGREEMENT) return [];
  return [
    {
      key: "processes-disagree",
      evidence: `the slowest of ${processes.length} processes took ${ratio.toFixed(2)} times as long as the fastest, each steady in itself`,
      next: "Whatever shares the machine differed between them; close it, or use more --processes",
    },
  ];
}

function wide(results: readonly SamplingResult[], { precision }: SamplingSettings): readonly TypedWarning[] {
  const { median: middle, ci95 } = summarizeProcesses(results.map(({ samples }) => samples));
  if (ci95 === undefined || (results.length === 1 && results[0]?.stopReason === "settled")) return [];
  const half = (ci95[1] - ci95[0]) / 2 / middle;
  if (!(half > precision * (results.length === 1 ? WIDE.one : WIDE.several))) return [];
  const count = results.reduce((sum, { samples }) => sum + samples.length, 0);
  const after = results.length === 1 ? `after ${count} samples` : `over ${results.length} processes`;
  return [
    {
      key: "interval-wide",
      evidence: `95 % interval of the median is ±${(half * 100).toFixed(1)} % ${after}`,
      next: `Close other programs, or use --preset rigorous${results.length === 1 ? "" : " or more --processes"}`,
    },
  ];
}

function firstRunSlow(samples: readonly number[], firstMs: number): readonly TypedWarning[] {
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
