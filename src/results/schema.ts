/**
 * The shape of result.json, `slimbench/result@1`: what the harness writes and what reports, gates and other people's scripts read.
 * It grows and never renames: new fields are optional, and fields that this version does not know survive a read and a write.
 * A number that was not measured is absent, never 0. Times are milliseconds, sizes bytes, accuracy a fraction 0..1.
 */
import { z } from "zod";

export const RESULT_SCHEMA = "slimbench/result@1";

const number = z.number();
const count = z.number().int().nonnegative();
const bytes = z.number().nonnegative();
const ms = z.number().nonnegative();
const interval = z.tuple([z.number(), z.number()]);
const fact = z.union([z.string(), z.number(), z.boolean()]);

export const reasonSchema = z.looseObject({
  /** Stable, kebab-case. */
  code: z.string(),
  message: z.string(),
  /** The command or change that mends it; may be empty. */
  remedy: z.string(),
});

export const sizeSchema = z.looseObject({
  /** Elements of all weights and biases. */
  params: count.optional(),
  nonzeroParams: count.optional(),
  /** The compressed model as a file: exported ONNX, as is and packed. */
  fileBytes: bytes.optional(),
  gzipBytes: bytes.optional(),
  brotliBytes: bytes.optional(),
  /** The same model as our own archive, with gap and Huffman coding. */
  slimBytes: bytes.optional(),
  /** Bytes of the constants alone, in their own dtypes. */
  weightBytes: bytes.optional(),
  /** 8 × weightBytes / params. */
  bitsPerWeight: number.optional(),
});

export const computeSchema = z.looseObject({
  /** Multiply-accumulates of one inference. */
  macs: count.optional(),
  /** Those whose weight is not zero. */
  effectiveMacs: count.optional(),
  /** Of decision trees: how many, the nodes and leaves of all, and comparisons on the longest way down. */
  trees: count.optional(),
  treeNodes: count.optional(),
  treeLeaves: count.optional(),
  treeDepth: count.optional(),
});

export const accuracySchema = z.looseObject({
  /** `top1`. */
  metric: z.string(),
  value: number,
  /** Samples that were run. */
  n: count,
  /** Samples of the whole test set; more than `n` where a sample of it had to do. */
  of: count.optional(),
  /** How the `n` were chosen when n < of, e.g. `first 500`. */
  samples: z.string().optional(),
  /** The original model's value on the same samples. */
  reference: number.optional(),
  /** value - reference. */
  delta: number.optional(),
  /** Paired 95 % interval of delta. */
  deltaCi95: interval.optional(),
  /** Exact McNemar p of "no change". */
  deltaP: number.optional(),
  /** Share of samples with the same top-1 as the original. */
  agreement: number.optional(),
  /** Signal to quantization noise of the outputs against the original's, decibels. */
  sqnrDb: number.optional(),
});

export const latencySchema = z.looseObject({
  /** Every timed run, in order, process after process. */
  samples: z.array(ms),
  n: count,
  /** Of the processes' medians where there are several, of the samples where there is one. */
  median: ms,
  /**
   * Of the median. Over several processes, with what differs between them in it; of one process, the order-statistic interval of its
   * samples, absent below 6 of them, where none exists.
   */
  ci95: interval.optional(),
  /** Median of each fresh process or page, in order; absent where there was one. */
  processes: z.array(ms).optional(),
  /** Samples of each, in the same order: how `samples` divides among them. */
  processSamples: z.array(count).optional(),
  mean: ms,
  sd: number.optional(),
  mad: number.optional(),
  min: ms,
  max: ms,
  /** Only where the samples, those of all processes together, support it. */
  p90: ms.optional(),
  p99: ms.optional(),
  /** Why sampling ended: `settled`, `max-samples`, `time-limit`, …; of several processes, the least precise. */
  stopReason: z.string(),
  /** Inferences timed together as one sample; above 1 a sample is a mean, and there are no percentiles. */
  blockCalls: count.optional(),
  /** Smallest step that the clock was seen to make. */
  clockStepMs: ms.optional(),
  /** Of all processes together. `restarts`: how often samples turned out to be warm-up and were taken anew. */
  warmup: z.looseObject({ runs: count, ms, restarts: count, steady: z.boolean() }).optional(),
});

export const coldSchema = z.looseObject({
  /** Loading the engine's code and the prepared graph. */
  load: ms.optional(),
  compile: ms.optional(),
  /** The first inference. */
  first: ms.optional(),
});

/** By the GPU's own clock, in a pass apart from the timed runs; medians. `latencyMs` is the third number: submit to mapped outputs. */
export const gpuMsSchema = z.looseObject({
  /** Begin of the first kernel to the end of the last, in one inference. */
  span: ms,
  /** Sum over kernels, each timed alone. */
  kernels: ms.optional(),
  n: count.optional(),
  /** Tick of that clock as measured, nanoseconds; what is timed spans a hundred of them. */
  gridNs: number.optional(),
  /** Readings that were dropped, since the clock ran backwards. */
  dropped: count.optional(),
});

export const memorySchema = z.looseObject({
  weights: bytes.optional(),
  activationsPeak: bytes.optional(),
  gpuPeak: bytes.optional(),
  wasm: bytes.optional(),
  jsHeap: bytes.optional(),
  rssPeak: bytes.optional(),
});

export const energySchema = z.looseObject({
  joulesPerInference: number,
  source: z.enum(["rapl", "estimated"]),
});

export const paritySchema = z.looseObject({
  /** The engine compared with: `cpu`. */
  against: z.string(),
  /** Every output bit the same. */
  exact: z.boolean(),
  /** Absent when an output holds NaN or infinity. */
  maxAbsError: number.optional(),
  tolerance: number,
  pass: z.boolean(),
});

export const warningSchema = z.looseObject({
  /** Stable, kebab-case. */
  key: z.string(),
  /** What was seen, with numbers. */
  evidence: z.string(),
  /** What to do next. */
  next: z.string(),
});

export const placementSchema = z.looseObject({
  node: z.string(),
  op: z.string(),
  kernel: z.string(),
  /** The engine that runs it; another one than the target's where the target lacks the op. */
  engine: z.string(),
  /** Why this kernel, where there was a choice. */
  why: z.string().optional(),
});

export const tuningSchema = z.looseObject({
  /** `cached`: measurements of earlier runs on this machine held. `force`: everything was measured anew. */
  mode: z.string(),
  /** Distinct layers measured in this run, before and apart from the record's own numbers. */
  measured: count,
  /** Distinct layers whose measurement was there. */
  cached: count,
  ms,
  /** Kernels whose output was wrong: not used, whatever their speed. */
  excluded: z.array(z.looseObject({ node: z.string(), kernel: z.string(), why: z.string() })).optional(),
});

export const ratesSchema = z.looseObject({
  /** The layer's shape as text, e.g. `kernel:gemm,m=768,n=256,k=256`. */
  shape: z.string(),
  /** The model and the layer that the shape was taken from. */
  layer: z.string().optional(),
  /** What is multiplied. */
  type: z.enum(["float32", "int8"]),
  /** 2 × all multiply-accumulates over the time, 10⁹ a second: what a dense kernel would have to do. */
  denseGops: number,
  /** 2 × those whose weight is not zero: what was needed. */
  nonzeroGops: number,
  /** What a loop that keeps to registers reached, measured in turn with the layer; absent where the engine has none. */
  peakGops: number.optional(),
  /** The operation of that loop. */
  peakOperation: z.string().optional(),
  /** nonzeroGops / peakGops. */
  peakShare: number.optional(),
  /** What the record's time is: the layer alone, without its inputs' copy; all rows of a shape in turn in one process. */
  timing: z.string(),
});

export const breakEvenSchema = z.looseObject({
  model: z.string(),
  target: z.string(),
  /** The recipe with `X` for the share of zeros. */
  pattern: z.string(),
  /** `at`: pays from `zeros` on. `below`: pays already at `zeros`, the lowest share tried. `above`: not even at the highest. */
  relation: z.enum(["at", "below", "above"]),
  zeros: number,
  /** Share of zeros, and the dense kernel's time over the sparse one's. */
  points: z.array(z.looseObject({ zeros: number, speedup: number })),
});

export const deviceSchema = z.looseObject({
  /** GPU adapter as the driver names it. */
  adapter: z.string(),
  /** SwiftShader, llvmpipe: labelled everywhere and never compared with hardware. */
  software: z.boolean(),
});

export const stepSchema = z.looseObject({
  /** Canonical text of the recipe step. */
  step: z.string(),
  /** Layers that it changed. */
  layers: z.array(z.string()),
  /** Layers or ops that it left alone, each with the reason. */
  skipped: z.array(z.looseObject({ layer: z.string(), op: z.string(), why: z.string() })),
  /** What the user should know. */
  notes: z.array(z.string()).optional(),
});

/** What every record may carry, whatever its status: a failed record keeps what was measured before it failed. */
const measured = {
  size: sizeSchema.optional(),
  compute: computeSchema.optional(),
  accuracy: accuracySchema.optional(),
  latencyMs: latencySchema.optional(),
  coldMs: coldSchema.optional(),
  gpuMs: gpuMsSchema.optional(),
  throughputPerSecond: number.optional(),
  memoryBytes: memorySchema.optional(),
  energy: energySchema.optional(),
  parity: paritySchema.optional(),
  kernels: z.array(z.string()).optional(),
  placement: z.array(placementSchema).optional(),
  /** How kernels were chosen where there was a choice; absent where they were chosen by estimate. */
  tuning: tuningSchema.optional(),
  /** Only of records that measure one layer. */
  rates: ratesSchema.optional(),
  device: deviceSchema.optional(),
  steps: z.array(stepSchema).optional(),
  warnings: z.array(warningSchema).optional(),
};

const identity = {
  model: z.string().min(1),
  /** Canonical text, e.g. `prune:0.7,block=1x8+int8`. */
  recipe: z.string().min(1),
  /** As typed: `wasm`, `wasm:threads=2`, `webgpu@chrome`. */
  target: z.string().min(1),
};

const okSchema = z.looseObject({
  ...identity,
  status: z.literal("ok"),
  ...measured,
  latencyMs: latencySchema,
  kernels: z.array(z.string()),
  warnings: z.array(warningSchema),
});
const unavailableSchema = z.looseObject({ ...identity, status: z.literal("unavailable"), reason: reasonSchema, ...measured });
const failedSchema = z.looseObject({ ...identity, status: z.literal("failed"), reason: reasonSchema, ...measured });

export const recordSchema = z.discriminatedUnion("status", [okSchema, unavailableSchema, failedSchema]);

export const toolSchema = z.looseObject({
  version: z.string(),
  /** Git commit; absent outside a checkout. */
  commit: z.string().optional(),
});

/** What a comparison must find equal is listed in `compare.ts`. */
export const environmentSchema = z.looseObject({
  /** `process.version`. */
  node: z.string().optional(),
  v8: z.string().optional(),
  platform: z.string().optional(),
  arch: z.string().optional(),
  osRelease: z.string().optional(),
  cpuModel: z.string().optional(),
  /** Logical processors that this process may use. */
  cpuCount: count.optional(),
  memoryBytes: bytes.optional(),
  /** Switches of the processes that measured. */
  nodeFlags: z.string().optional(),
  /** Engine name → what its probe found: features, adapter, versions. */
  engines: z
    .record(z.string(), z.looseObject({ available: z.boolean(), software: z.boolean().optional(), facts: z.record(z.string(), fact).optional() }))
    .optional(),
});

export const resultSchema = z.looseObject({
  schema: z.literal(RESULT_SCHEMA),
  /** ISO 8601, UTC. */
  createdAt: z.string(),
  tool: toolSchema,
  environment: environmentSchema,
  /** The effective configuration: suite, preset, seed, limits. */
  config: z.record(z.string(), z.unknown()),
  records: z.array(recordSchema),
  /** From which share of zeros on sparse kernels pay; where records of layers sweep over it. */
  breakEven: z.array(breakEvenSchema).optional(),
});

/** The fields we know, read-only: writing a misspelt one is a type error, though unknown ones in a file are kept. */
export type Known<T> = T extends readonly [infer A, infer B]
  ? readonly [A, B]
  : T extends readonly (infer U)[]
    ? readonly Known<U>[]
    : T extends object
      ? keyof KnownFields<T> extends never
        ? { readonly [K in keyof T]: Known<T[K]> }
        : { readonly [K in keyof KnownFields<T>]: Known<KnownFields<T>[K]> }
      : T;
type KnownFields<T> = { [K in keyof T as string extends K ? never : K]: T[K] };

export type Reason = Known<z.infer<typeof reasonSchema>>;
export type Size = Known<z.infer<typeof sizeSchema>>;
export type Compute = Known<z.infer<typeof computeSchema>>;
export type Accuracy = Known<z.infer<typeof accuracySchema>>;
export type Latency = Known<z.infer<typeof latencySchema>>;
export type Cold = Known<z.infer<typeof coldSchema>>;
export type GpuMs = Known<z.infer<typeof gpuMsSchema>>;
export type MemoryBytes = Known<z.infer<typeof memorySchema>>;
export type Energy = Known<z.infer<typeof energySchema>>;
export type Parity = Known<z.infer<typeof paritySchema>>;
export type Warning = Known<z.infer<typeof warningSchema>>;
export type PlacementEntry = Known<z.infer<typeof placementSchema>>;
export type Tuning = Known<z.infer<typeof tuningSchema>>;
export type Rates = Known<z.infer<typeof ratesSchema>>;
export type BreakEven = Known<z.infer<typeof breakEvenSchema>>;
export type Device = Known<z.infer<typeof deviceSchema>>;
export type Tool = Known<z.infer<typeof toolSchema>>;
export type Environment = Known<z.infer<typeof environmentSchema>>;
export type OkRecord = Known<z.infer<typeof okSchema>>;
export type UnavailableRecord = Known<z.infer<typeof unavailableSchema>>;
export type FailedRecord = Known<z.infer<typeof failedSchema>>;
/** One row: model × recipe × target. */
export type ResultRecord = OkRecord | UnavailableRecord | FailedRecord;
export type Result = Omit<Known<z.infer<typeof resultSchema>>, "records"> & { readonly records: readonly ResultRecord[] };

/** `model recipe target`: what makes a record one row. */
export function recordKey(record: { readonly model: string; readonly recipe: string; readonly target: string }): string {
  return `${record.model} ${record.recipe} ${record.target}`;
}
