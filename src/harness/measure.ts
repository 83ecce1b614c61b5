/**
 * Records in fresh hosts, after tuning in another one: the first host measures everything, further ones the time again. Whatever fails
 * becomes a record that says so and keeps what was measured before.
 */
import type { TuneReport } from "../engines/tune/types.ts";
import type { Host } from "../hosts/host.ts";
import { CRASHES } from "../hosts/browser/host.ts";
import { openHost } from "../hosts/open.ts";
import { HostError } from "../hosts/protocol.ts";
import type { Warning } from "../results/schema.ts";
import type { PlannedRecord } from "./plan.ts";
import type { PreparedPair } from "./prepare.ts";
import type { TargetProbe } from "./probe.ts";
import { describeTiming, failedRecord, measure, processesOf, timeAgain } from "./record.ts";
import type { Gathered, Measured, RecordContext } from "./record.ts";
import { describeTuning, tuneAll } from "./tuning.ts";
import type { TuneSetting } from "./tuning.ts";
import { pageRetried } from "./warnings.ts";

export interface MeasureContext extends RecordContext {
  readonly tune: TuneSetting;
  readonly silenceMs: number;
  /** A line for the user, once a run. */
  readonly onNote: (line: string) => void;
  /** Another child script, for tests. */
  readonly childPath?: string | undefined;
}

/** A record under way: what of it has been measured, and what the rest needs. */
export interface UnderWay {
  readonly planned: PlannedRecord;
  readonly pair: PreparedPair;
  readonly probe: TargetProbe;
  /** After the first process. */
  readonly measured?: Measured;
}

/** Everything in a first fresh host: what is measured once, and the first times. */
export async function measureFirst(row: UnderWay, report: TuneReport | undefined, context: MeasureContext): Promise<UnderWay> {
  const { planned, pair, probe } = row;
  const gathered: Gathered = { size: pair.size, compute: pair.compute, steps: pair.steps };
  if (probe.adapter !== undefined) gathered.device = { adapter: probe.adapter, software: probe.software === true };
  const tuning = context.tune === "off" ? undefined : describeTuning(context.tune, report);
  if (tuning !== undefined) gathered.tuning = tuning;
  const retried: Warning[] = [];
  const onRetry = (warning: Warning): number => retried.push(warning);
  try {
    const measured = await inHost(row, context, onRetry, (host) =>
      measure(host, planned, pair, probe, context, gathered, report?.choices ?? []),
    );
    return { ...row, measured: withWarnings(measured, retried) };
  } catch (error) {
    if (retried.length > 0) gathered.warnings = retried;
    return { ...row, measured: { record: failedRecord(planned, error, gathered) } };
  }
}

/** The time again, in one more fresh host. A failure there is the record's: what crashes now and then is not ok. */
export async function measureAgain(row: UnderWay, process: number, context: MeasureContext): Promise<UnderWay> {
  const { planned, pair, measured } = row;
  const timing = measured?.timing;
  if (measured === undefined || timing === undefined) return row;
  const retried: Warning[] = [];
  const onRetry = (warning: Warning): number => retried.push(warning);
  try {
    const more = await inHost(row, context, onRetry, (host) => timeAgain(host, planned, pair, context, timing));
    return { ...row, measured: withWarnings({ ...measured, record: describeTiming(more), timing: more }, retried) };
  } catch (error) {
    const gathered = { ...timing.untimed, warnings: [...timing.untimed.warnings, ...retried] };
    const record = failedRecord(planned, error, gathered, `process ${process} of ${processesOf(context, row.probe)}: `);
    return { ...row, measured: { record } };
  }
}

/** The measured record with warnings that do not come from its times. */
function withWarnings(measured: Measured, more: readonly Warning[]): Measured {
  const { timing, record } = measured;
  if (more.length === 0) return measured;
  if (timing === undefined) return { ...measured, record: { ...record, warnings: [...(record.warnings ?? []), ...more] } };
  const warned = { ...timing, untimed: { ...timing.untimed, warnings: [...timing.untimed.warnings, ...more] } };
  return { ...measured, record: describeTiming(warned), timing: warned };
}

/** Once more in a fresh page where the first one, or its browser, was lost: pages are, now and then, for reasons of their own. */
async function inHost<T>(
  row: UnderWay,
  context: MeasureContext,
  onRetry: (warning: Warning) => void,
  work: (host: Host) => Promise<T>,
): Promise<T> {
  try {
    return await inFreshHost(row, context, work);
  } catch (error) {
    if (row.probe.place.kind !== "browser" || !(error instanceof HostError) || !CRASHES.includes(error.code)) throw error;
    onRetry(pageRetried(error.message));
    return inFreshHost(row, context, work);
  }
}

async function inFreshHost<T>({ planned, probe }: UnderWay, context: MeasureContext, work: (host: Host) => Promise<T>): Promise<T> {
  const host = await openHost(probe.place, {
    silenceMs: context.silenceMs,
    childPath: context.childPath,
    onProgress: ({ phase, fraction, ms }) => context.reporter.phase(planned, phase, fraction, ms),
    onStderr: (text) => context.reporter.output(text),
  });
  try {
    return await work(host);
  } finally {
    await host.close();
  }
}

/**
 * Kernels by measurement, where the engine offers any to choose from: once for all rows of an engine and a host, in one host of their own.
 * @returns a report a row, in order
 */
export async function tuneRows(
  rows: readonly UnderWay[],
  { tune: mode, reporter, silenceMs, childPath, onNote }: MeasureContext,
): Promise<readonly (TuneReport | undefined)[]> {
  const [first] = rows;
  if (mode === "off" || first === undefined) return rows.map(() => undefined);
  reporter.phase(first.planned, "tuning", 0);
  return tuneAll(
    rows.map(({ planned, pair }) => ({ target: planned.target, graphPath: pair.graphPath })),
    {
      mode,
      place: first.probe.place,
      silenceMs,
      childPath,
      onProgress: (fraction) => reporter.phase(first.planned, "tuning", fraction),
      onStderr: (text) => reporter.output(text),
      onNote,
    },
  );
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
