/**
 * Suite files: which models, recipes and targets belong together. Data only, JSON or JSON with comments; found by name in the
 * package's `suites/`, or by path. Model paths are relative to the suite file, `npm:PACKAGE/PATH`, or `dir:FILE` for a file in the
 * folder that the user names with --models-dir. A suite of kernels lists shapes of single layers in place of models.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { calibrates } from "../compress/recipe-calibrate.ts";
import { parseRecipe } from "../compress/recipe.ts";
import { FormatError, UsageError } from "../errors.ts";
import { hint } from "./hint.ts";
import { kernelModels, kernelsSchema, sweepsSchema } from "./kernels/suite.ts";
import { PRESETS } from "./presets.ts";
import type { PresetName } from "./presets.ts";
import type { SuiteModel } from "./suite-model.ts";

const SUITES_FOLDER = fileURLToPath(new URL("../../suites/", import.meta.url));

const word = z.string().min(1);
const modelSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9._-]+$/, "expected letters, digits, dot, dash, underscore"),
  path: word,
  shapes: z.record(word, z.array(z.number().int().positive())).optional(),
  /** Built-in name, path of a header, or `dir:FILE`; of several, the first that exists. */
  dataset: z.union([word, z.array(word).min(1)]).optional(),
  /** In place of the suite's. */
  recipes: z.array(word).min(1).optional(),
});
const suiteSchema = z.strictObject({
  name: word,
  about: z.string(),
  models: z.array(modelSchema).min(1).optional(),
  /** In place of models. */
  kernels: kernelsSchema.optional(),
  sweeps: sweepsSchema.optional(),
  recipes: z.array(word).min(1),
  targets: z.array(word).min(1),
  /** Used where the command line names none. */
  preset: z.enum(PRESETS).optional(),
  /** At most so many samples for accuracy, whatever the preset allows. */
  accuracySamples: z.number().int().positive().optional(),
});

export interface Suite {
  readonly name: string;
  readonly about: string;
  readonly models: readonly SuiteModel[];
  readonly recipes: readonly string[];
  readonly targets: readonly string[];
  readonly preset?: PresetName | undefined;
  readonly accuracySamples?: number | undefined;
  /** What is left out because files of the user's folder are missing; one line each. */
  readonly skipped: readonly string[];
}

export function suiteNames(): readonly string[] {
  return readdirSync(SUITES_FOLDER)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length))
    .sort();
}

/**
 * @param nameOrPath `mobile`, or a path that ends in .json or .jsonc
 * @param modelsDir folder for `dir:` paths
 * @throws UsageError for an unknown name or a missing folder, FormatError for a file that does not parse
 */
export function loadSuite(nameOrPath: string, modelsDir?: string): Suite {
  const path = suitePath(nameOrPath);
  const suite = parseSuite(path);
  const { kernels, sweeps = {} } = suite;
  if (kernels === undefined) return resolveFiles(suite, path, modelsDir);
  return { ...suite, models: kernelModels(kernels, sweeps, path), skipped: [] };
}

type SuiteFile = z.infer<typeof suiteSchema>;

function parseSuite(path: string): SuiteFile {
  const content = parseJsonWithComments(readText(path), path);
  const parsed = suiteSchema.safeParse(content);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new FormatError(
      `${path}: ${placeOf(issue?.path ?? [], content)}: ${issue?.message.toLowerCase() ?? "invalid"}`,
      "See suites/_template.jsonc",
    );
  }
  const { models, kernels, sweeps } = parsed.data;
  if ((models === undefined) === (kernels === undefined)) {
    throw new FormatError(
      `${path}: expected either "models" or "kernels", got ${models === undefined ? "neither" : "both"}`,
      "See suites/_template.jsonc",
    );
  }
  if (kernels === undefined && sweeps !== undefined) throw new FormatError(`${path}: sweeps: only kernels are swept`, "Leave sweeps out");
  return parsed.data;
}

/** `models[2].shapes.x[0] of "lenet5"`: the place, and the entry that it is in where that has a name. */
function placeOf(path: readonly PropertyKey[], content: unknown): string {
  let at = content;
  let text = "";
  let entry = "";
  for (const part of path) {
    text += typeof part === "number" ? `[${part}]` : `.${String(part)}`;
    at = typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[part] : undefined;
    const name = typeof part === "number" && typeof at === "object" && at !== null && "name" in at ? at.name : undefined;
    if (typeof name === "string") entry = ` of "${name}"`;
  }
  return `${text.replace(/^\./, "") || "suite"}${path.at(-1) === "name" ? "" : entry}`;
}

function suitePath(nameOrPath: string): string {
  if (/\.jsonc?$/.test(nameOrPath)) {
    if (!existsSync(nameOrPath)) throw new UsageError(`--suite ${nameOrPath}: no such file. Known suites: ${suiteNames().join(", ")}`);
    return resolve(nameOrPath);
  }
  const names = suiteNames();
  if (!names.includes(nameOrPath)) {
    throw new UsageError(
      `--suite ${nameOrPath}: unknown suite, expected one of ${names.join(", ")}, or the path of a .json file.${hint(nameOrPath, names)}`,
    );
  }
  return resolve(SUITES_FOLDER, `${nameOrPath}.json`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new FormatError(`${path}: cannot be read, ${error instanceof Error ? error.message : String(error)}`, "", error);
  }
}

function resolveFiles({ models: listed = [], ...suite }: SuiteFile, path: string, modelsDir: string | undefined): Suite {
  const skipped: string[] = [];
  const models: SuiteModel[] = [];
  const needsFolder = listed.some((model) => model.path.startsWith("dir:"));
  if (needsFolder && modelsDir === undefined) {
    const files = listed.map((model) => model.path.replace("dir:", "")).join(", ");
    throw new UsageError(`--suite ${suite.name}: needs --models-dir DIR, a folder that holds any of ${files}`);
  }
  if (modelsDir !== undefined && !existsSync(modelsDir)) throw new UsageError(`--models-dir ${modelsDir}: no such folder`);
  const locate = (file: string): string => {
    if (file.startsWith("dir:")) return resolve(modelsDir ?? "", file.slice("dir:".length));
    return file.startsWith("npm:") ? file : resolve(dirname(path), file);
  };
  for (const { dataset: datasets, recipes, ...model } of listed) {
    const file = locate(model.path);
    if (model.path.startsWith("dir:") && !existsSync(file)) {
      skipped.push(`${model.name}: skipped, ${file} does not exist`);
      continue;
    }
    const candidates = datasets === undefined ? [] : typeof datasets === "string" ? [datasets] : datasets;
    // A bare name is a built-in set; only names of files are looked for.
    const found = candidates
      .map((name) => (name.endsWith(".json") ? locate(name) : name))
      .find((name) => !name.endsWith(".json") || existsSync(name));
    const lacksData = candidates.length > 0 && found === undefined;
    if (lacksData)
      skipped.push(`${model.name}: no accuracy and no recipe that calibrates, ${candidates.map(locate).join(" or ")} does not exist`);
    models.push({
      ...model,
      path: file,
      ...(found === undefined ? {} : { dataset: found }),
      ...(lacksData
        ? { recipes: (recipes ?? suite.recipes).filter((text) => !needsCalibration(text)) }
        : recipes === undefined
          ? {}
          : { recipes }),
    });
  }
  if (models.length === 0)
    throw new UsageError(
      `--suite ${suite.name}: nothing to run. ${skipped.join("; ")}`,
      "Name a folder that holds the models with --models-dir",
    );
  return {
    name: suite.name,
    about: suite.about,
    models,
    recipes: suite.recipes,
    targets: suite.targets,
    preset: suite.preset,
    accuracySamples: suite.accuracySamples,
    skipped,
  };
}

function needsCalibration(recipe: string): boolean {
  return calibrates(parseRecipe(recipe));
}

export interface SuiteDescription {
  readonly name: string;
  readonly about: string;
  /** Paths as written. */
  readonly models: readonly { readonly name: string; readonly path: string; readonly dataset?: string | readonly string[] | undefined }[];
}

/** Every suite of the package. */
export function describeSuites(): readonly SuiteDescription[] {
  return suiteNames().map((file) => {
    const { name, about, models, kernels = [], sweeps = {} } = parseSuite(suitePath(file));
    const shapes = kernelModels(kernels, sweeps, file).map((kernel) => ({ ...kernel, path: `${kernel.path}, ${kernel.layer ?? ""}` }));
    return { name, about, models: models ?? shapes };
  });
}

/** JSON with line and block comments and trailing commas, as in tsconfig files. */
export function parseJsonWithComments(text: string, where: string): unknown {
  const plain = text.replace(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (_match, quoted: string | undefined) => quoted ?? "");
  const closed = plain.replace(
    /("(?:\\.|[^"\\])*")|,(\s*[}\]])/g,
    (_match, quoted: string | undefined, end: string | undefined) => quoted ?? end ?? "",
  );
  try {
    return JSON.parse(closed);
  } catch (error) {
    throw new FormatError(
      `${where}: not valid JSON, ${error instanceof Error ? error.message : String(error)}`,
      "See suites/_template.jsonc",
      error,
    );
  }
}
