/**
 * One record in a fresh host, after tuning in another one. Whatever fails becomes a record that says so and keeps what was measured
 * before.
 */
import type { KernelChoice } from "../engines/tune/types.ts";
import { UnavailableError } from "../errors.ts";
import type { Host } from "../hosts/host.ts";
import { openHost } from "../hosts/open.ts";
import { HostError } from "../hosts/protocol.ts";
import type { PlannedRecord } from "./plan.ts";
import type { PreparedPair } from "./prepare.ts";
import type { TargetProbe } from "./probe.ts";
import { identityOf, measure } from "./record.ts";
import type { Gathered, Measured, RecordContext } from "./record.ts";
import { describeTuning, tuneAll } from "./tuning.ts";
import type { TuneSetting } from "./tuning.ts";

export interface MeasureContext extends RecordContext {
  readonly tune: TuneSetting;
  readonly silenceMs: number;
  /** Another child script, for tests. */
  readonly childPath?: string | undefined;
}

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
