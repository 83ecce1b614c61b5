/**
 * Sensitivity: every layer changed alone, in every way that was asked for; what that does to the outputs, and to the time of the layers
 * that it changes. Layer after layer; what is measured is handed out as soon as it is, and is not measured again when the study goes on.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { layersOf } from "../compress/layers.ts";
import type { Layer } from "../compress/layers.ts";
import { matchesAny, patternFault } from "../compress/patterns.ts";
import { parseRecipe } from "../compress/recipe.ts";
import { weightSize } from "../compress/size.ts";
import { graphStats } from "../compress/stats.ts";
import { SlimbenchError, UnavailableError, UsageError, invariant } from "../errors.ts";
import type { Graph } from "../graph/ir.ts";
import { readEnvironment } from "../harness/environment.ts";
import type { PlannedModel } from "../harness/plan.ts";
import { compressModel, prepareModel } from "../harness/prepare.ts";
import type { PreparedModel } from "../harness/prepare.ts";
import { presetOf } from "../harness/presets.ts";
import type { PresetName } from "../harness/presets.ts";
import { probeTarget } from "../harness/probe.ts";
import type { TargetProbe } from "../harness/probe.ts";
import type { Target } from "../harness/target.ts";
import type { TuneSetting } from "../harness/tuning.ts";
import { readTool } from "../harness/version.ts";
import { killAllHosts } from "../hosts/host.ts";
import { HostError } from "../hosts/protocol.ts";
import { SENSITIVITY_SCHEMA } from "../results/sensitivity.ts";
import type { LayerTime, Sensitivity, SensitivityCell, SensitivityLayer } from "../results/sensitivity.ts";
import { patternOf, stepOn } from "./changes.ts";
import { changedProducts, graphOfNodes } from "./cut.ts";
import { Evaluator } from "./evaluator.ts";
import { raceChanges } from "./layer-times.ts";
import type { ChangedLayers } from "./layer-times.ts";
import type { StudyOptions } from "./reporter.ts";
import { defaultSamples, openSamples } from "./samples.ts";

export interface SensitivityPlan {
  readonly model: PlannedModel;
  /** Canonical steps without layers. */
  readonly changes: readonly string[];
  /** None: no times. */
  readonly targets: readonly Target[];
  /** Names with `*`; absent: all. */
  readonly layers?: readonly string[] | undefined;
  /** Default: by the model's size. */
  readonly samples?: number | undefined;
  readonly seed: number;
  readonly preset: PresetName;
  readonly processes?: number | undefined;
  readonly tune: TuneSetting;
}

export interface SensitivityOptions extends StudyOptions {
  /** What there is already. */
  readonly resume?: Sensitivity | undefined;
  readonly onProgress?: ((result: Sensitivity) => void) | undefined;
}

export interface SensitivityOutcome {
  readonly result: Sensitivity;
  readonly interrupted: boolean;
}

/** @throws SlimbenchError where nothing can be measured as asked */
export async function runSensitivity(plan: SensitivityPlan, options: SensitivityOptions): Promise<SensitivityOutcome> {
  const folder = await mkdtemp(join(tmpdir(), "slimbench-"));
  const stop = (): void => killAllHosts();
  options.signal.addEventListener("abort", stop);
  try {
    const model = await prepareModel(plan.model, folder);
    const study = new Study(plan, model, options);
    const interrupted = await study.all().then(
      () => false,
      (error: unknown) => {
        if (!options.signal.aborted) throw error;
        return true;
      },
    );
    return { result: study.result(), interrupted };
  } finally {
    options.signal.removeEventListener("abort", stop);
    options.reporter.end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A changed model whose times are still to be taken. */
interface Changed {
  readonly change: string;
  readonly graph: Graph;
}

class Study {
  readonly #plan: SensitivityPlan;
  readonly #model: PreparedModel;
  readonly #options: SensitivityOptions;
  readonly #layers: readonly Layer[];
  readonly #names: readonly string[];
  /** Layer, then change → cell. */
  readonly #cells = new Map<string, Map<string, SensitivityCell>>();
  readonly #probes = new Map<string, TargetProbe>();
  /** Graphs of original layers, so that changes of the same layers race against the same one. */
  readonly #befores = new Map<string, Graph>();
  #evaluator: Evaluator | undefined;
  #fraction: (fraction: number) => void = () => undefined;

  constructor(plan: SensitivityPlan, model: PreparedModel, options: SensitivityOptions) {
    this.#plan = plan;
    this.#model = model;
    this.#options = options;
    const all = layersOf(model.graph);
    this.#names = all.map(({ node }) => node.name);
    for (const pattern of plan.layers ?? []) {
      const fault = patternFault(pattern);
      if (fault !== undefined) throw new UsageError(`--layers: "${pattern}" ${fault}`);
    }
    this.#layers = all.filter(({ node }) => plan.layers === undefined || matchesAny(node.name, plan.layers));
    if (all.length === 0) throw new UsageError(`model ${plan.model.name}: has no layer with constant weights, nothing can be changed`);
    if (this.#layers.length === 0) {
      throw new UsageError(`--layers ${plan.layers?.join(",") ?? ""}: matches none of ${this.#names.join(", ")}`);
    }
    for (const layer of options.resume?.layers ?? []) {
      // What could not be timed then may be possible now.
      const cells = layer.cells.map((cell) => ({
        ...cell,
        ...(cell.times && { times: cell.times.filter(({ status }) => status === "ok") }),
      }));
      this.#cells.set(layer.layer, new Map(cells.map((cell) => [cell.change, cell])));
    }
    if (options.resume !== undefined) this.#checkSame(options.resume);
  }

  async all(): Promise<void> {
    const { reporter, signal } = this.#options;
    const { targets, changes } = this.#plan;
    reporter.begin(this.#layers.length * changes.length - this.#finishedCells());
    reporter.phase("the original", 0);
    const samples = openSamples(this.#model, this.#plan.samples, this.#plan.seed);
    this.#evaluator = await Evaluator.open(this.#model.graph, samples, { signal, onProgress: (fraction) => this.#fraction(fraction) });
    for (const target of targets) {
      reporter.phase(`probing ${target.text}`, 0);
      const probe = await probeTarget(target, this.#options);
      this.#probes.set(target.text, probe);
      if (!probe.available) reporter.note(`${target.text}: no times, ${probe.reason?.message ?? "cannot run here"}`);
    }
    this.#options.onProgress?.(this.result());
    for (const layer of this.#layers) await this.#measure(layer);
  }

  async #measure({ node }: Layer): Promise<void> {
    const { reporter, signal } = this.#options;
    const pending: Changed[] = [];
    for (const change of this.#plan.changes) {
      if (this.#isFinished(this.#cell(node.name, change))) continue;
      signal.throwIfAborted();
      const label = `${node.name} ${change}`;
      this.#fraction = (fraction) => reporter.phase(`${label} | outputs`, fraction / 2);
      this.#fraction(0);
      const graph = await this.#change(node.name, change);
      const cell = this.#cell(node.name, change);
      if (graph === undefined || this.#isFinished(cell)) reporter.done(cellLine(node.name, cell));
      else pending.push({ change, graph });
      this.#options.onProgress?.(this.result());
    }
    if (pending.length === 0) return;
    for (const target of this.#plan.targets) await this.#time(node.name, pending, target);
    for (const { change } of pending) reporter.done(cellLine(node.name, this.#cell(node.name, change)));
    this.#options.onProgress?.(this.result());
  }

  /** Compresses and judges; keeps what is there already. @returns undefined where the change has no form for the layer */
  async #change(layer: string, change: string): Promise<Graph | undefined> {
    const recipe = parseRecipe(stepOn(change, [patternOf(layer, this.#names)]));
    const { seed } = this.#plan;
    try {
      const { graph, steps } = await compressModel(this.#model, recipe, seed, true);
      const known = this.#cell(layer, change);
      invariant(this.#evaluator !== undefined, "the original is evaluated first");
      const quality = known?.quality ?? (await this.#evaluator.evaluate(graph));
      const layers = steps.flatMap((step) => step.layers);
      const { weightBytes } = weightSize(graph);
      this.#set(layer, { ...known, change, recipe: recipe.text, status: "ok", layers, weightBytes, quality });
      return graph;
    } catch (error) {
      // A form that is not there, or a model that cannot take it, is an answer; everything else is not.
      if (!(error instanceof SlimbenchError) || error instanceof HostError || error instanceof UnavailableError) throw error;
      this.#set(layer, { change, recipe: recipe.text, status: "none", why: error.message });
      return undefined;
    }
  }

  async #time(layer: string, pending: readonly Changed[], target: Target): Promise<void> {
    const probe = this.#probes.get(target.text);
    invariant(probe !== undefined, `target ${target.text} is probed first`);
    const due = pending.filter(({ change }) => !timesOf(this.#cell(layer, change)).some((time) => time.target === target.text));
    const rows: { readonly change: string; readonly layers: ChangedLayers }[] = [];
    for (const { change, graph } of due) {
      const layers = this.#layersOf(graph);
      if (typeof layers === "string") this.#addTime(layer, change, { target: target.text, status: "failed", why: layers });
      else rows.push({ change, layers });
    }
    const { preset, processes, tune } = this.#plan;
    const settings = presetOf(preset);
    const usual = probe.software === true ? settings.softwareProcesses : settings.processes;
    const { reporter, silenceMs, childPath } = this.#options;
    const times = await raceChanges(
      rows.map(({ layers }) => layers),
      target,
      probe,
      {
        preset: settings,
        processes: processes ?? usual,
        tune,
        silenceMs,
        childPath,
        onProgress: (fraction) => reporter.phase(`${layer} | times on ${target.text}`, (fraction * pending.length) / 2),
        onStderr: (text) => reporter.output(text),
        onNote: (line) => reporter.note(line),
      },
    );
    times.forEach((time, i) => this.#addTime(layer, rows[i]?.change ?? "", time));
  }

  /** What a change changes, before and after; a sentence where the two cannot be compared. */
  #layersOf(graph: Graph): ChangedLayers | string {
    const { graph: original } = this.#model;
    const after = changedProducts(original, graph);
    if (after.length === 0) return "no layer is executed otherwise";
    const names = after.map(({ name }) => name);
    const before = original.nodes.filter(({ name }) => names.includes(name));
    if (before.length !== after.length) return "the changed layers have other names than the original's";
    const key = names.join("\n");
    const known = this.#befores.get(key) ?? graphOfNodes(original, before);
    this.#befores.set(key, known);
    return { before: known, after: graphOfNodes(graph, after) };
  }

  #addTime(layer: string, change: string, time: LayerTime): void {
    const cell = this.#cell(layer, change);
    if (cell !== undefined) this.#set(layer, { ...cell, times: [...timesOf(cell), time] });
  }

  #cell(layer: string, change: string): SensitivityCell | undefined {
    return this.#cells.get(layer)?.get(change);
  }

  #set(layer: string, cell: SensitivityCell): void {
    const cells = this.#cells.get(layer) ?? new Map<string, SensitivityCell>();
    this.#cells.set(layer, cells.set(cell.change, cell));
  }

  /** Nothing that was asked for is missing. */
  #isFinished(cell: SensitivityCell | undefined): boolean {
    if (cell === undefined) return false;
    if (cell.status === "none") return true;
    return cell.quality !== undefined && this.#plan.targets.every(({ text }) => timesOf(cell).some(({ target }) => target === text));
  }

  #finishedCells(): number {
    const cells = this.#layers.flatMap(({ node }) => this.#plan.changes.map((change) => this.#cell(node.name, change)));
    return cells.filter((cell) => this.#isFinished(cell)).length;
  }

  result(): Sensitivity {
    const { plan, resume } = { plan: this.#plan, resume: this.#options.resume };
    const { graph, sha256, dataset } = this.#model;
    const stats = new Map(graphStats(graph).layers.map((layer) => [layer.node, layer]));
    const changes = [...new Set([...(resume?.changes ?? []), ...plan.changes])];
    const targets = [...new Set([...(resume?.targets ?? []), ...plan.targets.map(({ text }) => text)])];
    const environment = readEnvironment(this.#probes);
    const layers = layersOf(graph).flatMap(({ node, weight }): SensitivityLayer[] => {
      const cells = this.#cells.get(node.name);
      if (cells === undefined) return [];
      const { params = 0, macs = 0 } = stats.get(node.name) ?? {};
      const ordered = changes.flatMap((change) => cells.get(change) ?? []);
      return [{ layer: node.name, op: node.op, shape: [...weight.shape], params, macs, cells: ordered }];
    });
    return {
      schema: SENSITIVITY_SCHEMA,
      createdAt: new Date().toISOString(),
      tool: readTool(),
      environment: { ...environment, engines: { ...resume?.environment.engines, ...environment.engines } },
      model: {
        name: plan.model.name,
        file: basename(plan.model.path),
        sha256,
        ...(dataset === undefined ? {} : { dataset: dataset.test.name }),
        weightBytes: weightSize(graph).weightBytes,
      },
      config: this.#config(),
      changes,
      targets,
      original: this.#evaluator?.original ?? resume?.original ?? { n: 0 },
      layers,
    };
  }

  #config(): Record<string, string | number> {
    const { samples, seed, preset, processes, tune } = this.#plan;
    const { graph, dataset } = this.#model;
    return {
      samples: samples ?? (dataset === undefined ? "noise" : defaultSamples(graph)),
      seed,
      preset,
      processes: processes ?? presetOf(preset).processes,
      tune,
    };
  }

  /** Cells of two configurations or models must not share a file. */
  #checkSame(resume: Sensitivity): void {
    const refuse = (what: string, was: unknown, is: unknown): never => {
      throw new UsageError(
        `--out: the file was made with ${what} ${String(was)}, this run has ${String(is)}`,
        "Use the same options, or another --out",
      );
    };
    const { sha256, dataset } = this.#model;
    if (resume.model.sha256 !== sha256) refuse("another model, sha256", resume.model.sha256.slice(0, 12), sha256.slice(0, 12));
    const name = dataset?.test.name ?? "none";
    if ((resume.model.dataset ?? "none") !== name) refuse("dataset", resume.model.dataset ?? "none", name);
    const own = this.#config();
    for (const [key, value] of Object.entries(own)) if (resume.config[key] !== value) refuse(key, resume.config[key] ?? "none", value);
  }
}

function timesOf(cell: SensitivityCell | undefined): readonly LayerTime[] {
  return cell?.times ?? [];
}

/** What one finished cell is worth a line. */
function cellLine(layer: string, cell: SensitivityCell | undefined): string {
  if (cell === undefined) return layer;
  const { change, quality, times = [], status, why = "" } = cell;
  const name = `${layer} ${change}:`;
  if (status === "none") return `${name} ${why}`;
  const parts = [
    ...(quality?.delta === undefined ? [] : [`accuracy ${(100 * quality.delta).toFixed(2)} points`]),
    ...(quality?.agreement === undefined ? [] : [`agreement ${(100 * quality.agreement).toFixed(2)} %`]),
    ...(quality?.sqnrDb === undefined ? [] : [`${quality.sqnrDb.toFixed(1)} dB`]),
    ...times.map((time) => `${time.target} ${time.ratio === undefined ? (time.why ?? "") : `${time.ratio.toFixed(2)}× the time`}`),
  ];
  return `${name} ${parts.join(", ")}`;
}
