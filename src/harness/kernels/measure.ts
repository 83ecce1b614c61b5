/**
 * The rows of one layer's shape on one engine: all in one process, since a process each would take minutes, and timed in turn, since they
 * are compared with each other. Each row is verified before any is timed; loops that bound the engine run in the same rounds.
 */
import type { TuneReport } from "../../engines/tune/types.ts";
import { inputTensor } from "../../graph/access.ts";
import { UnavailableError } from "../../errors.ts";
import type { Host } from "../../hosts/host.ts";
import { openHost } from "../../hosts/open.ts";
import { HostError } from "../../hosts/protocol.ts";
import type { Added, Raced } from "../../hosts/protocol.ts";
import type { FailedRecord, Rates, ResultRecord, UnavailableRecord, Warning } from "../../results/schema.ts";
import { median } from "../../stats/describe.ts";
import type { MeasureContext } from "../measure.ts";
import { describeLatency, identityOf } from "../record.ts";
import { checkParity } from "../parity.ts";
import type { PlannedRecord } from "../plan.ts";
import type { PreparedPair } from "../prepare.ts";
import type { TargetProbe } from "../probe.ts";
import { describeTuning, tuneAll } from "../tuning.ts";
import { kernelExcluded, softwareAdapter } from "../warnings.ts";
import { LAYER } from "./model.ts";
import { SWEEP_OPTIONS } from "./sweep.ts";

export interface LayerRow {
  readonly planned: PlannedRecord;
  readonly pair: PreparedPair;
}

const TIMING =
  "the layer alone, without copying its input and output; all rows of a shape and engine in turn in one process, without WebAssembly's baseline compiler in Node";

/** @param rows same model, engine and host @returns a record for each, in order */
export async function measureLayer(
  rows: readonly LayerRow[],
  probe: TargetProbe,
  context: MeasureContext,
): Promise<readonly ResultRecord[]> {
  const [first] = rows;
  if (first === undefined) return [];
  const { reporter, silenceMs, childPath } = context;
  let host: Host | undefined;
  try {
    const tuned = await tune(rows, probe, context);
    host = await openHost(probe.place, {
      silenceMs,
      childPath,
      onProgress: ({ phase, fraction }) => reporter.phase(first.planned, phase, fraction),
      onStderr: (text) => reporter.output(text),
    });
    const opened: Opened[] = [];
    for (const [i, row] of rows.entries()) {
      reporter.phase(row.planned, "verifying", i / rows.length);
      opened.push(await open(host, row, tuned[i], probe, context));
    }
    const live = opened.flatMap((entry) => ("added" in entry ? [entry] : []));
    if (live.length === 0) return opened.map((entry) => ("added" in entry ? failed(entry.row, NOT_RACED) : entry.record));
    const raced = await host.request("race", {
      ...peakTarget(first.planned),
      added: live.map(({ added }) => added.index),
      settings: context.preset.race,
    });
    return opened.map((entry) => ("added" in entry ? describe(entry, raced, live.indexOf(entry), context, probe) : entry.record));
  } catch (error) {
    const reason = reasonOf(error);
    return rows.map((row) => failed(row, reason));
  } finally {
    await host?.close();
  }
}

interface Reason {
  readonly status: "failed" | "unavailable";
  readonly reason: FailedRecord["reason"];
}

interface Live {
  readonly row: LayerRow;
  readonly added: Added;
  readonly parity: FailedRecord["parity"];
  readonly report: TuneReport | undefined;
}

/** A row that compiled and computes the right thing, or the record that says why not. */
type Opened = Live | { readonly record: FailedRecord | UnavailableRecord };

const NOT_RACED: Reason = { status: "failed", reason: { code: "internal", message: "no row of the shape was timed", remedy: "" } };

/** @throws what is no failure of a host or a target */
function reasonOf(error: unknown): Reason {
  if (!(error instanceof HostError || error instanceof UnavailableError)) throw error;
  const { code, message, remedy } = error;
  const unavailable = error instanceof UnavailableError || error.unavailable;
  return { status: unavailable ? "unavailable" : "failed", reason: { code, message, remedy } };
}

function failed({ planned, pair }: LayerRow, { status, reason }: Reason): FailedRecord | UnavailableRecord {
  return { ...identityOf(planned), status, reason, size: pair.size, compute: pair.compute, steps: pair.steps };
}

async function tune(rows: readonly LayerRow[], probe: TargetProbe, context: MeasureContext): Promise<readonly (TuneReport | undefined)[]> {
  const { tune: mode, reporter, silenceMs, childPath } = context;
  const [first] = rows;
  if (mode === "off" || first === undefined) return rows.map(() => undefined);
  return tuneAll(
    rows.map(({ planned, pair }) => ({ target: planned.target, graphPath: pair.graphPath })),
    {
      mode,
      place: probe.place,
      silenceMs,
      childPath,
      onProgress: (fraction) => reporter.phase(first.planned, "tuning", fraction),
      onStderr: (text) => reporter.output(text),
      onNote: context.onNote,
    },
  );
}

async function open(
  host: Host,
  row: LayerRow,
  report: TuneReport | undefined,
  probe: TargetProbe,
  context: MeasureContext,
): Promise<Opened> {
  const { planned, pair } = row;
  const { engine, options } = planned.target;
  try {
    const added = await host.request("add", {
      engine,
      options,
      graphPath: pair.graphPath,
      choices: report?.choices ?? [],
      inputs: pair.inputs[0] ?? [],
    });
    const { parity, message } = checkParity(pair.graph, pair.expected.slice(0, 1), [added.outputs]);
    if (parity.pass) return { row, added, parity, report };
    const reason = {
      code: "parity",
      message: `${planned.target.text}: output differs from the cpu engine's: ${message}`,
      remedy: "This is a bug in the engine; its times would mean nothing",
    };
    return { record: { ...failed(row, { status: "failed", reason }), status: "failed", parity, ...placed(added, report, probe, context) } };
  } catch (error) {
    return { record: failed(row, reasonOf(error)) };
  }
}

/** The target of the bounding loops: the rows' own, whatever a sweep forces. */
function peakTarget({ target: { engine, options } }: PlannedRecord): { readonly engine: string; readonly options: Record<string, string> } {
  return { engine, options: Object.fromEntries(Object.entries(options).filter(([key]) => !SWEEP_OPTIONS.includes(key))) };
}

function placed(
  { placement }: Added,
  report: TuneReport | undefined,
  probe: TargetProbe,
  { tune: mode }: MeasureContext,
): Pick<FailedRecord, "placement" | "tuning" | "device"> & { readonly kernels: readonly string[] } {
  const tuning = mode === "off" ? undefined : describeTuning(mode, report);
  return {
    placement,
    kernels: [...new Set(placement.filter(({ node }) => node.startsWith(LAYER)).map(({ kernel }) => kernel))],
    ...(tuning === undefined ? {} : { tuning }),
    ...(probe.adapter === undefined ? {} : { device: { adapter: probe.adapter, software: probe.software === true } }),
  };
}

function describe(
  { row, added, parity, report }: Live,
  raced: Raced,
  at: number,
  context: MeasureContext,
  probe: TargetProbe,
): ResultRecord {
  const { planned, pair } = row;
  const times = raced.times[at];
  if (times === undefined || times.samples.length === 0) return failed(row, NOT_RACED);
  const latencyMs = describeLatency([
    {
      samples: times.samples,
      blockCalls: times.calls,
      clockStepMs: raced.clockStepMs,
      stopReason: times.samples.length >= context.preset.race.rounds ? "max-samples" : "time-limit",
    },
  ]);
  const warnings: Warning[] = [];
  if (probe.software === true) warnings.push(softwareAdapter(probe.adapter ?? planned.target.text));
  if (report !== undefined && report.excluded.length > 0) warnings.push(kernelExcluded(report.excluded));
  return {
    ...identityOf(planned),
    status: "ok",
    size: pair.size,
    compute: pair.compute,
    steps: pair.steps,
    latencyMs,
    coldMs: { compile: added.compileMs },
    memoryBytes: added.memory,
    parity,
    ...placed(added, report, probe, context),
    rates: ratesOf(row, latencyMs.median, raced),
    warnings,
  };
}

function ratesOf({ planned, pair }: LayerRow, ms: number, { peaks }: Raced): Rates {
  const { macs = 0, effectiveMacs = macs } = pair.compute;
  const type = typeOf(pair);
  const rate = (operations: number, time: number): number => operations / time / 1e6;
  const bounds = peaks
    .filter((peak) => peak.type === type && peak.samples.length > 0)
    .map(({ name, operations, samples }) => ({ peakOperation: name, peakGops: rate(operations, median(samples)) }));
  const best = bounds.length === 0 ? undefined : bounds.reduce((a, b) => (b.peakGops > a.peakGops ? b : a));
  const nonzeroGops = rate(2 * effectiveMacs, ms);
  return {
    shape: planned.model.path,
    ...(planned.model.layer === undefined ? {} : { layer: planned.model.layer }),
    type,
    denseGops: rate(2 * macs, ms),
    nonzeroGops,
    ...(best === undefined ? {} : { ...best, peakShare: nonzeroGops / best.peakGops }),
    timing: TIMING,
  };
}

/** What the layer multiplies, after compression. */
function typeOf({ graph }: PreparedPair): Rates["type"] {
  const product = graph.nodes.find(({ name }) => name.startsWith(LAYER));
  const dtype = product === undefined ? "float32" : inputTensor(graph, product, 0)?.dtype;
  return dtype === "int8" || dtype === "uint8" ? "int8" : "float32";
}
