/**
 * A whole run: probe the targets, open the models, then the records of one model after another, each in children of its own. Preparation
 * is shared by the targets of a model and recipe. The result so far is handed out after every record, so that it can be saved.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TuneReport } from "../engines/tune/types.ts";
import type { SlimbenchError } from "../errors.ts";
import { serializeGraph } from "../graph/serialize.ts";
import { killAllHosts } from "../hosts/host.ts";
import { HostError, toWireError } from "../hosts/protocol.ts";
import { breakEvens } from "../results/break-even.ts";
import { RESULT_SCHEMA, recordKey } from "../results/schema.ts";
import type { Accuracy, Result, ResultRecord } from "../results/schema.ts";
import { describeAccuracy, ReferencePredictions } from "./accuracy.ts";
import { readEnvironment } from "./environment.ts";
import { measureLayer } from "./kernels/measure.ts";
import type { LayerRow } from "./kernels/measure.ts";
import { SWEEP_OPTIONS } from "./kernels/sweep.ts";
import { evaluateOriginal, measureAgain, measureFirst, tuneRows } from "./measure.ts";
import type { MeasureContext, UnderWay } from "./measure.ts";
import { sqnrDb } from "./parity.ts";
import type { Outputs } from "./parity.ts";
import { plannedKey } from "./plan.ts";
import type { Plan, PlannedRecord } from "./plan.ts";
import { prepareModel, preparePair, referenceOutputs } from "./prepare.ts";
import type { PreparedModel, PreparedPair } from "./prepare.ts";
import { presetOf } from "./presets.ts";
import { probeTarget } from "./probe.ts";
import type { ProbeOptions, TargetProbe } from "./probe.ts";
import type { Reporter } from "./progress.ts";
import { identityOf, processesOf } from "./record.ts";
import type { Measured } from "./record.ts";
import { parseTarget } from "./target.ts";
import { checkSameConfig, describeConfig, mergeConfig, mergeEnvironment } from "./run-config.ts";
import { readTool } from "./version.ts";

export interface RunOptions extends ProbeOptions {
  readonly reporter: Reporter;
  /** A child without a sign of life for so long is ended. */
  readonly silenceMs: number;
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
  readonly #notes = new Set<string>();

  constructor(plan: Plan, options: RunOptions, folder: string) {
    this.#plan = plan;
    this.#options = options;
    this.#folder = folder;
    this.#measure = {
      preset: presetOf(plan.preset),
      seed: plan.seed,
      tune: plan.tune,
      accuracySamples: plan.accuracySamples,
      processes: plan.processes,
      softwareProcesses: plan.softwareProcesses,
      silenceMs: options.silenceMs,
      onNote: (line) => {
        if (!this.#notes.has(line)) options.reporter.note(line);
        this.#notes.add(line);
      },
      reporter: options.reporter,
      childPath: options.childPath,
    };
  }

  async all(): Promise<RunOutcome> {
    const { reporter, signal, resume } = this.#options;
    for (const record of resume?.records ?? []) if (record.status === "ok") this.#records.set(recordKey(record), record);
    const pending = this.#plan.records.filter((record) => !this.#records.has(plannedKey(record)));
    reporter.begin(pending.length, this.#plan.kernels ? 1 : this.#plan.processes);
    await this.#openAll(pending);
    if (resume !== undefined) checkSameConfig(resume, this.#result());

    await (this.#plan.kernels ? this.#layers(pending) : this.#rows(pending));
    return { result: this.#result(), interrupted: signal.aborted };
  }

  /**
   * Each process of a record is a fresh one. A model's records take turns, so that what the machine does meanwhile meets original and
   * compressed alike, and the processes of one record lie well apart in time.
   */
  async #rows(pending: readonly PlannedRecord[]): Promise<void> {
    const { processes } = this.#plan;
    for (const model of groupBy(pending, (planned) => planned.model.name)) {
      let rows = await this.#prepareRows(model);
      const reports = await this.#tune(rows);
      for (let process = 1; process <= processes; process++) {
        const left: UnderWay[] = [];
        for (const row of rows) {
          if (this.#isOver()) return;
          const next =
            process === 1 ? await this.#first(row, reports.get(plannedKey(row.planned))) : await measureAgain(row, process, this.#measure);
          if (next === undefined) return;
          if (process < processesOf(this.#measure, row.probe) && next.measured?.timing !== undefined) {
            left.push(next);
            this.#options.reporter.step(row.planned);
          } else if (next.measured !== undefined && (next.measured.record.status === "ok" || !this.#isOver())) {
            this.#add(next.planned, next.measured.record);
          }
        }
        rows = left;
      }
    }
  }

  /** Whether the run was interrupted: may change with every await. */
  #isOver(): boolean {
    return this.#options.signal.aborted;
  }

  /** Records that cannot be measured are done with here. */
  async #prepareRows(records: readonly PlannedRecord[]): Promise<readonly UnderWay[]> {
    const rows: UnderWay[] = [];
    for (const group of groupBy(records, pairKey)) {
      const pair = this.#options.signal.aborted ? undefined : await this.#prepare(group);
      if (pair === undefined) return rows;
      for (const planned of group) {
        const probe = this.#probes.get(planned.target.text);
        if (pair instanceof Error) this.#add(planned, failedPair(planned, pair));
        else if (probe?.available === false) this.#add(planned, unavailable(planned, pair, probe));
        else if (probe !== undefined) rows.push({ planned, pair, probe });
      }
    }
    return rows;
  }

  /** @returns by record */
  async #tune(rows: readonly UnderWay[]): Promise<ReadonlyMap<string, TuneReport | undefined>> {
    const reports = new Map<string, TuneReport | undefined>();
    for (const lane of groupBy(rows, ({ planned: { target } }) => JSON.stringify([target.engine, target.host]))) {
      if (this.#isOver()) break;
      try {
        const found = await tuneRows(lane, this.#measure);
        lane.forEach(({ planned }, i) => reports.set(plannedKey(planned), found[i]));
      } catch (error) {
        if (!this.#isOver()) throw error;
      }
    }
    return reports;
  }

  /** @returns undefined when the run was interrupted before the record was whole */
  async #first(row: UnderWay, report: TuneReport | undefined): Promise<UnderWay | undefined> {
    const next = await measureFirst(row, report, this.#measure);
    if (next.measured === undefined || this.#options.signal.aborted) return undefined;
    return { ...next, measured: await this.#withAccuracy(row.planned, row.pair, next.measured) };
  }

  /** All records of a layer's shape and an engine in one process. */
  async #layers(pending: readonly PlannedRecord[]): Promise<void> {
    const { signal } = this.#options;
    for (const shape of groupBy(pending, ({ model }) => model.name)) {
      const pairs = new Map<string, PreparedPair | SlimbenchError>();
      for (const group of groupBy(shape, pairKey)) {
        const pair = signal.aborted ? undefined : await this.#prepare(group);
        if (pair === undefined) return;
        for (const planned of group) pairs.set(plannedKey(planned), pair);
      }
      for (const lane of groupBy(shape, laneKey)) {
        if (signal.aborted) return;
        const rows: LayerRow[] = [];
        for (const planned of lane) {
          const pair = pairs.get(plannedKey(planned));
          if (pair instanceof Error) this.#add(planned, failedPair(planned, pair));
          else if (pair !== undefined) rows.push({ planned, pair });
        }
        await this.#lane(rows);
      }
    }
  }

  async #lane(rows: readonly LayerRow[]): Promise<void> {
    const probe = this.#probes.get(rows[0]?.planned.target.text ?? "");
    if (probe === undefined) return;
    const records = probe.available
      ? await measureLayer(rows, probe, this.#measure)
      : rows.map(({ planned, pair }) => unavailable(planned, pair, probe));
    rows.forEach(({ planned }, i) => {
      const record = records[i];
      if (record !== undefined && (record.status === "ok" || !this.#options.signal.aborted)) this.#add(planned, record);
    });
  }

  #add(planned: PlannedRecord, record: ResultRecord): void {
    const { reporter, onProgress } = this.#options;
    this.#records.set(plannedKey(planned), record);
    reporter.done(record);
    onProgress?.(this.#result());
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
      const { kernels: single } = this.#plan;
      const paritySamples = single ? 1 : preset.paritySamples;
      const pair = await preparePair(model, first.recipe, { folder: this.#folder, seed, paritySamples, weightsOnly: single });
      if (first.recipe.text === "fp32") this.#originals.set(first.model.name, pair.expected);
      return pair;
    } catch (error) {
      return new HostError(toWireError(error));
    }
  }

  async #withAccuracy(planned: PlannedRecord, pair: PreparedPair, measured: Measured): Promise<Measured> {
    const { dataset } = pair.model;
    const { record, predictions, outputs, timing } = measured;
    if (dataset === undefined || predictions === undefined || outputs === undefined || timing === undefined) return measured;
    const { indices, classes } = predictions;
    const base = { labels: dataset.test.labels, indices, predictions: classes, seed: this.#plan.seed };
    const described = (accuracy: Accuracy): Measured => ({
      ...measured,
      record: { ...record, accuracy },
      timing: { ...timing, untimed: { ...timing.untimed, accuracy } },
    });
    if (planned.recipe.text === "fp32") {
      this.#referencesOf(planned).add(planned.target.text, indices, classes);
      return described(describeAccuracy(base));
    }
    const reference = await this.#reference(planned, pair.model, indices);
    const original = await this.#originalOutputs(pair);
    const noise = sqnrDb(pair.model.graph, original, pair.graph, outputs);
    return described(describeAccuracy({ ...base, ...(reference === undefined ? {} : { reference }), sqnrDb: noise }));
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
    const records = this.#sorted();
    const { resume } = this.#options;
    const crossings = breakEvens(records);
    return {
      schema: RESULT_SCHEMA,
      createdAt: new Date().toISOString(),
      tool: readToolOnce(),
      environment: mergeEnvironment(readEnvironment(this.#probes), resume),
      config: mergeConfig(describeConfig(this.#plan, this.#models), resume),
      records,
      ...(crossings.length === 0 ? {} : { breakEven: crossings }),
    };
  }

  #sorted(): readonly ResultRecord[] {
    const order = new Map(this.#plan.records.map((record, i) => [plannedKey(record), i]));
    const rank = (record: ResultRecord): number => order.get(recordKey(record)) ?? -1;
    return [...this.#records.values()].sort((a, b) => rank(a) - rank(b));
  }
}

let tool: Result["tool"] | undefined;

function readToolOnce(): Result["tool"] {
  tool ??= readTool();
  return tool;
}

/** In order of first appearance. */
function groupBy<T>(records: readonly T[], keyOf: (record: T) => string): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>();
  for (const record of records) {
    const group = groups.get(keyOf(record));
    if (group === undefined) groups.set(keyOf(record), [record]);
    else group.push(record);
  }
  return [...groups.values()];
}

function pairKey({ model, recipe }: PlannedRecord): string {
  return `${model.name} ${recipe.text}`;
}

/** Targets that differ in what a sweep forces only share a process. */
function laneKey({ target: { engine, host, options } }: PlannedRecord): string {
  return JSON.stringify([engine, host, Object.entries(options).filter(([key]) => !SWEEP_OPTIONS.includes(key))]);
}

function unavailable(planned: PlannedRecord, { size, compute }: PreparedPair, probe: TargetProbe): ResultRecord {
  const reason = probe.reason ?? { code: "unavailable", message: `target ${planned.target.text}: cannot run here`, remedy: "" };
  return { ...identityOf(planned), status: "unavailable", reason, size, compute };
}

function failedPair(planned: PlannedRecord, error: SlimbenchError): ResultRecord {
  const { code, message, remedy } = error;
  const status = error instanceof HostError && error.unavailable ? "unavailable" : "failed";
  return { ...identityOf(planned), status, reason: { code, message, remedy } };
}
