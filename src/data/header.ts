/**
 * The dataset format: a JSON header beside a raw file of samples, concatenated in order, little-endian. Everything the header claims
 * is checked against the bytes before the first sample is read. Reading files is the host's matter (files.ts in Node).
 *
 * Beyond the required fields a header may say `input.stored`, for samples kept as bytes (value = byte × scale + offset, in float32),
 * and `calibration`, the header of another dataset of the same kind for calibrating and training (never the test set).
 */
import { z } from "zod";
import { FormatError, formatShape } from "../errors.ts";
import { bytesPerElement, DTYPES, elementCount, viewArray, type TypedArray } from "../graph/dtype.ts";
import type { Dataset } from "./dataset.ts";

const DATA_LIMIT_BYTES = 2 ** 31;
export const HEADER_EXAMPLE =
  'A header looks like {"name":"mine","task":"classification","input":{"dtype":"int8","shape":[49,10,1]},"data":"mine.bin","labels":[0,1],"classes":12}';

/** int64 has no exact array of its own in JavaScript's number type, and no model takes images of it. */
const STORABLE = DTYPES.filter((dtype) => dtype !== "int64");

const whole = z.number().int();
const headerSchema = z.strictObject({
  name: z.string().min(1).max(200),
  about: z.string().optional(),
  task: z.literal("classification"),
  input: z.strictObject({
    dtype: z.enum(STORABLE),
    /** One sample, without batch. */
    shape: z.array(whole.positive()).max(8),
    stored: z.strictObject({ dtype: z.literal("uint8"), scale: z.number(), offset: z.number() }).optional(),
  }),
  data: z.string().min(1),
  labels: z.array(whole.nonnegative()).min(1),
  classes: whole.min(2).max(1_000_000),
  calibration: z.string().min(1).optional(),
});

export type DatasetHeader = z.infer<typeof headerSchema>;

/** Checks a header's text, not the data that it names. @param path for messages @throws FormatError */
export function parseHeader(text: string, path: string): DatasetHeader {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new FormatError(
      `${path}: dataset header is not JSON, ${error instanceof Error ? error.message : "unreadable"}`,
      HEADER_EXAMPLE,
      error,
    );
  }
  const parsed = headerSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue === undefined || issue.path.length === 0 ? "header" : issue.path.map(String).join(".");
    throw new FormatError(`${path}: ${where}: ${lowerFirst(issue?.message ?? "invalid")}`, HEADER_EXAMPLE);
  }
  const header = parsed.data;
  const bad = header.labels.findIndex((label) => label >= header.classes);
  if (bad >= 0) {
    throw new FormatError(
      `${path}: label of sample ${bad} is ${header.labels[bad]!}, expected 0 to ${header.classes - 1} (classes is ${header.classes})`,
      "Correct the label or the number of classes",
    );
  }
  if (header.input.stored !== undefined && header.input.dtype !== "float32") {
    throw new FormatError(
      `${path}: input.stored goes with dtype float32, got ${header.input.dtype}`,
      "Remove input.stored, or make the dtype float32",
    );
  }
  return header;
}

/** Bytes of one sample as the data file keeps it. */
function sampleBytesOf({ input: { dtype, shape, stored } }: DatasetHeader): number {
  return elementCount(shape) * bytesPerElement(stored?.dtype ?? dtype);
}

/** @param found size of the data file @throws FormatError when it is not what the header says */
export function checkDataSize(header: DatasetHeader, headerPath: string, dataPath: string, found: number): void {
  const { labels, input } = header;
  const each = sampleBytesOf(header);
  const expected = labels.length * each;
  const what = `${formatShape(input.shape)} ${input.stored?.dtype ?? input.dtype}`;
  if (!Number.isSafeInteger(expected) || expected > DATA_LIMIT_BYTES) {
    throw new FormatError(
      `${headerPath}: ${labels.length} samples of ${what} are ${expected} bytes, expected at most ${DATA_LIMIT_BYTES}`,
      "Take a subset of the samples",
    );
  }
  if (found === expected) return;
  throw new FormatError(
    `${dataPath}: ${found} bytes, expected ${expected} (${labels.length} labels × ${each} bytes for ${what})`,
    `Make ${headerPath.split(/[\\/]/).at(-1) ?? headerPath} and its data file agree: one label a sample, the shape of one sample without batch`,
  );
}

/** @param load gives the whole data file, its size checked; called once, when the first sample is asked for */
export function datasetOf(header: DatasetHeader, load: () => Uint8Array): Dataset {
  const { dtype, shape, stored } = header.input;
  const count = header.labels.length;
  const elements = elementCount(shape);
  const sampleBytes = sampleBytesOf(header);
  let bytes: Uint8Array | undefined;
  return {
    name: header.name,
    task: header.task,
    input: { dtype, shape },
    classes: header.classes,
    count,
    labels: header.labels,
    sample: (index): TypedArray => {
      if (!Number.isInteger(index) || index < 0 || index >= count) {
        throw new RangeError(`dataset ${header.name}: sample ${index} is outside 0..${count - 1}`);
      }
      bytes ??= load();
      // A copy, so that the view is aligned whatever its position in the file.
      const own = bytes.slice(index * sampleBytes, (index + 1) * sampleBytes);
      if (stored === undefined) return viewArray(dtype, own.buffer, 0, elements);
      const values = new Float32Array(own.length);
      for (let i = 0; i < own.length; i++) values[i] = (own[i] ?? 0) * stored.scale + stored.offset;
      return values;
    },
  };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
