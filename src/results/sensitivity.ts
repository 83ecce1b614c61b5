/**
 * The shape of what `bench sensitivity` saves, `slimbench/sensitivity@1`: for every layer, what changing it alone does to the outputs and
 * to its time. It grows and never renames. A number that was not measured is absent, never 0.
 */
import { z } from "zod";
import type { DocumentKind } from "./document.ts";
import { environmentSchema, toolSchema } from "./schema.ts";
import type { Known } from "./schema.ts";

export const SENSITIVITY_SCHEMA = "slimbench/sensitivity@1";

const count = z.number().int().nonnegative();
const ms = z.number().nonnegative();
const interval = z.tuple([z.number(), z.number()]);

export const qualitySchema = z.looseObject({
  /** Samples that judged it. */
  n: count,
  /** Top-1 accuracy, 0..1; absent where there is no dataset. */
  value: z.number().optional(),
  /** The original's on the same samples. */
  reference: z.number().optional(),
  /** value - reference. */
  delta: z.number().optional(),
  deltaCi95: interval.optional(),
  /** Exact McNemar p of "no change". */
  deltaP: z.number().optional(),
  /** Share of samples, or of rows of the first output, with the same largest place as the original's. */
  agreement: z.number().optional(),
  /** Of all outputs, decibels; absent where nothing differs, and where outputs cannot be compared. */
  sqnrDb: z.number().optional(),
  /** Nothing differs, to the bit. */
  identical: z.boolean().optional(),
});

/** One target's times of the layers that a change changes, before and after, raced in turn in fresh processes. */
export const layerTimeSchema = z.looseObject({
  target: z.string(),
  status: z.enum(["ok", "failed"]),
  /** Why there is no time. */
  why: z.string().optional(),
  /** Medians over processes of the sum of the layers' kernels. */
  beforeMs: ms.optional(),
  afterMs: ms.optional(),
  /** after / before. */
  ratio: z.number().optional(),
  ratioCi95: interval.optional(),
  /** Each process' medians, in order. */
  processes: z.looseObject({ beforeMs: z.array(ms), afterMs: z.array(ms) }).optional(),
  kernels: z.looseObject({ before: z.array(z.string()), after: z.array(z.string()) }).optional(),
});

export const cellSchema = z.looseObject({
  /** The step as it was asked for, e.g. `prune:0.5`. */
  change: z.string(),
  /** The step for this layer alone, e.g. `prune:0.5,only=conv1`; what `--recipe` takes. */
  recipe: z.string(),
  /** `none`: the change has no form for this layer, or fails; `why` says so. */
  status: z.enum(["ok", "none"]),
  why: z.string().optional(),
  /** Layers that changed: with channels also those that share them. */
  layers: z.array(z.string()).optional(),
  /** Bytes of the whole model's weights. */
  weightBytes: count.optional(),
  quality: qualitySchema.optional(),
  times: z.array(layerTimeSchema).optional(),
});

export const layerSchema = z.looseObject({
  layer: z.string(),
  op: z.string(),
  shape: z.array(count),
  params: count,
  macs: count,
  cells: z.array(cellSchema),
});

export const sensitivitySchema = z.looseObject({
  schema: z.literal(SENSITIVITY_SCHEMA),
  createdAt: z.string(),
  tool: toolSchema,
  environment: environmentSchema,
  model: z.looseObject({
    name: z.string(),
    file: z.string(),
    sha256: z.string(),
    /** Absent: the model is judged on seeded noise. */
    dataset: z.string().optional(),
    weightBytes: count,
  }),
  /** What must be equal for two runs to share a file: samples, seed, preset, processes, tune. */
  config: z.record(z.string(), z.union([z.string(), z.number()])),
  changes: z.array(z.string()),
  targets: z.array(z.string()),
  original: qualitySchema,
  layers: z.array(layerSchema),
});

export type Quality = Known<z.infer<typeof qualitySchema>>;
export type LayerTime = Known<z.infer<typeof layerTimeSchema>>;
export type SensitivityCell = Known<z.infer<typeof cellSchema>>;
export type SensitivityLayer = Known<z.infer<typeof layerSchema>>;
export type Sensitivity = Known<z.infer<typeof sensitivitySchema>>;

export const SENSITIVITY_DOCUMENT: DocumentKind<typeof sensitivitySchema> = {
  schemaName: SENSITIVITY_SCHEMA,
  what: "result of bench sensitivity",
  remake: "Measure again with another --out",
  schema: sensitivitySchema,
};
