/** What a layer can undergo, as recipe steps: the user's words, and what stands for a kind of change where only that is named. */
import { parseRecipe } from "../compress/recipe.ts";
import type { Step } from "../compress/recipe.ts";
import type { LayerFilter } from "../compress/recipe-fields.ts";
import { matchesAny } from "../compress/patterns.ts";
import { UsageError } from "../errors.ts";

export const CHANGE_KINDS = ["bits", "sparsity", "clusters", "channels"] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** Steps of each kind, the mildest first. */
const STEPS: Readonly<Record<ChangeKind, readonly string[]>> = {
  bits: ["fp16", "int8", "int4"],
  sparsity: ["prune:0.5", "prune:0.7", "prune:0.9", "prune:0.5,block=1x8", "prune:0.7,block=1x8", "prune:0.9,block=1x8"],
  clusters: ["cluster:64", "cluster:16", "cluster:4"],
  channels: ["prune,channels=0.25", "prune,channels=0.5"],
};

/** @param text kinds joined by commas @throws UsageError */
export function parseKinds(text: string): readonly ChangeKind[] {
  return text.split(",").map((word) => {
    const kind = CHANGE_KINDS.find((known) => known === word.trim());
    if (kind === undefined)
      throw new UsageError(`--what ${text}: got "${word}", expected kinds of ${CHANGE_KINDS.join(", ")}, joined by commas`);
    return kind;
  });
}

export function stepsOf(kinds: readonly ChangeKind[]): readonly string[] {
  return kinds.flatMap((kind) => STEPS[kind]);
}

/** Which of the kinds a step is; number formats of any sort are bits. */
export function kindOf({ kind }: Step): ChangeKind {
  switch (kind) {
    case "prune":
      return "sparsity";
    case "channels":
      return "channels";
    case "cluster":
      return "clusters";
    default:
      return "bits";
  }
}

/**
 * Canonical text of steps that take their layers from elsewhere.
 * @throws UsageError for what is no single step, names layers itself, or changes nothing
 */
export function parseChange(text: string, option: string): string {
  const recipe = parseRecipe(text);
  const [step, ...more] = recipe.steps;
  if (step === undefined || more.length > 0) throw new UsageError(`${option} ${text}: got ${recipe.steps.length} steps, expected one`);
  if (step.kind === "fp32") throw new UsageError(`${option} ${text}: fp32 changes nothing. Name a step that does, e.g. int8`);
  const { only, include, exclude }: LayerFilter = step;
  if (only !== undefined || include !== undefined || exclude !== undefined)
    throw new UsageError(
      `${option} ${text}: names layers, expected a step without only, include and exclude: each layer is changed in turn`,
    );
  return recipe.text;
}

/** Characters that end a pattern in a recipe's text, or stand for something in it. */
const RESERVED = /[,+|*\\^]+|^\s+|\s+$/g;
/** Ends of names that would read like that of a regular expression. */
const LIKE_EXPRESSION = /\/([dgimsuvy]{0,3})$/;

/**
 * How a recipe names a layer: by its name, with `*` for what the language reserves.
 * @param all names that it must be told apart from
 * @throws UsageError where no pattern does
 */
export function patternOf(layer: string, all: readonly string[]): string {
  const pattern = layer.replace(RESERVED, "*").replace(LIKE_EXPRESSION, "*$1");
  const rival = all.find((name) => name !== layer && matchesAny(name, [pattern]));
  if (rival === undefined) return pattern;
  throw new UsageError(
    `layer "${layer}": recipes cannot tell it from "${rival}", since its name holds one of , + | *`,
    "Rename the node, or leave it out with --layers",
  );
}

/** A step on certain layers. */
export function stepOn(change: string, patterns: readonly string[]): string {
  return parseRecipe(`${change},only=${patterns.join("|")}`).text;
}
