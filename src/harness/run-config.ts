/** What a result says about how it was made, and how that of a resumed run joins what was there. */
import { basename } from "node:path";
import { SlimbenchError } from "../errors.ts";
import type { Result } from "../results/schema.ts";
import type { Plan } from "./plan.ts";
import type { PreparedModel } from "./prepare.ts";
import { presetOf } from "./presets.ts";

export function describeConfig(plan: Plan, models: ReadonlyMap<string, PreparedModel>): Record<string, unknown> {
  const distinct = (words: readonly string[]): readonly string[] => [...new Set(words)];
  return {
    ...(plan.suite === undefined ? {} : { suite: plan.suite }),
    preset: plan.preset,
    seed: plan.seed,
    tune: plan.tune,
    processes: plan.processes,
    models: [...models.values()].map(({ planned, sha256, importMs, dataset }) => ({
      name: planned.name,
      file: basename(planned.path),
      sha256,
      importMs,
      ...(planned.shapes.size === 0 ? {} : { shapes: Object.fromEntries(planned.shapes) }),
      ...(dataset === undefined ? {} : { dataset: dataset.test.name }),
    })),
    recipes: distinct(plan.records.map(({ recipe }) => recipe.text)),
    targets: distinct(plan.records.map(({ target }) => target.text)),
    ...(plan.accuracySamples === undefined ? {} : { accuracySamples: plan.accuracySamples }),
    settings: presetOf(plan.preset),
  };
}

interface ModelEntry {
  readonly name: string;
  readonly sha256: string;
}

function modelEntries(config: Record<string, unknown>): readonly ModelEntry[] {
  const { models } = config as { readonly models?: readonly ModelEntry[] };
  return models ?? [];
}

/** A resumed run opens only what is left to do; what the earlier part says about the rest still holds. */
export function mergeConfig(now: Record<string, unknown>, old: Result | undefined): Record<string, unknown> {
  if (old === undefined) return now;
  const names = new Set(modelEntries(now).map(({ name }) => name));
  const merge = (key: "recipes" | "targets"): readonly unknown[] => [
    ...new Set([old.config[key], now[key]].flatMap((list) => (Array.isArray(list) ? (list as readonly unknown[]) : []))),
  ];
  return {
    ...now,
    models: [...modelEntries(old.config).filter(({ name }) => !names.has(name)), ...modelEntries(now)],
    recipes: merge("recipes"),
    targets: merge("targets"),
    resumed: true,
  };
}

export function mergeEnvironment(now: Result["environment"], old: Result | undefined): Result["environment"] {
  return old === undefined ? now : { ...now, engines: { ...old.environment.engines, ...now.engines } };
}

/** Records of two configurations or machines must not share a file. @throws SlimbenchError */
export function checkSameConfig(old: Result, now: Result): void {
  const refuse = (what: string, was: unknown, is: unknown): never => {
    throw new SlimbenchError("usage", `--resume: the result was made with ${what} ${String(was)}, this run has ${String(is)}`, {
      remedy: "Use the same options, or another --out",
    });
  };
  // Results from before there was tuning were made without it, those from before there were several processes in one.
  const before: Readonly<Record<string, unknown>> = { tune: "off", processes: 1 };
  for (const key of ["preset", "seed", "tune", "processes", "accuracySamples"]) {
    const was = old.config[key] ?? before[key];
    if (was !== now.config[key]) refuse(key, was ?? "none", now.config[key] ?? "none");
  }
  for (const key of ["node", "cpuModel"] as const) {
    if (old.environment[key] !== now.environment[key]) refuse(key, old.environment[key], now.environment[key]);
  }
  const known = new Map(modelEntries(old.config).map(({ name, sha256 }) => [name, sha256]));
  for (const { name, sha256 } of modelEntries(now.config)) {
    const was = known.get(name) ?? sha256;
    if (was !== sha256) refuse(`another file for model ${name}, sha256`, was.slice(0, 12), sha256.slice(0, 12));
  }
}
