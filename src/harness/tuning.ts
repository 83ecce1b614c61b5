/**
 * Tuning of a prepared model, in a child of its own that ends before the measured one begins: neither its memory nor what the compiler
 * learnt there shows in the record.
 */
import { loadEngine } from "../engines/registry.ts";
import type { TuneMode, TuneReport } from "../engines/tune/types.ts";
import { UnavailableError } from "../errors.ts";
import type { Host } from "../hosts/host.ts";
import { openHost } from "../hosts/open.ts";
import type { HostPlace } from "../hosts/open.ts";
import { HostError } from "../hosts/protocol.ts";
import type { Tuning } from "../results/schema.ts";
import type { Target } from "./target.ts";

/** `off`: kernels by estimate. */
export const TUNE_MODES = ["off", "cached", "force"] as const;
export type TuneSetting = (typeof TUNE_MODES)[number];

export interface TuningContext {
  readonly mode: TuneMode;
  readonly place: HostPlace;
  readonly silenceMs: number;
  readonly childPath?: string | undefined;
  readonly onProgress: (fraction: number) => void;
  readonly onStderr: (text: string) => void;
  readonly onNote: (line: string) => void;
}

export interface TuningTask {
  readonly target: Target;
  readonly graphPath: string;
}

/**
 * One child for all tasks, whose targets share an engine and a host.
 * @returns per task, in order; those where the engine does not tune, and those from a failure on (a note says so), are undefined or left
 * out: they go by estimates
 * @throws HostError when the run was interrupted
 */
export async function tuneAll(tasks: readonly TuningTask[], context: TuningContext): Promise<readonly (TuneReport | undefined)[]> {
  const [first] = tasks;
  if (first === undefined || !keepsMeasurements(context.place) || (await loadEngine(first.target.engine)).tune === undefined) return [];
  const reports: (TuneReport | undefined)[] = [];
  let host: Host | undefined;
  try {
    host = await openHost(context.place, {
      silenceMs: context.silenceMs,
      childPath: context.childPath,
      onProgress: ({ fraction }) => context.onProgress((reports.length + fraction) / tasks.length),
      onStderr: context.onStderr,
    });
    for (const { target, graphPath } of tasks) {
      const { engine, options } = target;
      reports.push(await host.request("tune", { engine, options, graphPath, mode: context.mode }));
    }
  } catch (error) {
    if (!(error instanceof HostError || error instanceof UnavailableError) || error.code === "interrupted") throw error;
    const { target } = tasks[reports.length] ?? first;
    context.onNote(`tuning for ${target.text}: ${error.message}; kernels are chosen by estimate`);
  } finally {
    await host?.close();
  }
  for (const note of new Set(reports.flatMap((report) => report?.notes ?? []))) context.onNote(note);
  return reports;
}

/** What is known of somebody else's machine is not enough to keep its measurements apart from those of the next. */
function keepsMeasurements(place: HostPlace): boolean {
  return place.kind === "node" || place.source.kind !== "remote";
}

/** For a record; nothing where there was nothing to choose. */
export function describeTuning(mode: TuneMode, report: TuneReport | undefined): Tuning | undefined {
  if (report === undefined || report.choices.length === 0) return undefined;
  const { measured, cached, ms, excluded } = report;
  return { mode, measured, cached, ms, ...(excluded.length === 0 ? {} : { excluded }) };
}
