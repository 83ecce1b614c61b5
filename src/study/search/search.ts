/**
 * The search itself: recipes are proposed, judged in this process, and, where they meet the goals, measured on the target. First the plain recipes,
 * then rollbacks of those that lose too much, then what the strategy proposes; at the end the best ones once more, in turn and in full.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { applyRecipe } from "../../compress/apply.ts";
import { layersOf } from "../../compress/layers.ts";
import { parseRecipe } from "../../compress/recipe.ts";
import type { Recipe } from "../../compress/recipe.ts";
import { modelSize, weightSize } from "../../compress/size.ts";
import { SlimbenchError, UnavailableError, UsageError } from "../../errors.ts";
import type { Graph } from "../../graph/ir.ts";
import { readEnvironment } from "../../harness/environment.ts";
import { artifactOf, compressModel, prepareModel } from "../../harness/prepare.ts";
import type { PreparedModel } from "../../harness/prepare.ts";
import type { PlannedModel } from "../../harness/plan.ts";
import type { PresetName } from "../../harness/presets.ts";
import { presetOf } from "../../harness/presets.ts";
import { sparseGain } from "../../harness/sparse-gain.ts";
import type { TuneSetting } from "../../harness/tuning.ts";
import { readTool } from "../../harness/version.ts";
import { HostError } from "../../hosts/protocol.ts";
import type { Environment, Size } from "../../results/schema.ts";
import { SEARCH_SCHEMA } from "../../results/search.ts";
import type { Search, Trial } from "../../results/search.ts";
import type { Quality } from "../../results/sensitivity.ts";
import { patternOf, stepOn } from "../changes.ts";
import { Evaluator } from "../evaluator.ts";
import type { StudyOptions } from "../reporter.ts";
import { defaultSamples, openSamples } from "../samples.ts";
import { totalShortfall } from "./goal.ts";
import type { Goal, Minimize } from "./goal.ts";
import { meterLatencies } from "./meter.ts";
import { rollBack } from "./rollback.ts";
import { anchors, makeSpace, origin, recipeOf } from "./space.ts";
import type { Point, Space, SpaceWords } from "./space.ts";
import { propose } from "./strategies.ts";
import type { Seen, StrategyName } from "./strategies.ts";
import { bestFirst, frontOf, trialLine, trialOf } from "./trial.ts";
import type { Judged } from "./trial.ts";

export interface SearchPlan {
  readonly model: PlannedModel;
  readonly goals: readonly Goal[];
  readonly minimize: Minimize;
  /** Canonical steps. */
  readonly space: SpaceWords;
  readonly strategy: StrategyName;
  /** Recipes to try. */
  readonly trials: number;
  /** Of all runs that share a file. */
  readonly timeMs: number;
  /** Default: by the model's size. */
  readonly samples?: number | undefined;
  readonly seed: number;
  readonly preset: PresetName;
  readonly processes?: number | undefined;
  readonly tune: TuneSetting;
}

export interface SearchOptions extends StudyOptions {
  readonly resume?: Search | undefined;
  readonly onProgress?: ((result: Search) => void) | undefined;
}

export interface SearchOutcome {
  readonly result: Search;
  readonly interrupted: boolean;
}

/** Plain recipes take this share of the trials at most. */
const PLAIN_SHARE = 0.5;
/** Measured together, so that they share the original's measurement. */
const TOGETHER = 4;
const MOST_ROLLBACKS = 4;
/** Measured again at the end, together. */
const FINALISTS = 3;

/** @throws SlimbenchError where nothing can be searched as asked */
export async function runSearch(plan: SearchPlan, options: SearchOptions): Promise<SearchOutcome> {
  const folder = await mkdtemp(join(tmpdir(), "slimbench-"));
  try {
    const model = await prepareModel(plan.model, folder);
    const run = new SearchRun(plan, model, options);
    const interrupted = await run.all().then(
      () => false,
      (error: unknown) => {
        if (!options.signal.aborted) throw error;
        return true;
      },
    );
    return { result: run.result(), interrupted };
  } finally {
    options.reporter.end();
    await rm(folder, { recursive: true, force: true });
  }
}

class SearchRun {
  readonly #plan: SearchPlan;
  readonly #model: PreparedModel;
  readonly #options: SearchOptions;
  readonly #trials: Trial[] = [];
  readonly #rolledBack = new Set<string>();
  /** Recipe → what judging found; rollbacks ask for the same ones again. */
  readonly #judged = new Map<string, Judged>();
  readonly #begin = performance.now();
  readonly #elapsedBefore: number;
  #space: Space = { knobs: [], own: new Map() };
  #evaluator: Evaluator | undefined;
  #environment: Environment = readEnvironment(new Map());
  #best: Search["best"];
  #label = "";

  constructor(plan: SearchPlan, model: PreparedModel, options: SearchOptions) {
    this.#plan = plan;
    this.#model = model;
    this.#options = options;
    this.#elapsedBefore = options.resume?.elapsedMs ?? 0;
    if (model.dataset === undefined) {
      const needs = plan.goals.find(({ metric }) => metric === "accuracy");
      if (needs !== undefined) {
        throw new UsageError(
          `--goal ${needs.text}: model ${plan.model.name} has no dataset to measure accuracy on`,
          "Name one with --dataset, or ask for agreement>=0.99 on noise",
        );
      }
    }
  }

  async all(): Promise<void> {
    const { reporter, signal, resume } = this.#options;
    const { graph } = this.#model;
    this.#say("what applies to which layer");
    this.#space = await this.#makeSpace(graph);
    if (resume !== undefined) this.#goOn(resume);
    reporter.begin(this.#plan.trials - this.#recipes().size);
    this.#say("the original");
    this.#evaluator = await Evaluator.open(graph, openSamples(this.#model, this.#plan.samples, this.#plan.seed), {
      signal,
      onProgress: (fraction) => reporter.phase(this.#label, 0.5 * fraction),
    });
    if (this.#trials.length === 0) await this.#tryPoints([origin(this.#space)], "original", "full");
    await this.#plain();
    await this.#rollBacks();
    while (!this.#isOver()) {
      const proposal = propose(this.#plan.strategy, this.#space, this.#seen(), this.#plan.seed);
      if (proposal === undefined) break;
      const left = this.#plan.trials - this.#recipes().size;
      await this.#tryPoints(proposal.points.slice(0, left), this.#plan.strategy, proposal.effort);
    }
    await this.#crown();
  }

  async #makeSpace(graph: Graph): Promise<Space> {
    const names = layersOf(graph).map(({ node }) => node.name);
    const patterns = names.map((name) => patternOf(name, names));
    const forms = new Set<string>();
    const own = new Map<string, readonly string[]>();
    for (const step of this.#plan.space.each) {
      const changed = await layersChanged(graph, step);
      own.set(
        step,
        patterns.filter((_, i) => changed.includes(names[i] ?? "")),
      );
      for (const pattern of patterns) {
        this.#options.signal.throwIfAborted();
        if ((await layersChanged(graph, stepOn(step, [pattern]))).length > 0) forms.add(`${pattern}\n${step}`);
      }
    }
    return makeSpace(this.#plan.space, patterns, {
      applies: (layer, step) => forms.has(`${layer}\n${step}`),
      own: (step) => own.get(step) ?? [],
    });
  }

  async #plain(): Promise<void> {
    const limit = Math.max(1, Math.floor(PLAIN_SHARE * this.#plan.trials));
    const known = this.#recipes();
    const points = anchors(this.#space)
      .filter((point) => recipeOf(this.#space, point) !== undefined)
      .slice(0, limit)
      .filter((point) => !known.has(recipeOf(this.#space, point)?.text ?? ""));
    for (let i = 0; i < points.length && !this.#isOver(); i += TOGETHER) {
      await this.#tryPoints(points.slice(i, i + TOGETHER), "plain", "full");
    }
  }

  /** Of the plain recipes that miss the goals, those with the fewest bytes of weights have most to win. */
  async #rollBacks(): Promise<void> {
    const bytes = ({ size }: Trial): number => size?.weightBytes ?? Infinity;
    const missed = this.#trials
      .filter(({ origin: from, status, shortfall = 0 }) => from === "plain" && status === "ok" && shortfall > 0)
      .sort((a, b) => bytes(a) - bytes(b))
      .slice(0, MOST_ROLLBACKS);
    for (const { recipe, point } of missed) {
      if (this.#rolledBack.has(recipe) || this.#isOver()) continue;
      const { point: next } = await rollBack(this.#space, point, async (candidate) => {
        const text = recipeOf(this.#space, candidate);
        return text === undefined ? Infinity : (await this.#judge(text, `rolling back ${recipe}`)).shortfall;
      });
      const fresh = next !== undefined && !this.#recipes().has(recipeOf(this.#space, next)?.text ?? "");
      if (fresh) await this.#tryPoints([next], "rollback", "full", recipe);
      this.#rolledBack.add(recipe);
    }
  }

  async #tryPoints(points: readonly Point[], from: string, effort: Seen["effort"], of?: string): Promise<void> {
    const { reporter, onProgress } = this.#options;
    const known = this.#recipes();
    const trials: Trial[] = [];
    for (const point of points) {
      const recipe = recipeOf(this.#space, point);
      if (recipe === undefined) continue;
      const judged = await this.#judge(recipe, `trial ${known.size + trials.length}: ${recipe.text}`);
      trials.push(trialOf(recipe, point, { origin: from, effort, ...(of === undefined ? {} : { of }) }, judged));
    }
    const measured = await this.#price(trials, effort);
    for (const trial of measured) {
      this.#trials.push(trial);
      // The original is no trial of what was asked for, and a second look is none either.
      if (trial.origin !== "original" && !known.has(trial.recipe)) reporter.done(trialLine(trial, this.#plan.minimize));
    }
    onProgress?.(this.result());
  }

  async #judge(recipe: Recipe, label: string): Promise<Judged> {
    const known = this.#judged.get(recipe.text);
    if (known !== undefined) return known;
    this.#options.signal.throwIfAborted();
    this.#say(label);
    const judged = await this.#judgeAnew(recipe);
    this.#judged.set(recipe.text, judged);
    return judged;
  }

  async #judgeAnew(recipe: Recipe): Promise<Judged> {
    let graph: Graph;
    try {
      graph = (await compressModel(this.#model, recipe, this.#plan.seed, true)).graph;
    } catch (error) {
      if (!(error instanceof SlimbenchError) || error instanceof HostError || error instanceof UnavailableError) throw error;
      return { shortfall: Infinity, why: error.message };
    }
    const quality = recipe.text === "fp32" ? this.#evaluated().original : await this.#evaluated().evaluate(graph);
    const own = recipe.text === "fp32" ? { ...quality, agreement: 1, identical: true } : quality;
    return { quality: own, shortfall: totalShortfall(this.#plan.goals, own), size: await this.#sizeOf(graph, recipe) };
  }

  /** Packing a file takes its time: only where that is asked for. */
  async #sizeOf(graph: Graph, recipe: Recipe): Promise<Size> {
    const { minimize } = this.#plan;
    const needsFile = minimize.metric === "size" && minimize.key !== "weightBytes";
    return needsFile ? modelSize(graph, await artifactOf(this.#model, graph, recipe)) : weightSize(graph);
  }

  /** Measures what meets the goals. */
  async #price(trials: readonly Trial[], effort: Seen["effort"]): Promise<readonly Trial[]> {
    const { minimize } = this.#plan;
    if (minimize.metric === "size") {
      return trials.map((trial) => ({ ...trial, ...(trial.size?.[minimize.key] === undefined ? {} : { cost: trial.size[minimize.key] }) }));
    }
    const due = trials.filter(({ status, shortfall = Infinity }) => status === "ok" && shortfall === 0);
    if (due.length === 0) return trials;
    const { latencies, environment } = await this.#meter(
      due.map(({ recipe }) => parseRecipe(recipe)),
      effort,
    );
    this.#environment = environment;
    return trials.map((trial) => {
      const latency = due.includes(trial) ? latencies.get(trial.recipe) : undefined;
      if (latency === undefined) return trial;
      if (typeof latency === "string") return { ...trial, status: "failed", why: latency };
      return { ...trial, latency, cost: latency.ratio * this.#originalMs(latency.originalMs) };
    });
  }

  /** The first measurement of the original: ratios to it compare trials of different moments. */
  #originalMs(now: number): number {
    return this.#trials.find(({ origin: from }) => from === "original")?.latency?.originalMs ?? now;
  }

  async #meter(recipes: readonly Recipe[], effort: Seen["effort"]): ReturnType<typeof meterLatencies> {
    const { minimize, model, seed, preset, processes, tune } = this.#plan;
    if (minimize.metric !== "latency") throw new Error("internal: sizes are not timed");
    const settings = { model, target: minimize.target, seed, preset, tune, processes: effort === "look" ? 1 : processes };
    return meterLatencies(recipes, settings, this.#options, this.#label.split(":")[0] ?? "");
  }

  /** The best ones once more, in turn, and judged on every sample there is: what was best by chance falls back. */
  async #crown(): Promise<void> {
    const { minimize, goals } = this.#plan;
    const ranked = bestFirst(this.#trials);
    const first = ranked[0];
    if (first === undefined) return;
    if ((first.shortfall ?? 0) > 0) {
      this.#best = { recipe: first.recipe, meets: false, ...(first.quality === undefined ? {} : { quality: first.quality }) };
      return;
    }
    const judge = await this.#judgeAll();
    const finalists: { readonly trial: Trial; readonly quality: Quality }[] = [];
    for (const trial of ranked) {
      if (finalists.length === FINALISTS || (trial.shortfall ?? Infinity) > 0) break;
      this.#say(`all samples: ${trial.recipe}`);
      const quality = await judge(parseRecipe(trial.recipe));
      if (totalShortfall(goals, quality) === 0) finalists.push({ trial, quality });
    }
    const closest = finalists[0];
    if (closest === undefined) {
      this.#best = { recipe: first.recipe, meets: false, quality: await judge(parseRecipe(first.recipe)) };
      return;
    }
    if (minimize.metric === "size") {
      this.#best = { recipe: closest.trial.recipe, meets: true, quality: closest.quality };
      return;
    }
    this.#say("the best once more");
    const { latencies } = await this.#meter(
      finalists.map(({ trial }) => parseRecipe(trial.recipe)),
      "full",
    );
    const timed = finalists.flatMap(({ trial, quality }) => {
      const latency = latencies.get(trial.recipe);
      return latency === undefined || typeof latency === "string" ? [] : [{ recipe: trial.recipe, quality, latency }];
    });
    timed.sort((a, b) => a.latency.ratio - b.latency.ratio);
    const winner = timed[0];
    this.#best =
      winner === undefined ? { recipe: closest.trial.recipe, meets: true, quality: closest.quality } : { ...winner, meets: true };
  }

  /** Judges on the whole test set, where trials were judged on a part of it. */
  async #judgeAll(): Promise<(recipe: Recipe) => Promise<Quality>> {
    const { dataset, graph } = this.#model;
    const n = this.#evaluated().original.n;
    if (dataset === undefined || n >= dataset.test.count) {
      return async (recipe) => (await this.#judge(recipe, recipe.text)).quality ?? { n };
    }
    const { seed } = this.#plan;
    const { signal, reporter } = this.#options;
    this.#say("the original on all samples");
    const evaluator = await Evaluator.open(graph, openSamples(this.#model, dataset.test.count, seed), {
      signal,
      onProgress: (fraction) => reporter.phase(this.#label, 0.5 * fraction),
    });
    return async (recipe) =>
      recipe.text === "fp32"
        ? { ...evaluator.original, agreement: 1, identical: true }
        : evaluator.evaluate((await compressModel(this.#model, recipe, seed, true)).graph);
  }

  #evaluated(): Evaluator {
    if (this.#evaluator === undefined) throw new Error("internal: the original is evaluated first");
    return this.#evaluator;
  }

  #say(label: string): void {
    this.#label = label;
    this.#options.reporter.phase(label, 0);
  }

  #recipes(): ReadonlySet<string> {
    return new Set(this.#trials.filter(({ origin: from }) => from !== "original").map(({ recipe }) => recipe));
  }

  #seen(): readonly Seen[] {
    return this.#trials.map(({ recipe, point, shortfall = Infinity, cost, effort, status }) => ({
      recipe,
      point,
      effort,
      shortfall: status === "ok" ? shortfall : Infinity,
      cost,
    }));
  }

  #isOver(): boolean {
    return this.#recipes().size >= this.#plan.trials || this.#elapsedMs() >= this.#plan.timeMs;
  }

  #elapsedMs(): number {
    return this.#elapsedBefore + performance.now() - this.#begin;
  }

  result(): Search {
    const { model, goals, minimize } = this.#plan;
    const { sha256, dataset } = this.#model;
    return {
      schema: SEARCH_SCHEMA,
      createdAt: new Date().toISOString(),
      tool: readTool(),
      environment: this.#environment,
      model: {
        name: model.name,
        file: basename(model.path),
        sha256,
        ...(dataset === undefined ? {} : { dataset: dataset.test.name }),
      },
      config: this.#config(),
      goals: goals.map(({ text }) => text),
      minimize: minimize.text,
      knobs: this.#space.knobs,
      elapsedMs: this.#elapsedMs(),
      trials: this.#trials,
      rolledBack: [...this.#rolledBack],
      front: frontOf(this.#trials).map(({ recipe }) => recipe),
      ...(this.#best === undefined ? {} : { best: this.#best }),
    };
  }

  #config(): Record<string, string | number> {
    const { samples, seed, preset, processes, tune, strategy } = this.#plan;
    const { graph, dataset } = this.#model;
    return {
      strategy,
      samples: samples ?? (dataset === undefined ? "noise" : defaultSamples(graph)),
      seed,
      preset,
      processes: processes ?? presetOf(preset).processes,
      tune,
    };
  }

  /** @throws UsageError where the file is about something else */
  #goOn(resume: Search): void {
    const own = this.result();
    const refuse = (what: string, was: unknown, is: unknown): void => {
      const [a, b] = [JSON.stringify(was), JSON.stringify(is)];
      if (a !== b)
        throw new UsageError(`--out: the file was made with ${what} ${a}, this run has ${b}`, "Use the same options, or another --out");
    };
    refuse("another model, sha256", resume.model.sha256.slice(0, 12), own.model.sha256.slice(0, 12));
    refuse("dataset", resume.model.dataset ?? "none", own.model.dataset ?? "none");
    refuse("goals", resume.goals, own.goals);
    refuse("minimize", resume.minimize, own.minimize);
    for (const [key, value] of Object.entries(own.config)) refuse(key, resume.config[key] ?? "none", value);
    const choices = (of: Search): unknown => of.knobs.map(({ layer, choices: list }) => [layer ?? "", ...list]);
    if (JSON.stringify(choices(resume)) !== JSON.stringify(choices(own))) {
      throw new UsageError("--out: the file was made with other steps to choose from", "Use the same --each and --whole, or another --out");
    }
    this.#trials.push(...resume.trials);
    this.#environment = resume.environment;
    for (const recipe of resume.rolledBack) this.#rolledBack.add(recipe);
    for (const { recipe, quality, shortfall, size, why } of resume.trials) {
      const known = { ...(quality && { quality }), ...(size && { size }), ...(why === undefined ? {} : { why }) };
      if (quality !== undefined) this.#judged.set(recipe, { ...known, shortfall: shortfall ?? Infinity });
    }
  }
}

/** None where the model has no such form at all. */
async function layersChanged(graph: Graph, step: string): Promise<readonly string[]> {
  try {
    return (await applyRecipe(graph, parseRecipe(step), { sparseGain: sparseGain() })).steps.flatMap(({ layers }) => layers);
  } catch (error) {
    if (error instanceof SlimbenchError) return [];
    throw error;
  }
}
