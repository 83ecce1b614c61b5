/**
 * A whole run: probe the targets, open the models, then record after record, each in its own child. Preparation is shared by the
 * targets of a model and recipe. The result so far is handed out after every record, so that it can be saved.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { SlimbenchError } from "../errors.ts";
import { serializeGraph } from "../graph/serialize.ts";
import { killAllHosts } from "../hosts/host.ts";
import { HostError, toWireError } from "../hosts/protocol.ts";
import { RESULT_SCHEMA, recordKey } from "../results/schema.ts";
import type { Result, ResultRecord } from "../results/schema.ts";
import { describeAccuracy, ReferencePredictions } from "./accuracy.ts";
import { readEnvironment } from "./environment.ts";
import { evaluateOriginal, identityOf, measureRecord } from "./measure.ts";
import type { MeasureContext, Measured } from "./measure.ts";
import { sqnrDb } from "./parity.ts";
import type { Outputs } from "./parity.ts";
import { plannedKey } from "./plan.ts";
import type { Plan, PlannedRecord } from "./plan.ts";
import { prepareModel, preparePair, referenceOutputs } from "./prepare.ts";
import type { PreparedModel, PreparedPair } from "./prepare.ts";
import { presetOf } from "./presets.ts";
import { probeTarget } from "./probe.ts";
import type { TargetProbe } from "./probe.ts";
import type { Reporter } from "./progress.ts";
import { parseTarget } from "./target.ts";
import { readTool } from "./version.ts";

export interface RunOptions {
  readonly reporter: Reporter;
  /** A child without a sign of life for so long is ended. */
  readonly silenceMs: number;
  /** The browser to use in place of the one that is found. */
  readonly browser?: string | undefined;
  /** Ends the run early; what is done is kept. */
  readonly signal: AbortSignal;
  /** A result to go on from: its `ok` records are kept and not measured again. */
  readonly resume?: Result;
  /** Another child script: tests use it to crash on purpose. */
  readonly childPath?: string;
  /** After every record, with all that are done. */
  readonly onProgress?: (result: Result) => void;
}

export interface RunOutcome {
  readonly result: Result;
  readonly interrupted: boolean;
}

/** @throws SlimbenchError when a model, dataset or target option is wrong: nothing has been measured then */
export async function runPlan(plan: Plan, options: RunOptions): Promise<RunOutcome> {
  const folder = await mkdtemp(join(tmpdir(), "slimbench-"));
  const stop = (): void => killAllHosts();
  options.signal.addEventListener("abort", stop);
  try {
    return await new Run(plan, options, folder).all();
  } finally {
    options.signal.removeEventListener("abort", stop);
    options.reporter.end();
    await rm(folder, { recursive: true, force: true });
  }
}

class Run {
  readonly #plan: Plan;
  readonly #options: RunOptions;
  readonly #folder: string;
  readonly #measure: MeasureContext;
  readonly #probes = new Map<string, TargetProbe>();
  readonly #models = new Map<string, PreparedModel>();
  readonly #references = new Map<string, ReferencePredictions>();
  /** Model name → the original's outputs for the samples that outputs are compared on. */
  readonly #originals = new Map<string, readonly Outputs[]>();
  readonly #records = new Map<string, ResultRecord>();

  constructor(plan: Plan, options: RunOptions, folder: string) {
    this.#plan = plan;
    this.#options = options;
    this.#folder = folder;
    this.#measure = {
      preset: presetOf(plan.preset),
      seed: plan.seed,
      tune: plan.tune,
      accuracySamples: plan.accuracySamples,
      silenceMs: options.silenceMs,
      reporter: options.reporter,
      childPath: options.childPath,
    };
  }

  async all(): Promise<RunOutcome> {
    const { reporter, signal, resume, onProgress } = this.#options;
    for (const record of resume?.records ?? []) if (record.status === "ok") this.#records.set(recordKey(record), record);
    const pending = this.#plan.records.filter((record) => !this.#records.has(plannedKey(record)));
    reporter.begin(pending.length);
    await this.#openAll(pending);
    if (resume !== undefined) checkSameConfig(resume, this.#result());

    for (const group of groupByPair(pending)) {
      const pair = signal.aborted ? undefined : await this.#prepare(group);
      for (const planned of group) {
        if (signal.aborted) break;
        const record = pair instanceof Error ? failedPair(planned, pair) : pair === undefined ? undefined : await this.#one(planned, pair);
        if (record === undefined) break;
        this.#records.set(plannedKey(planned), record);
        reporter.done(record);
        onProgress?.(this.#result());
      }
    }
    return { result: this.#result(), interrupted: signal.aborted };
  }

  /** Everything that can be wrong with the input shows before the first measurement. */
  async #openAll(pending: readonly PlannedRecord[]): Promise<void> {
    const { reporter, signal } = this.#options;
    for (const record of pending) {
      if (signal.aborted || this.#models.has(record.model.name)) continue;
      reporter.phase(record, "opening", 0);
      this.#models.set(record.model.name, await prepareModel(record.model, this.#folder));
    }
    for (const record of pending) {
      if (signal.aborted || this.#probes.has(record.target.text)) continue;
      reporter.phase(record, "probing", 0);
      this.#probes.set(record.target.text, await probeTarget(record.target, this.#options));
    }
  }

  /** An error instead of a pair becomes a record for each of its targets. */
  async #prepare(group: readonly PlannedRecord[]): Promise<PreparedPair | SlimbenchError | undefined> {
    const first = group[0];
    const model = first === undefined ? undefined : this.#models.get(first.model.name);
    if (first === undefined || model === undefined) return undefined;
    this.#options.reporter.phase(first, "preparing", 0);
    const { preset, seed } = this.#measure;
    try {
      const pair = await preparePair(model, first.recipe, { folder: this.#folder, seed, paritySamples: preset.paritySamples });
      if (first.recipe.text === "fp32") this.#originals.set(first.model.name, pair.expected);
      return pair;
    } catch (error) {
      return new HostError(toWireError(error));
    }
  }

  async #one(planned: PlannedRecord, pair: PreparedPair): Promise<ResultRecord | undefined> {
    const probe = this.#probes.get(planned.target.text);
    if (probe === undefined) return undefined;
    if (!probe.available) {
      const reason = probe.reason ?? { code: "unavailable", message: `target ${planned.target.text}: cannot run here`, remedy: "" };
      return { ...identityOf(planned), status: "unavailable", reason, size: pair.size, compute: pair.compute };
    }
    const measured = await measureRecord(planned, pair, probe, this.#measure);
    if (this.#options.signal.aborted) return measured.record.status === "ok" ? measured.record : undefined;
    return this.#withAccuracy(planned, pair, measured);
  }

  async #withAccuracy(planned: PlannedRecord, pair: PreparedPair, { record, predictions, outputs }: Measured): Promise<ResultRecord> {
    const { dataset } = pair.model;
    if (dataset === undefined || predictions === undefined || outputs === undefined) return record;
    const { indices, classes } = predictions;
    const base = { labels: dataset.test.labels, indices, predictions: classes, seed: this.#plan.seed };
    if (planned.recipe.text === "fp32") {
      this.#referencesOf(planned).add(planned.target.text, indices, classes);
      return { ...record, accuracy: describeAccuracy(base) };
    }
    const reference = await this.#reference(planned, pair.model, indices);
    const original = await this.#originalOutputs(pair);
    const noise = sqnrDb(pair.model.graph, original, pair.graph, outputs);
    return { ...record, accuracy: describeAccuracy({ ...base, ...(reference === undefined ? {} : { reference }), sqnrDb: noise }) };
  }

  #referencesOf(planned: PlannedRecord): ReferencePredictions {
    const references = this.#references.get(planned.model.name) ?? new ReferencePredictions();
    this.#references.set(planned.model.name, references);
    return references;
  }

  /** From this run's records of the original; where there is none (filtered, resumed), by evaluating it now on the fastest engine. */
  async #reference(planned: PlannedRecord, model: PreparedModel, indices: Int32Array): Promise<Int32Array | undefined> {
    const references = this.#referencesOf(planned);
    const known = references.find(planned.target.text, indices);
    if (known !== undefined || model.dataset === undefined) return known;
    this.#options.reporter.phase(planned, "evaluating the original", 0);
    const graphPath = join(this.#folder, `${model.planned.name}-original.graph`);
    await writeFile(graphPath, serializeGraph(model.graph));
    for (const name of ["wasm", "cpu"]) {
      try {
        const probe = await probeTarget(parseTarget(name));
        if (!probe.available) continue;
        const classes = await evaluateOriginal(graphPath, model.dataset.path, indices, { name, probe }, this.#options.silenceMs);
        references.add(name, indices, classes);
        return classes;
      } catch (error) {
        if (!(error instanceof HostError)) throw error;
      }
    }
    return undefined;
  }

  async #originalOutputs(pair: PreparedPair): Promise<readonly Outputs[]> {
    const name = pair.model.planned.name;
    const known = this.#originals.get(name) ?? (await referenceOutputs(pair.model.graph, pair.inputs));
    this.#originals.set(name, known);
    return known;
  }

  #result(): Result {
    const order = new Map(this.#plan.records.map((record, i) => [plannedKey(record), i]));
    const rank = (record: ResultRecord): number => order.get(recordKey(record)) ?? -1;
    const { resume } = this.#options;
    return {
      schema: RESULT_SCHEMA,
      createdAt: new Date().toISOString(),
      tool: readToolOnce(),
      environment: mergeEnvironment(readEnvironment(this.#probes), resume),
      config: mergeConfig(describeConfig(this.#plan, this.#models), resume),
      records: [...this.#records.values()].sort((a, b) => rank(a) - rank(b)),
    };
  }
}

let tool: Result["tool"] | undefined;

function readToolOnce(): Result["tool"] {
  tool ??= readTool();
  return tool;
}

function describeConfig(plan: Plan, models: ReadonlyMap<string, PreparedModel>): Record<string, unknown> {
  const distinct = (words: readonly string[]): readonly string[] => [...new Set(words)];
  return {
    ...(plan.suite === undefined ? {} : { suite: plan.suite }),
    preset: plan.preset,
    seed: plan.seed,
    tune: plan.tune,
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
function mergeConfig(now: Record<string, unknown>, old: Result | undefined): Record<string, unknown> {
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

function mergeEnvironment(now: Result["environment"], old: Result | undefined): Result["environment"] {
  return old === undefined ? now : { ...now, engines: { ...old.environment.engines, ...now.engines } };
}

/** Records of two configurations or machines must not share a file. @throws SlimbenchError */
function checkSameConfig(old: Result, now: Result): void {
  const refuse = (what: string, was: unknown, is: unknown): never => {
    throw new SlimbenchError("usage", `--resume: the result was made with ${what} ${String(was)}, this run has ${String(is)}`, {
      remedy: "Use the same options, or another --out",
    });
  };
  for (const key of ["preset", "seed", "tune", "accuracySamples"]) {
    // Results from before tuning were made without it.
    const was = key === "tune" ? (old.config[key] ?? "off") : old.config[key];
    if (was !== now.config[key]) refuse(key, was ?? "none", now.config[key] ?? "none");
  }
  for (const key of ["node", "cpuModel"] as const) {
    if (old.environment[key] !== now.environment[key]) refuse(key, old.environment[key], now.environment[key]);
  }
  const before = new Map(modelEntries(old.config).map(({ name, sha256 }) => [name, sha256]));
  for (const { name, sha256 } of modelEntries(now.config)) {
    const was = before.get(name) ?? sha256;
    if (was !== sha256) refuse(`another file for model ${name}, sha256`, was.slice(0, 12), sha256.slice(0, 12));
  }
}

function groupByPair(records: readonly PlannedRecord[]): readonly (readonly PlannedRecord[])[] {
  const groups = new Map<string, PlannedRecord[]>();
  for (const record of records) {
    const key = `${record.model.name} ${record.recipe.text}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [record]);
    else group.push(record);
  }
  return [...groups.values()];
}

function failedPair(planned: PlannedRecord, error: SlimbenchError): ResultRecord {
  const { code, message, remedy } = error;
  const status = error instanceof HostError && error.unavailable ? "unavailable" : "failed";
  return { ...identityOf(planned), status, reason: { code, message, remedy } };
}
