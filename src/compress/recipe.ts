/**
 * Recipes: steps joined by `+`, each `NAME[:VALUE][,key=value…]`, e.g. `prune:0.7,block=1x8+int8`. Every word of the language is
 * parsed and checked here; a step that parses but has no implementation yet is an UnsupportedError. A JSON file holds the same steps.
 */
import { readFileSync } from "node:fs";
import { FormatError, UsageError } from "../errors.ts";
import { LIST_SEPARATOR, suggestion } from "./names.ts";
import { splitOutside, splitPatterns } from "./patterns.ts";
import { Fields, LARGEST_SEED, STEP_NAMES, filterText } from "./recipe-fields.ts";
import type { LayerFilter, PlainFilter, StepName } from "./recipe-fields.ts";
import { DEFAULT_START_SEED, RANDOM_STARTS, STARTS } from "./cluster/starts.ts";
import type { Start } from "./cluster/starts.ts";
import { overrideOptions } from "./recipe-calibrate.ts";
import { parsePrune, pruneText } from "./recipe-prune.ts";
import type { ChannelStep, PruneStep } from "./recipe-prune.ts";
import { int8DynamicText, int8WeightsText } from "./recipe-int8-forms.ts";
import type { Int8DynamicStep, Int8WeightsStep } from "./recipe-int8-forms.ts";
import { parseTreeStep, treeText } from "./recipe-trees.ts";
import type { TreeStep } from "./recipe-trees.ts";
import { parseRequantize, requantizeText } from "./recipe-requantize.ts";
import type { RequantizeStep } from "./recipe-requantize.ts";
import { int16Text, int8Text, parseInt16, parseInt8 } from "./recipe-quantize.ts";
import type { Int16Step, Int8Step } from "./recipe-quantize.ts";

export interface ClusterStep extends LayerFilter {
  readonly kind: "cluster";
  /** Shared values of a layer, at most. */
  readonly values: number;
  /** Where k-means begins; absent: linear. */
  readonly init?: Exclude<Start, "linear">;
  /** Of the starts that draw numbers; absent: 9. */
  readonly seed?: number;
  /** Values stay where they begin; absent: k-means moves them. */
  readonly refine?: "no";
  /** Each output channel has its own; absent: the layer. */
  readonly per?: "channel";
}

export interface Float16Step extends PlainFilter {
  readonly kind: "fp16";
}

export interface Int4Step extends PlainFilter {
  readonly kind: "int4";
  /** Inputs of an output channel that share a scale. */
  readonly block: number;
}

export type { ChannelStep, Int16Step, Int8DynamicStep, Int8Step, Int8WeightsStep, PruneStep, RequantizeStep, TreeStep };

export type Step =
  | { readonly kind: "fp32" }
  | Int8Step
  | Int16Step
  | Int8DynamicStep
  | Int8WeightsStep
  | PruneStep
  | ChannelStep
  | ClusterStep
  | Float16Step
  | Int4Step
  | RequantizeStep
  | TreeStep;

/** Indices are bytes. */
const MOST_SHARED_VALUES = 256;
const DEFAULT_INT4_BLOCK = 32;

export interface Recipe {
  /** Canonical: defaults left out, options in a fixed order, numbers in their shortest form. */
  readonly text: string;
  readonly steps: readonly Step[];
}

/** Steps after which weights are no longer plain floats, so that nothing that edits float weights may follow. */
const QUANTIZING: readonly StepName[] = ["fp16", "int8", "int16x8", "int4"];

/** @throws UsageError where the text is wrong, UnsupportedError where a step is not implemented */
export function parseRecipe(text: string): Recipe {
  if (text.trim() === "") throw new UsageError(`--recipe: empty, expected steps joined by "+". Try int8, or prune:0.7,block=1x8+int8`);
  const fields = splitOutside(text, "+").map((part) => {
    if (part.trim() === "") throw new UsageError(`recipe "${text}": empty step, expected a step on both sides of every "+"`);
    return splitStep(part.trim(), text);
  });
  return build(fields, text);
}

/**
 * A recipe as a user types it: the name of a file that ends in `.json` (a text can end so too, in the name of a table), or a text.
 * @param seed said on the command line: in place of a file's
 */
export function openRecipe(word: string, seed?: number): Recipe {
  return word.endsWith(".json") && !word.includes("table=") ? readRecipeFile(word, seed) : parseRecipe(word);
}

const FILE_KEYS = ["steps", "seed"] as const;

/**
 * A recipe file: `{"steps": ["prune:0.7,block=1x8", {"step": "int8", "exclude": ["fc*"]}]}`: each entry a step as text, or an object with
 * `step`, `value` and the options as keys; lists of strings where an option takes several; `overrides` as an object of tensor names. `seed` beside
 * `steps` is that of every step that draws numbers and has none of its own.
 * @param seed in place of the file's, where it has one
 * @throws FormatError, UsageError, UnsupportedError
 */
export function readRecipeFile(path: string, seed?: number): Recipe {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new FormatError(`${path}: cannot be read. Check the path of the recipe file`, "", error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FormatError(`${path}: not valid JSON, ${error instanceof Error ? error.message : String(error)}`, "", error);
  }
  const steps = isObject(value) ? value["steps"] : undefined;
  if (!Array.isArray(steps) || steps.length === 0)
    throw new FormatError(`${path}: expected an object with "steps", a list of at least one step`);
  const stray = Object.keys(value as object).find((key) => !FILE_KEYS.some((known) => known === key));
  if (stray !== undefined) throw new FormatError(`${path}: unknown key "${stray}". ${suggestion(stray, FILE_KEYS)}`);
  const common = seedOf(value as Readonly<Record<string, unknown>>, path, seed);
  const fields = steps.map((step: unknown, i) => {
    if (typeof step === "string" && splitOutside(step, "+").length > 1)
      throw new FormatError(`${path}: steps[${i}]: got "${step}", expected one step. Split it at the "+"`);
    return typeof step === "string" ? splitStep(step.trim(), path, common) : fieldsOfObject(step, `${path}: steps[${i}]`, path, common);
  });
  return build(fields, path);
}

function seedOf(file: Readonly<Record<string, unknown>>, path: string, said: number | undefined): number | undefined {
  const { seed } = file;
  if (seed === undefined) return undefined;
  const isSeed = (n: unknown): boolean => typeof n === "number" && Number.isInteger(n) && n >= 0 && n <= LARGEST_SEED;
  if (!isSeed(seed)) throw new FormatError(`${path}: seed: got ${JSON.stringify(seed)}, expected an integer 0..${LARGEST_SEED}`);
  if (said !== undefined && !isSeed(said))
    throw new UsageError(`--seed ${said}: expected an integer 0..${LARGEST_SEED} with a recipe file that has a seed`);
  return said ?? (seed as number);
}

function fieldsOfObject(step: unknown, where: string, recipe: string, seed: number | undefined): Fields {
  if (!isObject(step) || typeof step["step"] !== "string") throw new FormatError(`${where}: expected a text, or an object with "step"`);
  const { step: name, value, ...rest } = step;
  const options = new Map<string, string>();
  for (const [key, option] of Object.entries(rest)) {
    if (key === "overrides") {
      for (const [word, text] of overrideOptions(option, `${where}.overrides`)) options.set(word, text);
      continue;
    }
    const list: unknown[] = Array.isArray(option) ? option : [option];
    if (!list.every((item) => typeof item === "string" || typeof item === "number")) {
      throw new FormatError(`${where}.${key}: expected a text, a number or a list of texts`);
    }
    const joined = list.join(LIST_SEPARATOR);
    if (list.some((item) => String(item).startsWith("/")) && splitPatterns(joined).join("\n") !== list.join("\n"))
      throw new FormatError(`${where}.${key}: names that begin and end with / read like a regular expression. Write * for those slashes`);
    options.set(key, joined);
  }
  if (value !== undefined && typeof value !== "string" && typeof value !== "number")
    throw new FormatError(`${where}.value: expected a text or a number`);
  return new Fields(name, value === undefined ? undefined : String(value), options, recipe, seed);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function splitStep(part: string, recipe: string, seed?: number): Fields {
  const [head = "", ...rest] = splitOutside(part, ",").map((piece) => piece.trim());
  const colon = head.indexOf(":");
  const options = new Map<string, string>();
  for (const piece of rest) {
    const equals = piece.indexOf("=");
    if (equals <= 0) throw new UsageError(`recipe "${recipe}": "${part}": got "${piece}", expected key=value`);
    const key = piece.slice(0, equals);
    if (options.has(key)) throw new UsageError(`recipe "${recipe}": "${part}": ${key} is given twice`);
    options.set(key, piece.slice(equals + 1));
  }
  return colon < 0
    ? new Fields(head, undefined, options, recipe, seed)
    : new Fields(head.slice(0, colon), head.slice(colon + 1), options, recipe, seed);
}

function build(fields: readonly Fields[], recipe: string): Recipe {
  const steps = fields.map((field) => parseStep(field));
  checkOrder(
    fields.map((field) => field.name as StepName),
    recipe,
  );
  return { text: steps.map(stepText).join("+"), steps };
}

function checkOrder(names: readonly StepName[], recipe: string): void {
  if (names.length > 1 && names.includes("fp32")) {
    throw new UsageError(`recipe "${recipe}": fp32 is the original and does not combine. Leave it out`);
  }
  const rounding = names.indexOf("requantize");
  if (rounding >= 0 && rounding < names.length - 1)
    throw new UsageError(
      `recipe "${recipe}": ${names[rounding + 1]!} cannot follow requantize, which is about integers. Put requantize last`,
    );
  const clustered = names.indexOf("cluster");
  const undone = clustered < 0 ? undefined : names.slice(clustered).find((name) => name === "prune" || name === "int4");
  if (undone === "prune")
    throw new UsageError(`recipe "${recipe}": prune cannot follow cluster: zeros would be values of their own. Put it before`);
  if (undone === "int4") throw new UsageError(`recipe "${recipe}": int4 cannot follow cluster: its scales undo shared values. Keep one`);
  const first = names.findIndex((name) => QUANTIZING.includes(name));
  const after = first < 0 ? undefined : names[first + 1];
  if (after === undefined || after === "requantize") return;
  if (QUANTIZING.includes(after))
    throw new UsageError(`recipe "${recipe}": ${names[first]!} and ${after} both set the number format. Keep one`);
  throw new UsageError(`recipe "${recipe}": ${after} edits float weights and cannot follow ${names[first]!}. Put it before`);
}

/** Canonical text of one step. */
export function stepText(step: Step): string {
  switch (step.kind) {
    case "fp32":
      return "fp32";
    case "fp16":
      return `fp16${filterText(step)}`;
    case "int8":
      return int8Text(step);
    case "int16x8":
      return int16Text(step);
    case "int8dynamic":
      return int8DynamicText(step);
    case "int8weights":
      return int8WeightsText(step);
    case "requantize":
      return requantizeText(step);
    case "int4":
      return `int4${step.block === DEFAULT_INT4_BLOCK ? "" : `,block=${step.block}`}${filterText(step)}`;
    case "cluster":
      return clusterText(step);
    case "prune":
    case "channels":
      return `${pruneText(step)}${filterText(step)}`;
    case "trees":
      return treeText(step);
  }
}

function parseStep(fields: Fields): Step {
  const name = STEP_NAMES.find((known) => known === fields.name);
  switch (name) {
    case undefined:
      throw fields.error(`unknown step "${fields.name}". ${suggestion(fields.name, STEP_NAMES)}`);
    case "fp32":
      fields.noValue();
      fields.onlyOptions([]);
      return { kind: "fp32" };
    case "int8":
      return parseInt8(fields);
    case "prune":
      return parsePrune(fields);
    case "fp16":
      fields.noValue();
      fields.onlyOptions(["only", "exclude"]);
      return { kind: "fp16", ...fields.filter() };
    case "int16x8":
      return parseInt16(fields);
    case "int4":
      fields.noValue();
      fields.onlyOptions(["block", "only", "exclude"]);
      return { kind: "int4", block: fields.integerOption("block", 16, 1024) ?? DEFAULT_INT4_BLOCK, ...fields.filter() };
    case "requantize":
      return parseRequantize(fields);
    case "cluster":
      return parseCluster(fields);
    case "ccp":
    case "rep":
    case "pessimistic":
    case "minerror":
      return parseTreeStep(fields, name);
    case "finetune":
    case "qat":
      fields.onlyOptions([]);
      fields.value(`a number of epochs above 0, e.g. ${name}:2`, (n) => n > 0 && n <= 1000);
      break;
    case "distill":
      fields.noValue();
      fields.onlyOptions(["student", "loss"]);
      break;
  }
  throw fields.unsupported(
    name,
    "Implemented: fp32, fp16, int8, int16x8, int4, requantize, prune, cluster, ccp, rep, pessimistic, minerror",
  );
}

function parseCluster(fields: Fields): ClusterStep {
  fields.onlyOptions(["init", "seed", "refine", "per", "only", "include", "exclude"]);
  const expected = "an integer 2..65536 (shared values in a layer), e.g. cluster:16";
  const values = fields.value(expected, (n) => Number.isInteger(n) && n >= 2 && n <= 65_536);
  if (values > MOST_SHARED_VALUES) throw fields.unsupported(`cluster:${values}`, `Use at most cluster:${MOST_SHARED_VALUES}`);
  const init = fields.wordOption("init", STARTS, "linear");
  if (!RANDOM_STARTS.has(init) && fields.option("seed") !== undefined)
    throw fields.error(`seed: only ${[...RANDOM_STARTS].map((start) => `init=${start}`).join(" and ")} draw numbers. Leave it out`);
  const seed = (RANDOM_STARTS.has(init) ? fields.seed() : undefined) ?? DEFAULT_START_SEED;
  return {
    kind: "cluster",
    values,
    ...(init === "linear" ? {} : { init }),
    ...(seed !== DEFAULT_START_SEED && { seed }),
    ...(fields.wordOption("refine", ["yes", "no"], "yes") === "no" && { refine: "no" as const }),
    ...(fields.wordOption("per", ["layer", "channel"], "layer") === "channel" && { per: "channel" as const }),
    ...fields.filter(),
  };
}

function clusterText(step: ClusterStep): string {
  const part = (key: string, value: string | number | undefined): string => (value === undefined ? "" : `,${key}=${value}`);
  const { values, init, seed, refine, per } = step;
  return `cluster:${values}${part("init", init)}${part("seed", seed)}${part("refine", refine)}${part("per", per)}${filterText(step)}`;
}
