/**
 * The shape of what `bench search` saves, `slimbench/search@1`: every recipe that was tried, what it cost and what it lost, and which of them
 * nothing else beats. It grows and never renames. A number that was not measured is absent, never 0.
 */
import { z } from "zod";
import type { DocumentKind } from "./document.ts";
import { environmentSchema, sizeSchema, toolSchema } from "./schema.ts";
import type { Known } from "./schema.ts";
import { qualitySchema } from "./sensitivity.ts";

export const SEARCH_SCHEMA = "slimbench/search@1";

const count = z.number().int().nonnegative();
const ms = z.number().nonnegative();
const interval = z.tuple([z.number(), z.number()]);

/** Measured in turn with the original, in fresh processes. */
export const trialLatencySchema = z.looseObject({
  target: z.string(),
  ms,
  ci95: interval.optional(),
  originalMs: ms,
  /** ms / originalMs. */
  ratio: z.number(),
  ratioCi95: interval.optional(),
  processes: count,
});

export const trialSchema = z.looseObject({
  recipe: z.string(),
  /** A choice of each knob, by number. */
  point: z.array(count),
  /** Who proposed it: `original`, `plain`, `rollback`, or the strategy. */
  origin: z.string(),
  /** Of a rollback: the recipe that lost too much. */
  of: z.string().optional(),
  /** `look`: timed in one process; `full`: in all. */
  effort: z.enum(["look", "full"]),
  /** `invalid`: the model cannot be compressed that way. `failed`: it could not be measured. */
  status: z.enum(["ok", "invalid", "failed"]),
  why: z.string().optional(),
  quality: qualitySchema.optional(),
  /** How far below the goals; 0: it meets them. */
  shortfall: z.number().nonnegative().optional(),
  size: sizeSchema.optional(),
  latency: trialLatencySchema.optional(),
  /** What is minimized: milliseconds times the ratio to the original, or bytes. Absent: not measured, since it misses the goals. */
  cost: z.number().optional(),
});

export const searchSchema = z.looseObject({
  schema: z.literal(SEARCH_SCHEMA),
  createdAt: z.string(),
  tool: toolSchema,
  environment: environmentSchema,
  model: z.looseObject({ name: z.string(), file: z.string(), sha256: z.string(), dataset: z.string().optional() }),
  /** What must be equal for two runs to share a file. */
  config: z.record(z.string(), z.union([z.string(), z.number()])),
  goals: z.array(z.string()),
  minimize: z.string(),
  /** What each knob offers. */
  knobs: z.array(z.looseObject({ stage: z.string(), layer: z.string().optional(), choices: z.array(z.string()) })),
  /** Of all runs together. */
  elapsedMs: ms,
  /** In order; a recipe that was looked at first stands there twice. */
  trials: z.array(trialSchema),
  /** Recipes that were rolled back, or that no rollback helps. */
  rolledBack: z.array(z.string()),
  /** Recipes that no other beats in accuracy, cost and bytes of weights at once. */
  front: z.array(z.string()),
  /** Absent: the search is not over. */
  best: z
    .looseObject({
      recipe: z.string(),
      meets: z.boolean(),
      /** On all samples of the test set. */
      quality: qualitySchema.optional(),
      latency: trialLatencySchema.optional(),
    })
    .optional(),
});

export type TrialLatency = Known<z.infer<typeof trialLatencySchema>>;
export type Trial = Known<z.infer<typeof trialSchema>>;
export type Search = Known<z.infer<typeof searchSchema>>;

export const SEARCH_DOCUMENT: DocumentKind<typeof searchSchema> = {
  schemaName: SEARCH_SCHEMA,
  what: "result of bench search",
  remake: "Search again with another --out",
  schema: searchSchema,
};
