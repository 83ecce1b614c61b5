/**
 * What one record measures, given a host that lives: it compiles the graph, proves its outputs, and only then is timed; memory and
 * accuracy come after, apart from the timing. Further hosts add their times. The same code for a child process, a driven browser and a page opened by hand.
 */
import { calibrates } from "../compress/recipe-calibrate.ts";
import type { KernelChoice } from "../engines/tune/types.ts";
import type { ProbeResult } from "../engines/engine.ts";
import type { Host } from "../hosts/host.ts";
import type { Commands, MemoryResult } from "../hosts/protocol.ts";
import type { FailedRecord, Latency, MemoryBytes, OkRecord, ResultRecord, Warning } from "../results/schema.ts";
import { choosesBySamples } from "../compress/recipe-trees.ts";
import { UnavailableError } from "../errors.ts";
import { HostError } from "../hosts/protocol.ts";
import { median } from "../stats/describe.ts";
import { summarizeProcesses } from "../stats/processes.ts";
import { summarize } from "../stats/summary.ts";
import { feederFor } from "../data/feed.ts";
import { measureGpu } from "./gpu-time.ts";
import { sampleIndices, samplesWithin } from "./order.ts";
import type { Outputs } from "./parity.ts";
import { checkParity } from "./parity.ts";
import type { PlannedRecord } from "./plan.ts";
import type { Inputs, PreparedModel, PreparedPair } from "./prepare.ts";
import { samplingFor } from "./presets.ts";
import type { Preset } from "./presets.ts";
import type { Reporter } from "./progress.ts";
import type { SamplingResult, SamplingSettings, StopReason } from "../hosts/sampling.ts";
import {
  accuracySampled,
  calibratedOnTestSet,
  kernelExcluded,
  opsOnCpu,
  softwareAdapter,
  threadsBeyondCores,
  timingWarnings,
  watchWarnings,
} from "./warnings.ts";

export interface RecordContext {
  readonly preset: Preset;
  readonly seed: number;
  /** At most so many samples for accuracy. */
  readonly accuracySamples?: number | undefined;
  /** Processes or pages that share the timing. Default: 1. */
  readonly processes?: number | undefined;
  /** Where the GPU is a software one. */
  readonly softwareProcesses?: number | undefined;
  readonly reporter: Reporter;
}

/** How many processes or pages a record of that target takes. */
export function processesOf({ processes, softwareProcesses }: RecordContext, { software }: TargetFacts): number {
  return (software === true ? softwareProcesses : processes) ?? 1;
}

/** What of a prepared pair a host needs to see. */
export type PairUnderTest = Pick<PreparedPair, "graph" | "graphPath" | "inputs" | "expected"> & {
  readonly model: Pick<PreparedModel, "dataset">;
};

/** What of a probe the record depends on. */
export type TargetFacts = Pick<ProbeResult, "software" | "facts"> & { readonly adapter?: string };

/** A record, and what the caller needs to describe its accuracy against the original's. */
export interface Measured {
  readonly record: ResultRecord;
  readonly predictions?: { readonly indices: Int32Array; readonly classes: Int32Array };
  /** Outputs for the pair's inputs. */
  readonly outputs?: readonly Outputs[];
  /** Only of a record that is ok: what its times were made from, so that times of other processes can join them. */
  readonly timing?: Timing;
}

export interface Timing {
  /** The record but for what its times say; its warnings are those that have another cause. */
  readonly untimed: Omit<OkRecord, "latencyMs" | "throughputPerSecond">;
  /** One a process, in order. */
  readonly results: readonly Commands["time"]["result"][];
  readonly settings: SamplingSettings;
  /** The first inference of the first process. */
  readonly firstMs: number;
  /** Samples of an inference. */
  readonly batch: number;
  readonly choices: readonly KernelChoice[];
}

/** What has been measured so far; grows phase by phase. */
export type Gathered = {
  -readonly [K in Exclude<keyof FailedRecord, "model" | "recipe" | "target" | "status" | "reason">]?: FailedRecord[K];
};

/**
 * Everything that a record measures, in a host that lives; grows `gathered` phase by phase, so that a failure keeps what was measured before.
 * @throws HostError
 */
export async function measure(
  host: Host,
  planned: PlannedRecord,
  pair: PairUnderTest,
  probe: TargetFacts,
  context: RecordContext,
  gathered: Gathered,
  choices: readonly KernelChoice[],
): Promise<Measured> {
  const { engine, options } = planned.target;
  const identity = identityOf(planned);
  const software = probe.software === true;

  context.reporter.phase(planned, "compiling", 0);
  const opened = await host.request("open", { engine, options, graphPath: pair.graphPath, choices });
  gathered.placement = opened.placement;
  gathered.kernels = [...new Set(opened.placement.map(({ kernel }) => kernel))];

  context.reporter.phase(planned, "verifying", 0);
  const { outputs, firstMs } = await runAll(host, pair.inputs);
  gathered.coldMs = { load: opened.loadMs, compile: opened.compileMs, first: firstMs };
  const { parity, message } = checkParity(pair.graph, pair.expected, outputs);
  gathered.parity = parity;
  if (!parity.pass) return { record: { ...identity, status: "failed", reason: parityReason(planned, message), ...gathered }, outputs };

  const settings = samplingFor(context.preset, software, processesOf(context, probe));
  const result = await host.request("time", { inputs: pair.inputs, settings });
  const medianMs = median(result.samples);
  gathered.memoryBytes = describeMemory(await host.request("memory", { inputs: pair.inputs[0] ?? [] }));
  const gpuMs = await measureGpu(host, pair.inputs[0] ?? []);
  if (gpuMs !== undefined) gathered.gpuMs = gpuMs;
  const predictions = await classify(host, pair, medianMs, context);

  const warnings: Warning[] = [...threadsBeyondCores(probe.facts)];
  if (software) warnings.push(softwareAdapter(probe.adapter ?? planned.target.text));
  const elsewhere = opened.placement.filter((entry) => entry.engine !== engine);
  const { excluded = [] } = gathered.tuning ?? {};
  if (excluded.length > 0) warnings.push(kernelExcluded(excluded));
  if (elsewhere.length > 0) warnings.push(opsOnCpu(elsewhere, opened.placement.length));
  const { dataset } = pair.model;
  const seesSamples = calibrates(planned.recipe) || planned.recipe.steps.some((step) => step.kind === "trees" && choosesBySamples(step));
  if (seesSamples && dataset !== undefined && dataset.trainPath === dataset.path) warnings.push(calibratedOnTestSet(dataset.test.name));
  const total = dataset?.test.count ?? 0;
  if (predictions !== undefined && predictions.indices.length < total) warnings.push(accuracySampled(predictions.indices.length, total));
  const timing: Timing = {
    untimed: { ...identity, status: "ok", ...gathered, kernels: gathered.kernels, warnings },
    results: [result],
    settings,
    firstMs,
    batch: batchOf(pair),
    choices,
  };
  return { record: describeTiming(timing), outputs, timing, ...(predictions === undefined ? {} : { predictions }) };
}

/**
 * The time alone, in one more host; outputs are compared before, as in the first.
 * @throws HostError, also for outputs that differ
 */
export async function timeAgain(
  host: Host,
  planned: PlannedRecord,
  pair: PairUnderTest,
  context: RecordContext,
  timing: Timing,
): Promise<Timing> {
  const { engine, options } = planned.target;
  context.reporter.phase(planned, "compiling", 0);
  await host.request("open", { engine, options, graphPath: pair.graphPath, choices: timing.choices });
  context.reporter.phase(planned, "verifying", 0);
  const { outputs } = await runAll(host, pair.inputs);
  const { parity, message } = checkParity(pair.graph, pair.expected, outputs);
  if (!parity.pass) throw new HostError({ ...parityReason(planned, message), exitCode: 1, unavailable: false });
  const result = await host.request("time", { inputs: pair.inputs, settings: timing.settings });
  return { ...timing, results: [...timing.results, result] };
}

/** The record with what the times of all its processes say. */
export function describeTiming({ untimed, results, settings, firstMs, batch }: Timing): OkRecord {
  const latencyMs = describeLatency(results);
  const watches = results.flatMap(({ watch }) => watch ?? []);
  const warnings = [...timingWarnings(results, settings, firstMs), ...watchWarnings(watches), ...untimed.warnings];
  return { ...untimed, latencyMs, throughputPerSecond: (1000 * batch) / latencyMs.median, warnings };
}

/** The record of a failure; keeps what was measured before. @throws what is no failure of a host or a target */
export function failedRecord(planned: PlannedRecord, error: unknown, gathered: Gathered, during = ""): ResultRecord {
  if (!(error instanceof HostError || error instanceof UnavailableError)) throw error;
  const { code, message, remedy } = error;
  const status = error instanceof UnavailableError || error.unavailable ? "unavailable" : "failed";
  return { ...identityOf(planned), ...gathered, status, reason: { code, message: `${during}${message}`, remedy } };
}

function parityReason({ target }: PlannedRecord, message: string): FailedRecord["reason"] {
  return {
    code: "parity",
    message: `${target.text}: outputs differ from the cpu engine's: ${message}`,
    remedy: "This is a bug in the engine; its times would mean nothing",
  };
}

/** One inference after the other; the first is the cold one. */
async function runAll(host: Host, inputs: readonly Inputs[]): Promise<{ readonly outputs: readonly Outputs[]; readonly firstMs: number }> {
  const outputs: Outputs[] = [];
  let firstMs = 0;
  for (const [i, one] of inputs.entries()) {
    const result = await host.request("run", { inputs: one });
    if (i === 0) firstMs = result.ms;
    outputs.push(result.outputs);
  }
  return { outputs, firstMs };
}

/** Reasons to stop, from the most precise on. */
const STOP_REASONS: readonly StopReason[] = ["settled", "max-samples", "time-limit"];

/** @param results one a process, at least one */
export function describeLatency(results: readonly (Omit<SamplingResult, "warmup"> & Partial<SamplingResult>)[]): Latency {
  const processes = results.map(({ samples }) => samples);
  const { medians, median: middle, ci95 } = summarizeProcesses(processes);
  const { n, samples, mean, sd, mad, min, max, p90, p99 } = summarize(processes.flat());
  const blockCalls = Math.max(...results.map((result) => result.blockCalls));
  const warmups = results.flatMap(({ warmup }) => warmup ?? []);
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  return {
    samples,
    n,
    median: middle,
    ...(ci95 === undefined ? {} : { ci95 }),
    ...(results.length === 1 ? {} : { processes: medians, processSamples: processes.map((list) => list.length) }),
    mean,
    ...(sd === undefined ? {} : { sd }),
    mad,
    min,
    max,
    // Percentiles of block means would not be percentiles of calls.
    ...(blockCalls > 1 || p90 === undefined ? {} : { p90 }),
    ...(blockCalls > 1 || p99 === undefined ? {} : { p99 }),
    stopReason: STOP_REASONS[Math.max(...results.map(({ stopReason }) => STOP_REASONS.indexOf(stopReason)))] ?? "time-limit",
    blockCalls,
    clockStepMs: Math.min(...results.map((result) => result.clockStepMs)),
    ...(warmups.length === 0
      ? {}
      : {
          warmup: {
            runs: sum(warmups.map(({ runs }) => runs)),
            ms: sum(warmups.map(({ ms }) => ms)),
            restarts: sum(warmups.map(({ restarts }) => restarts)),
            steady: warmups.every(({ steady }) => steady),
          },
        }),
  };
}

function describeMemory({ session, jsHeapBytes, rssPeakBytes }: MemoryResult): MemoryBytes {
  return {
    ...session,
    ...(jsHeapBytes === undefined ? {} : { jsHeap: jsHeapBytes }),
    ...(rssPeakBytes === undefined ? {} : { rssPeak: rssPeakBytes }),
  };
}

/** Classifies as much of the test set as the time allows; nothing without a dataset. */
async function classify(host: Host, pair: PairUnderTest, medianMs: number, context: RecordContext): Promise<Measured["predictions"]> {
  const { dataset } = pair.model;
  if (dataset === undefined) return undefined;
  const { count } = dataset.test;
  const n = samplesWithin(count, medianMs / batchOf(pair), context.preset.accuracyMs, context.accuracySamples);
  const indices = sampleIndices(count, n, context.seed);
  const { predictions } = await host.request("classify", { datasetPath: dataset.path, indices });
  return { indices, classes: predictions };
}

function batchOf(pair: PairUnderTest): number {
  return pair.model.dataset === undefined ? 1 : feederFor(pair.graph, pair.model.dataset.test).batch;
}

export function identityOf({ model, recipe, target }: PlannedRecord): {
  readonly model: string;
  readonly recipe: string;
  readonly target: string;
} {
  return { model: model.name, recipe: recipe.text, target: target.text };
}
