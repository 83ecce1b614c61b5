/** The words of the recipe language, and one step's pieces with the checks on them. */
import { UnsupportedError, UsageError } from "../errors.ts";
import { LIST_SEPARATOR, suggestion } from "./names.ts";
import { matchesAny, patternFault, splitPatterns } from "./patterns.ts";

/** The steps that the language knows, in the order of documentation. */
export const STEP_NAMES = [
  "fp32",
  "fp16",
  "int8",
  "int16x8",
  "int4",
  "requantize",
  "prune",
  "cluster",
  "finetune",
  "qat",
  "distill",
  "ccp",
  "rep",
  "pessimistic",
  "minerror",
] as const;
export type StepName = (typeof STEP_NAMES)[number];

/**
 * Layers that a step may touch, by patterns (patterns.ts). `only`: these and no others, whatever the step's own choice; `include`: these
 * besides its own choice; `exclude` wins over both.
 */
export interface LayerFilter {
  readonly only?: readonly string[];
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}

/** The filters of a step that has no choice of its own to override. */
export type PlainFilter = Omit<LayerFilter, "include">;

/** Why a step leaves a layer alone that `exclude` names. */
export const EXCLUDED = "excluded by the recipe";

/** Why a step leaves a layer alone that `only` does not name. */
export const NOT_NAMED = "not among the recipe's layers";

/** Why a recipe keeps a step from a layer; undefined: it does not. */
export function leftOut(layer: string, { only, exclude = [] }: LayerFilter): string | undefined {
  if (matchesAny(layer, exclude)) return EXCLUDED;
  return only === undefined || matchesAny(layer, only) ? undefined : NOT_NAMED;
}

/** Whether a recipe names a layer for a step, so that the step's own choice does not count. */
export function isNamed(layer: string, { only = [], include = [] }: LayerFilter): boolean {
  return matchesAny(layer, only) || matchesAny(layer, include);
}

/** Of everything that draws numbers. */
export const LARGEST_SEED = 2 ** 31 - 1;

/** Canonical text of a filter, to follow a step's other options. */
export function filterText(filter: LayerFilter): string {
  const part = (key: string, list: readonly string[] | undefined): string =>
    list === undefined ? "" : `,${key}=${list.join(LIST_SEPARATOR)}`;
  return part("only", filter.only) + part("include", filter.include) + part("exclude", filter.exclude);
}

/** The pieces of one step, and the checks on them; errors name the recipe, the step and the option. */
export class Fields {
  readonly name: string;
  readonly #value: string | undefined;
  readonly #options: ReadonlyMap<string, string>;
  readonly #recipe: string;
  readonly #recipeSeed: number | undefined;

  /** @param recipeSeed of a recipe file, for steps that draw numbers and say none of their own */
  constructor(
    name: string,
    value: string | undefined,
    options: ReadonlyMap<string, string>,
    recipe: string,
    recipeSeed: number | undefined,
  ) {
    this.name = name;
    this.#value = value;
    this.#options = options;
    this.#recipe = recipe;
    this.#recipeSeed = recipeSeed;
  }

  error(what: string): UsageError {
    return new UsageError(`recipe "${this.#recipe}": ${STEP_NAMES.some((known) => known === this.name) ? `${this.name}: ` : ""}${what}`);
  }

  unsupported(what: string, remedy: string): UnsupportedError {
    return new UnsupportedError(`recipe "${this.#recipe}": ${what} is not implemented yet. ${remedy}`, remedy);
  }

  option(key: string): string | undefined {
    return this.#options.get(key);
  }

  /** @param why for the message */
  noValue(why?: string): void {
    if (this.#value !== undefined) throw this.error(`got the value "${this.#value}", expected none${why === undefined ? "" : `: ${why}`}`);
  }

  onlyOptions(known: readonly string[]): void {
    for (const key of this.#options.keys()) {
      if (known.includes(key)) continue;
      throw this.error(known.length === 0 ? `got option "${key}", expected none` : `unknown option "${key}". ${suggestion(key, known)}`);
    }
  }

  /** Whether the value is that word. */
  isValue(word: string): boolean {
    return this.#value === word;
  }

  /** A number that may be left out. */
  valueOr(fallback: number, expected: string, valid: (n: number) => boolean): number {
    return this.#value === undefined ? fallback : this.value(expected, valid);
  }

  value(expected: string, valid: (n: number) => boolean): number {
    const text = this.#value;
    if (text === undefined) throw this.error(`got no value, expected ${expected}`);
    const n = text.trim() === "" ? Number.NaN : Number(text);
    if (!Number.isFinite(n) || !valid(n)) throw this.error(`got "${text}", expected ${expected}`);
    return n;
  }

  word<T extends string>(known: readonly T[], fallback: T): T {
    return this.#oneOf(this.#value, known, fallback, "");
  }

  wordOption<T extends string>(key: string, known: readonly T[], fallback: T): T {
    return this.#oneOf(this.option(key), known, fallback, `${key}: `);
  }

  integerOption(key: string, min: number, max: number): number | undefined {
    const text = this.option(key);
    if (text === undefined) return undefined;
    const n = Number(text);
    if (!Number.isInteger(n) || n < min || n > max) throw this.error(`${key}: got "${text}", expected an integer ${min}..${max}`);
    return n;
  }

  /** Of a step that draws numbers: its own, or the recipe file's. */
  seed(): number | undefined {
    return this.integerOption("seed", 0, LARGEST_SEED) ?? this.#recipeSeed;
  }

  /** @param expected for the message */
  numberOption(key: string, expected: string, valid: (n: number) => boolean): number | undefined {
    const text = this.option(key);
    if (text === undefined) return undefined;
    const n = text.trim() === "" ? Number.NaN : Number(text);
    if (!Number.isFinite(n) || !valid(n)) throw this.error(`${key}: got "${text}", expected ${expected}`);
    return n;
  }

  filter(): LayerFilter {
    const [only, include, exclude] = [this.#list("only"), this.#list("include"), this.#list("exclude")];
    if (only !== undefined && include !== undefined) throw this.error("include: only names the layers already. Keep one");
    return { ...(only && { only }), ...(include && { include }), ...(exclude && { exclude }) };
  }

  #list(key: string): readonly string[] | undefined {
    const text = this.option(key);
    if (text === undefined) return undefined;
    const list = splitPatterns(text);
    if (list.includes(""))
      throw this.error(
        `${key}: got "${text}", expected layer names joined by "${LIST_SEPARATOR}", "*" for any characters, or regular expressions /…/`,
      );
    for (const pattern of list) {
      const fault = patternFault(pattern);
      if (fault !== undefined) throw this.error(`${key}: "${pattern}" ${fault}`);
    }
    return list;
  }

  #oneOf<T extends string>(text: string | undefined, known: readonly T[], fallback: T, where: string): T {
    if (text === undefined) return fallback;
    const word = known.find((k) => k === text);
    if (word === undefined) throw this.error(`${where}got "${text}", expected ${known.join(", ")}. ${suggestion(text, known)}`);
    return word;
  }
}
