/**
 * Tuning of a prepared model, in a child of its own that ends before the measured one begins: neither its memory nor what the compiler
 * learnt there shows in the record.
 */
import { loadEngine } from "../engines/registry.ts";
import type { TuneMode, TuneReport } from "../engines/tune/types.ts";
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
 * @returns per task; undefined where the engine does not tune, or where tuning failed (a note says so): it then goes by its estimates
 * @throws HostError when the run was interrupted
 */
export async function tuneAll(tasks: readonly TuningTask[], context: TuningContext): Promise<readonly (TuneReport | undefined)[]> {
  const nothing = tasks.map(() => undefined);
  const [first] = tasks;
  if (first === undefined || context.place.kind !== "node" || (await loadEngine(first.target.engine)).tune === undefined) return nothing;
  let done = 0;
  const host = await openHost(context.place, {
    silenceMs: context.silenceMs,
    childPath: context.childPath,
    onProgress: ({ fraction }) => context.onProgress((done + fraction) / tasks.length),
    onStderr: context.onStderr,
  });
  try {
    const reports: (TuneReport | undefined)[] = [];
    for (const { target, graphPath } of tasks) {
      const { engine, options } = target;
      reports.push(await host.request("tune", { engine, options, graphPath, mode: context.mode }));
      done++;
    }
    for (const note of new Set(reports.flatMap((report) => report?.notes ?? []))) context.onNote(note);
    return reports;
  } catch (error) {
    if (!(error instanceof HostError) || error.code === "interrupted") throw error;
    context.onNote(`tuning for ${first.target.text}: ${error.message}; kernels are chosen by estimate`);
    return nothing;
  } finally {
    await host.close();
  }
}

/** For a record; nothing where there was nothing to choose. */
export function describeTuning(mode: TuneMode, report: TuneReport | undefined): Tuning | undefined {
  if (report === undefined || report.choices.length === 0) return undefined;
  const { measured, cached, ms, excluded } = report;
  return { mode, measured, cached, ms, ...(excluded.length === 0 ? {} : { excluded }) };
}
