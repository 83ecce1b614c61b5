/** The forms of the step `prune`: `prune:X` zeroes weights or blocks, `prune,nm=N:M` leaves N of M, `prune,channels=X` removes channels. */
import { CHANNEL_IMPORTANCES } from "./prune/channels/score.ts";
import type { ChannelImportance } from "./prune/channels/score.ts";
import type { WeightImportance } from "./prune/importance.ts";
import type { Fields, LayerFilter } from "./recipe-fields.ts";

export interface PruneStep extends LayerFilter {
  readonly kind: "prune";
  /** Share of zeros to reach, 0 ≤ amount < 1. */
  readonly amount: number;
  /** `layer`: the same share in every layer. `global`: the smallest over all layers. */
  readonly scope: "layer" | "global";
  /** Prune blocks of `rows` input positions × `cols` consecutive output channels; absent: single weights. */
  readonly block?: { readonly rows: number; readonly cols: number };
  /** A block's score: the largest magnitude in it; absent: their mean. */
  readonly pool?: "max";
  /** N:M: keep the `keep` largest of every `of` consecutive input channels, alike for the columns of `block` (one row high) if given. */
  readonly nm?: { readonly keep: number; readonly of: number };
  /** Absent: magnitude. */
  readonly importance?: Exclude<WeightImportance, "l1">;
  /** Of `random`; absent: 1. */
  readonly seed?: number;
  /** Weights as large as the last one that stays do so too, and one always stays, as Keras prunes; absent: exactly the amount. */
  readonly ties?: "keep";
  /** Only layers that a sparse kernel then executes faster than a dense one; absent: all. */
  readonly where?: "faster";
}

/**
 * Its own choice is every layer, so `include` restricts it: other layers keep their channels, and those that share them. `only` takes along
 * what shares channels with the layers that it names.
 */
export interface ChannelStep extends LayerFilter {
  readonly kind: "channels";
  /** Share of channels to remove, 0 < amount < 1. */
  readonly amount: number;
  /** The channels that stay are a multiple of this, or all. */
  readonly multiple: number;
  readonly scope: "layer" | "global";
  readonly importance: ChannelImportance;
  /** Of `random`. */
  readonly seed: number;
}

const DEFAULT_SEED = 1;
const SCOPES = ["layer", "global"] as const;
const WEIGHT_IMPORTANCES = ["l1", "lamp", "random"] as const;
const DEFAULT_CHANNEL_IMPORTANCE: ChannelImportance = "l2";

/** Canonical text, without the layer filter. */
export function pruneText(step: PruneStep | ChannelStep): string {
  const part = (key: string, value: string | number | undefined): string => (value === undefined ? "" : `,${key}=${value}`);
  const unless = <T>(value: T, fallback: T): T | undefined => (value === fallback ? undefined : value);
  const scope = part("scope", unless(step.scope, "layer"));
  if (step.kind === "channels") {
    const rest = part("importance", unless(step.importance, DEFAULT_CHANNEL_IMPORTANCE)) + part("seed", unless(step.seed, DEFAULT_SEED));
    return `prune,channels=${step.amount}${part("multiple", unless(step.multiple, 1))}${scope}${rest}`;
  }
  const amount = step.nm === undefined ? `:${step.amount}` : `,nm=${step.nm.keep}:${step.nm.of}`;
  const block = step.block && `${step.block.rows}x${step.block.cols}`;
  const how = part("importance", step.importance) + part("seed", step.seed) + part("ties", step.ties);
  return `prune${amount}${scope}${part("block", block)}${part("pool", step.pool)}${how}${part("where", step.where)}`;
}

export function parsePrune(fields: Fields): PruneStep | ChannelStep {
  fields.onlyOptions([
    "scope",
    "block",
    "pool",
    "nm",
    "channels",
    "multiple",
    "importance",
    "seed",
    "ties",
    "where",
    "only",
    "include",
    "exclude",
  ]);
  if (fields.option("channels") !== undefined) return parseChannels(fields);
  refuse(fields, ["multiple"], "it rounds channels. Give channels=X with it");
  const block = parseBlock(fields);
  const where = fields.wordOption("where", ["all", "faster"], "all");
  const shape = { ...(block && { block }), ...(where === "faster" && { where }), ...fields.filter() };
  const nm = parseNm(fields);
  if (nm === undefined) {
    const amount = fields.value("a fraction 0 ≤ X < 1 (0.7 makes 70 % of the weights zero)", (n) => n >= 0 && n < 1);
    if (block === undefined) refuse(fields, ["pool"], "it scores blocks. Give block=ROWSxCOLS with it");
    const pool = fields.wordOption("pool", ["avg", "max"], "avg");
    const importance = fields.wordOption("importance", WEIGHT_IMPORTANCES, "l1");
    const seed = parseSeed(fields, importance);
    return {
      kind: "prune",
      amount,
      scope: fields.wordOption("scope", SCOPES, "layer"),
      ...(pool === "max" && { pool }),
      ...(importance !== "l1" && { importance }),
      ...(seed !== DEFAULT_SEED && { seed }),
      ...(fields.wordOption("ties", ["cut", "keep"], "cut") === "keep" && { ties: "keep" }),
      ...shape,
    };
  }
  fields.noValue(`nm=${nm.keep}:${nm.of} says how many weights stay`);
  if (fields.option("scope") !== undefined) throw fields.error("scope: N:M leaves the same share in every group. Leave scope out");
  refuse(fields, ["pool", "importance", "seed", "ties"], "N:M keeps the N largest of every M. Leave it out");
  if (block !== undefined && block.rows !== 1) {
    throw fields.error(
      `block: got "${block.rows}x${block.cols}", expected 1xCOLS with nm (COLS output channels keep the same inputs), e.g. block=1x8`,
    );
  }
  return { kind: "prune", amount: 1 - nm.keep / nm.of, scope: "layer", ...shape, nm };
}

function parseChannels(fields: Fields): ChannelStep {
  const text = fields.option("channels")!;
  const amount = text.trim() === "" ? Number.NaN : Number(text);
  if (!(amount > 0 && amount < 1))
    throw fields.error(`channels: got "${text}", expected a fraction 0 < X < 1 (0.5 removes half of the channels), e.g. channels=0.5`);
  fields.noValue(`channels=${text} says how much is removed`);
  refuse(fields, ["block", "pool", "nm", "ties", "where"], "it zeroes weights, channels are removed. Make it a step of its own");
  const importance = fields.wordOption("importance", CHANNEL_IMPORTANCES, DEFAULT_CHANNEL_IMPORTANCE);
  return {
    kind: "channels",
    amount,
    multiple: fields.integerOption("multiple", 1, 1024) ?? 1,
    scope: fields.wordOption("scope", SCOPES, "layer"),
    importance,
    seed: parseSeed(fields, importance),
    ...fields.filter(),
  };
}

function parseSeed(fields: Fields, importance: string): number {
  if (importance !== "random") refuse(fields, ["seed"], "only importance=random draws numbers. Leave it out");
  return (importance === "random" ? fields.seed() : undefined) ?? DEFAULT_SEED;
}

function refuse(fields: Fields, keys: readonly string[], why: string): void {
  for (const key of keys) if (fields.option(key) !== undefined) throw fields.error(`${key}: ${why}`);
}

function parseNm(fields: Fields): PruneStep["nm"] {
  const text = fields.option("nm");
  if (text === undefined) return undefined;
  const match = /^(\d{1,2}):(\d{1,2})$/.exec(text);
  const [keep, of] = [Number(match?.[1]), Number(match?.[2])];
  if (keep >= 1 && keep < of && of <= 32) return { keep, of };
  throw fields.error(`nm: got "${text}", expected N:M with 1 ≤ N < M ≤ 32 (of every M consecutive inputs N stay), e.g. nm=2:4`);
}

function parseBlock(fields: Fields): PruneStep["block"] {
  const text = fields.option("block");
  if (text === undefined) return undefined;
  const match = /^(\d{1,3})x(\d{1,3})$/.exec(text);
  const [rows, cols] = [Number(match?.[1]), Number(match?.[2])];
  if (!(rows >= 1 && rows <= 64 && cols >= 1 && cols <= 64)) {
    throw fields.error(`block: got "${text}", expected ROWSxCOLS with 1..64 each (input positions × output channels), e.g. block=1x8`);
  }
  if (rows * cols === 1) throw fields.error(`block: a block of one weight is plain pruning. Leave block out`);
  return { rows, cols };
}
