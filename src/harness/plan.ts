/** What a run will do: models × recipes × targets, every word parsed, before anything is loaded or started. */
import { existsSync } from "node:fs";
import { openRecipe } from "../compress/recipe.ts";
import type { Recipe } from "../compress/recipe.ts";
import { UsageError } from "../errors.ts";
import { recordKey } from "../results/schema.ts";
import { isKernelModel, parseShapeText, shapeLabel, shapeText } from "./kernels/shape.ts";
import { canForce, withForced } from "./kernels/sweep.ts";
import type { SweepOption } from "./kernels/sweep.ts";
import { presetOf } from "./presets.ts";
import type { PresetName } from "./presets.ts";
import { loadSuite } from "./suite.ts";
import type { SuiteModel } from "./suite-model.ts";
import type { Suite } from "./suite.ts";
import { parseTarget } from "./target.ts";
import type { Target } from "./target.ts";
import type { TuneSetting } from "./tuning.ts";

/** The command line's words, as typed. */
export interface PlanRequest {
  readonly suite?: string | undefined;
  readonly models?: readonly string[] | undefined;
  readonly recipes?: readonly string[] | undefined;
  readonly targets?: readonly string[] | undefined;
  /** `none`: no accuracy. */
  readonly dataset?: string | undefined;
  readonly modelsDir?: string | undefined;
  readonly shapes?: ReadonlyMap<string, readonly number[]> | undefined;
  readonly filter?: string | undefined;
  /** `I/N`, 1-based. */
  readonly shard?: string | undefined;
  /** Default: the suite's, else `normal`. */
  readonly preset?: PresetName | undefined;
  readonly seed: number;
  /** Said on the command line, so that it counts for recipe files that have a seed. */
  readonly recipeSeed?: number | undefined;
  /** Default: the preset's. */
  readonly processes?: number | undefined;
  /** Default: off. The command line's is cached. */
  readonly tune?: TuneSetting | undefined;
}

export interface PlannedModel {
  readonly name: string;
  readonly path: string;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly dataset?: string;
  /** Kernels: what the shape was taken from. */
  readonly layer?: string;
}

export interface PlannedRecord {
  readonly model: PlannedModel;
  readonly recipe: Recipe;
  readonly target: Target;
}

export interface Plan {
  readonly suite?: string;
  readonly preset: PresetName;
  readonly seed: number;
  readonly tune: TuneSetting;
  /** Fresh processes or pages that the latency of a record comes from. */
  readonly processes: number;
  /** Where the GPU is a software one. */
  readonly softwareProcesses: number;
  /** Every model is a single layer (`kernel:…`): the rows of one are measured in turn in one process, and rates are printed. */
  readonly kernels: boolean;
  /** Models together, then recipes with the original first, then targets. */
  readonly records: readonly PlannedRecord[];
  readonly accuracySamples?: number;
  /** What is left out and why; one line each. */
  readonly notes: readonly string[];
}

export const DEFAULT_SUITE = "mobile";
const DEFAULT_TARGETS = ["cpu", "wasm", "webgpu"] as const;

/** @throws UsageError, FormatError, UnsupportedError */
export function makePlan(request: PlanRequest): Plan {
  const suite = chooseSuite(request);
  const models = chooseModels(request, suite);
  const targets = distinct(request.targets ?? suite?.targets ?? DEFAULT_TARGETS).map(parseTarget);
  const records: PlannedRecord[] = [];
  for (const { model, recipes, sweep = [], codes = [] } of models) {
    for (const recipe of orderRecipes(request.recipes ?? recipes, request.recipeSeed)) {
      for (const target of targets) records.push({ model, recipe, target });
    }
    if (request.recipes !== undefined) continue;
    const force = (texts: readonly string[], option: SweepOption): void => {
      const able = targets.filter((target) => canForce(target, option));
      for (const recipe of orderRecipes(texts))
        for (const target of able) records.push({ model, recipe, target: withForced(target, option) });
    };
    force(sweep, "sparse");
    force(codes, "coded");
  }
  const preset = request.preset ?? suite?.preset ?? "normal";
  const kernels = models.length > 0 && models.every(({ model }) => isKernelModel(model.path));
  const chosen = takeShard(applyFilter(records, request.filter), request.shard);
  return {
    ...(suite === undefined ? {} : { suite: suite.name }),
    preset,
    seed: request.seed,
    tune: request.tune ?? "off",
    // Rows of a layer are compared with each other within a process, in turn; more of them would change little but the time it takes.
    processes: request.processes ?? (kernels ? 1 : presetOf(preset).processes),
    softwareProcesses: request.processes ?? (kernels ? 1 : presetOf(preset).softwareProcesses),
    kernels,
    records: chosen,
    ...(suite?.accuracySamples === undefined ? {} : { accuracySamples: suite.accuracySamples }),
    notes: suite?.skipped ?? [],
  };
}

export function plannedKey({ model, recipe, target }: PlannedRecord): string {
  return recordKey({ model: model.name, recipe: recipe.text, target: target.text });
}

/** The suite that is named; the default one where no model is named, or where a name can only be one of its models. */
function chooseSuite({ suite, models, modelsDir }: PlanRequest): Suite | undefined {
  if (suite !== undefined) return loadSuite(suite, modelsDir);
  if (models === undefined || models.some((model) => !isModelFile(model))) return loadSuite(DEFAULT_SUITE, modelsDir);
  return undefined;
}

function isModelFile(text: string): boolean {
  return (
    text.startsWith("npm:") || isKernelModel(text) || /\.(onnx|tflite|slim|json)$/i.test(text) || text.includes("/") || existsSync(text)
  );
}

interface ChosenModel {
  readonly model: PlannedModel;
  readonly recipes: readonly string[];
  /** Recipes to run with kernels that skip zeros, whether it pays or not. */
  readonly sweep?: readonly string[];
  /** Recipes to run with kernels that read compact codes, whether it pays or not. */
  readonly codes?: readonly string[];
}

function chooseModels(request: PlanRequest, suite: Suite | undefined): readonly ChosenModel[] {
  const words = request.models;
  if (words === undefined) return (suite?.models ?? []).map((model) => fromSuite(model, request, suite));
  const names = new Set<string>();
  return distinct(words).map((word) => {
    const known = suite?.models.find((model) => model.name === word);
    const chosen = known === undefined ? fromFile(word, request, suite) : fromSuite(known, request, suite);
    if (names.has(chosen.model.name)) {
      throw new UsageError(`--model ${word}: two models are named "${chosen.model.name}". Rename one file`);
    }
    names.add(chosen.model.name);
    return chosen;
  });
}

function fromSuite(model: SuiteModel, request: PlanRequest, suite: Suite | undefined): ChosenModel {
  const shapes = new Map(Object.entries(model.shapes ?? {}));
  for (const [name, shape] of request.shapes ?? []) shapes.set(name, shape);
  return {
    model: {
      name: model.name,
      path: model.path,
      shapes,
      ...datasetOf(request.dataset ?? model.dataset),
      ...(model.layer === undefined ? {} : { layer: model.layer }),
    },
    recipes: model.recipes ?? suite?.recipes ?? ["fp32"],
    ...(model.sweep === undefined ? {} : { sweep: model.sweep }),
    ...(model.codes === undefined ? {} : { codes: model.codes }),
  };
}

function fromFile(word: string, request: PlanRequest, suite: Suite | undefined): ChosenModel {
  if (isKernelModel(word)) {
    const shape = parseShapeText(word);
    return { model: { name: shapeLabel(shape), path: shapeText(shape), shapes: new Map() }, recipes: ["fp32"] };
  }
  if (!isModelFile(word)) {
    const known = suite?.models.map((model) => model.name).join(", ") ?? "";
    throw new UsageError(
      `--model ${word}: no such file, and no model of suite ${suite?.name ?? DEFAULT_SUITE} (${known})`,
      "Name an .onnx, .tflite or .slim file, npm:PACKAGE/PATH, or a model of the suite",
    );
  }
  const name = (word.split("/").at(-1) ?? word).replace(/\.(onnx|tflite|json)$/i, "");
  return {
    model: { name, path: word, shapes: request.shapes ?? new Map(), ...datasetOf(request.dataset) },
    // int8 calibrates on data, so it is no default without any.
    recipes: datasetOf(request.dataset).dataset === undefined ? ["fp32"] : ["fp32", "int8"],
  };
}

function datasetOf(word: string | undefined): { readonly dataset?: string } {
  return word === undefined || word === "none" ? {} : { dataset: word };
}

/** Parsed, each once, the original first: the others are compared with it. */
function orderRecipes(texts: readonly string[], recipeSeed?: number): readonly Recipe[] {
  const recipes = texts.map((text) => openRecipe(text, recipeSeed));
  const unique = [...new Map(recipes.map((recipe) => [recipe.text, recipe])).values()];
  return unique.sort((a, b) => Number(b.text === "fp32") - Number(a.text === "fp32"));
}

function applyFilter(records: readonly PlannedRecord[], filter: string | undefined): readonly PlannedRecord[] {
  if (filter === undefined) return records;
  let pattern: RegExp;
  try {
    pattern = new RegExp(filter, "i");
  } catch (error) {
    throw new UsageError(`--filter ${filter}: not a regular expression, ${error instanceof Error ? error.message : String(error)}`);
  }
  const kept = records.filter((record) => pattern.test(plannedKey(record)));
  if (kept.length === 0) {
    const example = records[0] === undefined ? "" : `, e.g. "${plannedKey(records[0])}"`;
    throw new UsageError(
      `--filter ${filter}: matches none of ${records.length} records. It is matched against "MODEL RECIPE TARGET"${example}`,
    );
  }
  return kept;
}

function takeShard(records: readonly PlannedRecord[], shard: string | undefined): readonly PlannedRecord[] {
  if (shard === undefined) return records;
  const match = /^(\d+)\/(\d+)$/.exec(shard);
  const index = Number(match?.[1]);
  const count = Number(match?.[2]);
  if (!(count >= 1 && index >= 1 && index <= count)) {
    throw new UsageError(`--shard ${shard}: expected I/N with 1 <= I <= N, e.g. 1/4`);
  }
  return records.filter((_, i) => i % count === index - 1);
}

function distinct(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}

/** `name=1,3,48,192` → entry of a shape map. @throws UsageError */
export function parseShape(text: string): readonly [string, readonly number[]] {
  const equals = text.lastIndexOf("=");
  const name = text.slice(0, Math.max(0, equals));
  const dims = text
    .slice(equals + 1)
    .split(/[,x]/)
    .map(Number);
  if (equals <= 0 || dims.some((d) => !Number.isInteger(d) || d < 1)) {
    throw new UsageError(`--shape ${text}: expected INPUT=D,D,... with positive integers, e.g. x=1,3,48,192`);
  }
  return [name, dims];
}
