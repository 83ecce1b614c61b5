/**
 * What a search chooses among: for the whole model one step of each stage, for each layer one, and which layers a number format leaves alone. A
 * point picks one choice a knob; as a recipe, layers with the same choice share a step.
 */
import { parseRecipe } from "../../compress/recipe.ts";
import type { Recipe, Step } from "../../compress/recipe.ts";
import { UsageError } from "../../errors.ts";
import { pick } from "../../data/random.ts";
import type { Random } from "../../data/random.ts";

/** The order in which steps can follow each other. */
const STAGES = ["channels", "prune", "cluster", "format"] as const;
export type Stage = (typeof STAGES)[number];

export function stageOf({ kind }: Step): Stage {
  return STAGES.find((stage) => stage === kind) ?? "format";
}

export interface Knob {
  readonly stage: Stage;
  /** How recipes name the layer; absent: the whole model. */
  readonly layer?: string;
  /** Canonical steps; the first one is "", nothing. A layer's knob of the stage `format` has two: nothing, and to leave the layer alone. */
  readonly choices: readonly string[];
}

export interface Space {
  readonly knobs: readonly Knob[];
  /** A layer's step → the layers that it changes where a recipe names none. */
  readonly own: ReadonlyMap<string, readonly string[]>;
}

/** A choice of each knob. */
export type Point = readonly number[];

export const KEEP = "keep";

export interface SpaceWords {
  /** Steps that each layer may take, or not. */
  readonly each: readonly string[];
  /** Steps for the whole model. */
  readonly whole: readonly string[];
}

export const DEFAULT_SPACE: SpaceWords = {
  each: [
    "prune,channels=0.25",
    "prune,channels=0.5",
    "prune:0.5,block=1x8",
    "prune:0.7,block=1x8",
    "prune:0.9,block=1x8",
    "prune:0.7",
    "prune:0.9",
    "cluster:64",
    "cluster:16",
  ],
  whole: ["fp16", "int8", "int4"],
};

/** How steps take to a model's layers. */
export interface Forms {
  /** Whether a step has a form for a layer. */
  readonly applies: (layer: string, step: string) => boolean;
  /** The layers that a step changes where a recipe names none. */
  readonly own: (step: string) => readonly string[];
}

/**
 * @param words canonical steps
 * @param layers how recipes name them
 * @throws UsageError where nothing is left to choose
 */
export function makeSpace({ each, whole }: SpaceWords, layers: readonly string[], { applies, own }: Forms): Space {
  const stage = (step: string): Stage => stageOf(firstStep(step));
  const misplaced = each.find((step) => stage(step) === "format");
  if (misplaced !== undefined) {
    throw new UsageError(
      `--each ${misplaced}: a number format is the whole model's. Name it with --whole; layers that lose too much are left out of it`,
    );
  }
  const knobs: Knob[] = [];
  for (const of of STAGES) {
    const global = whole.filter((step) => stage(step) === of);
    if (global.length > 0) knobs.push({ stage: of, choices: ["", ...global] });
    for (const layer of layers) {
      const steps = of === "format" ? (global.length > 0 ? [KEEP] : []) : each.filter((step) => stage(step) === of && applies(layer, step));
      if (steps.length > 0) knobs.push({ stage: of, layer, choices: ["", ...steps] });
    }
  }
  if (knobs.length === 0) throw new UsageError("--each, --whole: no step has a form for a layer of this model, there is nothing to choose");
  return { knobs, own: new Map(each.map((step) => [step, own(step)])) };
}

function firstStep(text: string): Step {
  const [step] = parseRecipe(text).steps;
  if (step === undefined) throw new UsageError(`"${text}": no step`);
  return step;
}

/** The original. */
export function origin({ knobs }: Space): Point {
  return knobs.map(() => 0);
}

/** @returns undefined where the language refuses the combination */
export function recipeOf({ knobs, own }: Space, point: Point): Recipe | undefined {
  const steps: string[] = [];
  for (const stage of STAGES) {
    const chosen = knobs.flatMap((knob, i) => {
      const choice = knob.choices[point[i] ?? 0] ?? "";
      return knob.stage !== stage || choice === "" ? [] : [{ layer: knob.layer, choice }];
    });
    const whole = chosen.find(({ layer }) => layer === undefined)?.choice;
    const kept = chosen.flatMap(({ layer, choice }) => (choice === KEEP && layer !== undefined ? [layer] : []));
    if (whole !== undefined) steps.push(kept.length === 0 ? whole : `${whole},exclude=${kept.join("|")}`);
    const groups = new Map<string, string[]>();
    for (const { layer, choice } of chosen) {
      if (layer !== undefined && choice !== KEEP) groups.set(choice, [...(groups.get(choice) ?? []), layer]);
    }
    for (const [choice, layers] of groups)
      steps.push(isSame(layers, own.get(choice) ?? []) ? choice : `${choice},only=${layers.join("|")}`);
  }
  if (steps.length === 0) return parseRecipe("fp32");
  try {
    return parseRecipe(steps.join("+"));
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item));
}

/** As compressed as a coin of its own for each point says, so that mild and strong recipes are as likely. */
export function randomPoint({ knobs }: Space, random: Random): Point {
  const share = random();
  return knobs.map(({ choices }) => {
    const likely = choices.includes(KEEP) ? KEEP_SHARE : share;
    return random() < likely ? 1 + Math.floor(random() * (choices.length - 1)) : 0;
  });
}

const KEEP_SHARE = 0.2;

/** The plain recipes: every format alone, every layer's step on the layers of its own choice, then both together. */
export function anchors(space: Space): readonly Point[] {
  const { knobs, own } = space;
  const wholes = knobs.flatMap((knob, k) => (knob.layer === undefined ? knob.choices.slice(1).map((_, c) => ({ k, c: c + 1 })) : []));
  const steps = [...own.keys()].filter((step) =>
    knobs.some(({ layer = "", choices }) => choices.includes(step) && own.get(step)?.includes(layer)),
  );
  const everywhere = (step: string): number[] =>
    knobs.map(({ choices, layer = "" }) => (own.get(step)?.includes(layer) === true ? Math.max(0, choices.indexOf(step)) : 0));
  const withWhole = (point: Point, { k, c }: { readonly k: number; readonly c: number }): Point =>
    point.map((value, i) => (i === k ? c : value));
  const zero = origin(space);
  return [
    ...wholes.map((whole) => withWhole(zero, whole)),
    ...steps.map(everywhere),
    ...steps.flatMap((step) => wholes.map((whole) => withWhole(everywhere(step), whole))),
  ];
}

/** Names of layers that a point changes. */
export function changedLayers(space: Space, point: Point): readonly string[] {
  const whole = space.knobs.some(({ layer }, i) => layer === undefined && point[i] !== 0);
  const layers = space.knobs.flatMap(({ layer, choices }, i) => {
    if (layer === undefined) return [];
    const kept = choices.includes(KEEP);
    return (kept ? whole && point[i] === 0 : point[i] !== 0) ? [layer] : [];
  });
  return [...new Set(layers)];
}

/** The point with some layers as they were: none of their own steps, and left out of a number format. */
export function reverted({ knobs }: Space, point: Point, layers: ReadonlySet<string>): Point {
  return knobs.map(({ layer, choices }, i) => {
    if (layer === undefined || !layers.has(layer)) return point[i] ?? 0;
    return choices.includes(KEEP) ? choices.indexOf(KEEP) : 0;
  });
}

/** Some knobs of a point turned, at least one. */
export function neighbour({ knobs }: Space, point: Point, random: Random): Point {
  const turned = new Set([Math.floor(random() * knobs.length)]);
  knobs.forEach((_, i) => random() < 1 / knobs.length && turned.add(i));
  return knobs.map(({ choices }, i) => {
    const now = point[i] ?? 0;
    return turned.has(i)
      ? pick(
          random,
          choices.flatMap((_, c) => (c === now ? [] : [c])),
        )
      : now;
  });
}
