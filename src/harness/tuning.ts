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

/**
 * @returns undefined where the engine does not tune, or where tuning failed (a note says so): it then goes by its estimates
 * @throws HostError when the run was interrupted
 */
export async function tuneTarget(target: Target, graphPath: string, context: TuningContext): Promise<TuneReport | undefined> {
  const { engine, options, host: place } = target;
  if (place.kind !== "node" || (await loadEngine(engine)).tune === undefined) return undefined;
  const host = await openHost(context.place, {
    silenceMs: context.silenceMs,
    childPath: context.childPath,
    onProgress: ({ fraction }) => context.onProgress(fraction),
    onStderr: context.onStderr,
  });
  try {
    const report = await host.request("tune", { engine, options, graphPath, mode: context.mode });
    for (const note of report?.notes ?? []) context.onNote(note);
    return report;
  } catch (error) {
    if (!(error instanceof HostError) || error.code === "interrupted") throw error;
    context.onNote(`tuning for ${target.text}: ${error.message}; kernels are chosen by estimate`);
    return undefined;
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
