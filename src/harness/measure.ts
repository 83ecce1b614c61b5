/**
 * One record: a fresh child compiles the graph, proves its outputs, and only then is timed; memory and accuracy come after, apart from
 * the timing. Whatever fails becomes a record that says so and keeps what was measured before.
 */
import type { KernelChoice } from "../engines/tune/types.ts";
import { UnavailableError } from "../errors.ts";
import type { Host } from "../hosts/host.ts";
import { openHost } from "../hosts/open.ts";
import { HostError } from "../hosts/protocol.ts";
import type { MemoryResult } from "../hosts/protocol.ts";
import type { FailedRecord, Latency, MemoryBytes, OkRecord, ResultRecord, Warning } from "../results/schema.ts";
import { summarize } from "../stats/summary.ts";
import { feederFor } from "./feed.ts";
import { sampleIndices, samplesWithin } from "./order.ts";
import type { Outputs } from "./parity.ts";
import { checkParity } from "./parity.ts";
import type { PlannedRecord } from "./plan.ts";
import type { Inputs, PreparedPair } from "./prepare.ts";
import { samplingFor } from "./presets.ts";
import type { Preset } from "./presets.ts";
import type { TargetProbe } from "./probe.ts";
import type { Reporter } from "./progress.ts";
import type { SamplingResult } from "./sampling.ts";
import { describeTuning, tuneAll } from "./tuning.ts";
import type { TuneSetting } from "./tuning.ts";
import {
  accuracySampled,
  calibratedOnTestSet,
  kernelExcluded,
  opsOnCpu,
  softwareAdapter,
  threadsBeyondCores,
  timingWarnings,
} from "./warnings.ts";

export interface MeasureContext {
  readonly preset: Preset;
  readonly seed: number;
  readonly tune: TuneSetting;
  /** At most so many samples for accuracy. */
  readonly accuracySamples?: number | undefined;
  readonly silenceMs: number;
  readonly reporter: Reporter;
  /** Another child script, for tests. */
  readonly childPath?: string | undefined;
}

/** A record, and what the caller needs to describe its accuracy against the original's. */
export interface Measured {
  readonly record: ResultRecord;
  readonly predictions?: { readonly indices: Int32Array; readonly classes: Int32Array };
  /** Outputs for the pair's inputs. */
  readonly outputs?: readonly Outputs[];
}

/** What has been measured so far; grows phase by phase. */
type Gathered = { -readonly [K in Exclude<keyof FailedRecord, "model" | "recipe" | "target" | "status" | "reason">]?: FailedRecord[K] };

export async function measureRecord(
  planned: PlannedRecord,
  pair: PreparedPair,
  probe: TargetProbe,
  context: MeasureContext,
): Promise<Measured> {
  const gathered: Gathered = { size: pair.size, compute: pair.compute, steps: pair.steps };
  if (probe.adapter !== undefined) gathered.device = { adapter: probe.adapter, software: probe.software === true };
  let host: Host | undefined;
  try {
    const choices = await tune(planned, pair, probe, context, gathered);
    host = await openHost(probe.place, {
      silenceMs: context.silenceMs,
      childPath: context.childPath,
      onProgress: ({ phase, fraction, ms }) => context.reporter.phase(planned, phase, fraction, ms),
      onStderr: (text) => context.reporter.output(text),
    });
    return await measure(host, planned, pair, probe, context, gathered, choices);
  } catch (error) {
    if (!(error instanceof HostError || error instanceof UnavailableError)) throw error;
    const { code, message, remedy } = error;
    const status = error instanceof UnavailableError || error.unavailable ? "unavailable" : "failed";
    return { record: { ...identityOf(planned), status, reason: { code, message, remedy }, ...gathered } };
  } finally {
    await host?.close();
  }
}

/** Kernels by measurement, where the engine offers any to choose from. */
async function tune(
  planned: PlannedRecord,
  pair: PreparedPair,
  probe: TargetProbe,
  { tune: mode, reporter, silenceMs, childPath }: MeasureContext,
  gathered: Gathered,
): Promise<readonly KernelChoice[]> {
  if (mode === "off") return [];
  reporter.phase(planned, "tuning", 0);
  const [report] = await tuneAll([{ target: planned.target, graphPath: pair.graphPath }], {
    mode,
    place: probe.place,
    silenceMs,
    childPath,
    onProgress: (fraction) => reporter.phase(planned, "tuning", fraction),
    onStderr: (text) => reporter.output(text),
    onNote: (line) => reporter.note(line),
  });
  const tuning = describeTuning(mode, report);
  if (tuning !== undefined) gathered.tuning = tuning;
  return report?.choices ?? [];
}

async function measure(
  host: Host,
  planned: PlannedRecord,
  pair: PreparedPair,
  probe: TargetProbe,
  context: MeasureContext,
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
  if (!parity.pass) {
    const reason = {
      code: "parity",
      message: `${planned.target.text}: outputs differ from the cpu engine's: ${message}`,
      remedy: "This is a bug in the engine; its times would mean nothing",
    };
    return { record: { ...identity, status: "failed", reason, ...gathered }, outputs };
  }

  const settings = samplingFor(context.preset, software);
  const timing = await host.request("time", { inputs: pair.inputs, settings });
  const latencyMs = describeLatency(timing);
  gathered.throughputPerSecond = (1000 * batchOf(pair)) / latencyMs.median;
  gathered.memoryBytes = describeMemory(await host.request("memory", { inputs: pair.inputs[0] ?? [] }));
  const predictions = await classify(host, pair, latencyMs.median, context);

  const warnings: Warning[] = [...timingWarnings(timing, settings, firstMs), ...threadsBeyondCores(probe.facts)];
  if (software) warnings.push(softwareAdapter(probe.adapter ?? planned.target.text));
  const elsewhere = opened.placement.filter((entry) => entry.engine !== engine);
  const { excluded = [] } = gathered.tuning ?? {};
  if (excluded.length > 0) warnings.push(kernelExcluded(excluded));
  if (elsewhere.length > 0) warnings.push(opsOnCpu(elsewhere, opened.placement.length));
  const { dataset } = pair.model;
  const calibrates = planned.recipe.steps.some((step) => step.kind === "int8");
  if (calibrates && dataset?.trainPath === dataset?.path) warnings.push(calibratedOnTestSet(dataset?.test.name ?? ""));
  const total = dataset?.test.count ?? 0;
  if (predictions !== undefined && predictions.indices.length < total) warnings.push(accuracySampled(predictions.indices.length, total));
  const record: OkRecord = { ...identity, status: "ok", ...gathered, latencyMs, kernels: gathered.kernels, warnings };
  return { record, outputs, ...(predictions === undefined ? {} : { predictions }) };
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

export function describeLatency({
  samples,
  stopReason,
  blockCalls,
  clockStepMs,
  warmup,
}: Omit<SamplingResult, "warmup"> & Partial<SamplingResult>): Latency {
  const { p90, p99, ...summary } = summarize(samples);
  const facts = { stopReason, blockCalls, clockStepMs, ...(warmup === undefined ? {} : { warmup }) };
  // Percentiles of block means would not be percentiles of calls.
  if (blockCalls > 1) return { ...summary, ...facts };
  return { ...summary, ...(p90 === undefined ? {} : { p90 }), ...(p99 === undefined ? {} : { p99 }), ...facts };
}

function describeMemory({ session, jsHeapBytes, rssPeakBytes }: MemoryResult): MemoryBytes {
  return {
    ...session,
    ...(jsHeapBytes === undefined ? {} : { jsHeap: jsHeapBytes }),
    ...(rssPeakBytes === undefined ? {} : { rssPeak: rssPeakBytes }),
  };
}

/** Classifies as much of the test set as the time allows; nothing without a dataset. */
async function classify(host: Host, pair: PreparedPair, medianMs: number, context: MeasureContext): Promise<Measured["predictions"]> {
  const { dataset } = pair.model;
  if (dataset === undefined) return undefined;
  const { count } = dataset.test;
  const n = samplesWithin(count, medianMs / batchOf(pair), context.preset.accuracyMs, context.accuracySamples);
  const indices = sampleIndices(count, n, context.seed);
  const { predictions } = await host.request("classify", { datasetPath: dataset.path, indices });
  return { indices, classes: predictions };
}

function batchOf(pair: PreparedPair): number {
  return pair.model.dataset === undefined ? 1 : feederFor(pair.graph, pair.model.dataset.test).batch;
}

export function identityOf({ model, recipe, target }: PlannedRecord): {
  readonly model: string;
  readonly recipe: string;
  readonly target: string;
} {
  return { model: model.name, recipe: recipe.text, target: target.text };
}

/** The original's predictions where no record of this run made them: an evaluation of its own, in a child of its own. */
export async function evaluateOriginal(
  graphPath: string,
  datasetPath: string,
  indices: Int32Array,
  engine: { readonly name: string; readonly probe: TargetProbe },
  silenceMs: number,
): Promise<Int32Array> {
  const host = await openHost(engine.probe.place, { silenceMs });
  try {
    await host.request("open", { engine: engine.name, options: {}, graphPath });
    return (await host.request("classify", { datasetPath, indices })).predictions;
  } finally {
    await host.close();
  }
}
