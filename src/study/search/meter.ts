/** Latencies of recipes as `bench run` measures them: in turn with the original, each in fresh processes. */
import type { Recipe } from "../../compress/recipe.ts";
import { parseRecipe } from "../../compress/recipe.ts";
import { UnavailableError } from "../../errors.ts";
import type { PlannedModel, PlannedRecord } from "../../harness/plan.ts";
import { presetOf } from "../../harness/presets.ts";
import type { PresetName } from "../../harness/presets.ts";
import { runPlan } from "../../harness/run.ts";
import type { Target } from "../../harness/target.ts";
import type { TuneSetting } from "../../harness/tuning.ts";
import type { Environment, ResultRecord } from "../../results/schema.ts";
import type { TrialLatency } from "../../results/search.ts";
import { ratioOfProcesses } from "../../stats/processes.ts";
import type { StudyOptions } from "../reporter.ts";

export interface MeterSettings {
  readonly model: PlannedModel;
  readonly target: Target;
  readonly seed: number;
  readonly preset: PresetName;
  /** Default: the preset's. */
  readonly processes?: number | undefined;
  readonly tune: TuneSetting;
}

export interface Metered {
  /** Recipe → its latency, or why there is none. */
  readonly latencies: ReadonlyMap<string, TrialLatency | string>;
  readonly environment: Environment;
}

/**
 * @param recipes besides the original
 * @param label of what is under way
 * @throws UnavailableError where the original cannot be measured; what `runPlan` throws; the signal's reason when interrupted
 */
export async function meterLatencies(
  recipes: readonly Recipe[],
  settings: MeterSettings,
  options: StudyOptions,
  label: string,
): Promise<Metered> {
  const { model, target, seed, preset, tune } = settings;
  const original = parseRecipe("fp32");
  const records = [original, ...recipes.filter(({ text }) => text !== original.text)].map((recipe): PlannedRecord => ({
    model,
    recipe,
    target,
  }));
  const usual = presetOf(preset);
  const processes = settings.processes ?? usual.processes;
  const plan = {
    preset,
    seed,
    tune,
    processes,
    softwareProcesses: settings.processes ?? usual.softwareProcesses,
    kernels: false,
    records,
    // Accuracy is judged elsewhere, on more samples than there is time for here.
    accuracySamples: 1,
    notes: [],
  };
  let over = 0;
  const total = records.length * processes;
  const { reporter, signal, silenceMs, childPath, browsers, remotes } = options;
  const report = ({ recipe }: PlannedRecord, phase: string, fraction = 0): void =>
    reporter.phase(`${label} | ${recipe.text} | ${phase}`, Math.min(0.99, (over + 0.5 * fraction) / total));
  const { result, interrupted } = await runPlan(plan, {
    reporter: {
      begin: () => undefined,
      phase: report,
      step: () => over++,
      done: () => over++,
      note: (line) => reporter.note(line),
      output: (text) => reporter.output(text),
      end: () => undefined,
    },
    silenceMs,
    signal,
    browsers,
    remotes,
    ...(childPath === undefined ? {} : { childPath }),
  });
  if (interrupted) signal.throwIfAborted();
  const base = result.records.find(({ recipe }) => recipe === original.text);
  if (base?.status !== "ok") throw unavailable(target, base);
  const latencies = new Map<string, TrialLatency | string>();
  for (const record of result.records)
    latencies.set(record.recipe, record.status === "ok" ? describe(base, record) : record.reason.message);
  return { latencies, environment: result.environment };
}

type OkRecord = Extract<ResultRecord, { readonly status: "ok" }>;

function describe(base: OkRecord, { target, latencyMs }: OkRecord): TrialLatency {
  const [before, after] = [base.latencyMs, latencyMs];
  const compared = ratioOfProcesses(before.processes ?? [], after.processes ?? []);
  return {
    target,
    ms: after.median,
    ...(after.ci95 === undefined ? {} : { ci95: after.ci95 }),
    originalMs: before.median,
    ratio: after.median / before.median,
    ...(compared === undefined ? {} : { ratioCi95: compared.ci95 }),
    processes: after.processes?.length ?? 1,
  };
}

function unavailable({ text }: Target, base: ResultRecord | undefined): UnavailableError {
  if (base === undefined || base.status === "ok")
    return new UnavailableError("not-measured", `target ${text}: the original was not measured`);
  const { code, message, remedy } = base.reason;
  return new UnavailableError(code, `target ${text}: ${message}`, remedy);
}
