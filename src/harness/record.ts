/**
 * What one record measures, given a host that lives: it compiles the graph, proves its outputs, and only then is timed; memory and
 * accuracy come after, apart from the timing. The same code for a child process, a driven browser and a page opened by hand.
 */
import type { KernelChoice } from "../engines/tune/types.ts";
import type { ProbeResult } from "../engines/engine.ts";
import type { Host } from "../hosts/host.ts";
import type { MemoryResult } from "../hosts/protocol.ts";
import type { FailedRecord, Latency, MemoryBytes, OkRecord, ResultRecord, Warning } from "../results/schema.ts";
import { summarize } from "../stats/summary.ts";
import { feederFor } from "./feed.ts";
import { sampleIndices, samplesWithin } from "./order.ts";
import type { Outputs } from "./parity.ts";
import { checkParity } from "./parity.ts";
import type { PlannedRecord } from "./plan.ts";
import type { Inputs, PreparedModel, PreparedPair } from "./prepare.ts";
import { samplingFor } from "./presets.ts";
import type { Preset } from "./presets.ts";
import type { Reporter } from "./progress.ts";
import type { SamplingResult } from "./sampling.ts";
import {
  accuracySampled,
  calibratedOnTestSet,
  kernelExcluded,
  opsOnCpu,
  softwareAdapter,
  threadsBeyondCores,
  timingWarnings,
} from "./warnings.ts";

export interface RecordContext {
  readonly preset: Preset;
  readonly seed: number;
  /** At most so many samples for accuracy. */
  readonly accuracySamples?: number | undefined;
  readonly reporter: Reporter;
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
