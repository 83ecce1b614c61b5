/**
 * The dataset format: a JSON header beside a raw file of samples, concatenated in order, little-endian. Everything the header claims
 * is checked against the bytes before the first sample is read; the bytes themselves are read when the first sample is asked for.
 *
 * Beyond the required fields a header may say `input.stored`, for samples kept as bytes (value = byte × scale + offset, in float32),
 * and `calibration`, the header of another dataset of the same kind for calibrating and training (never the test set).
 */
import { readFileSync, statSync, type Stats } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { z } from "zod";
import { FormatError, formatShape } from "../errors.ts";
import { bytesPerElement, DTYPES, elementCount, viewArray, type DType, type TypedArray } from "../graph/dtype.ts";
import type { Dataset } from "./dataset.ts";

const HEADER_LIMIT_BYTES = 64 * 2 ** 20;
const DATA_LIMIT_BYTES = 2 ** 31;
const EXAMPLE =
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

/** Reads and checks a header, not the data it names. @throws FormatError */
export function readHeader(path: string): DatasetHeader {
  const size = statFile(path, "dataset header").size;
  if (size > HEADER_LIMIT_BYTES) {
    throw new FormatError(`${path}: dataset header of ${size} bytes, expected at most ${HEADER_LIMIT_BYTES}`, EXAMPLE);
  }
  if (size === 0) throw new FormatError(`${path}: dataset header is empty, expected JSON`, EXAMPLE);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new FormatError(`${path}: dataset header is not JSON, ${error instanceof Error ? error.message : "unreadable"}`, EXAMPLE, error);
  }
  const parsed = headerSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue === undefined || issue.path.length === 0 ? "header" : issue.path.map(String).join(".");
    throw new FormatError(`${path}: ${where}: ${lowerFirst(issue?.message ?? "invalid")}`, EXAMPLE);
  }
  const header = parsed.data;
  const bad = header.labels.findIndex((label) => label >= header.classes);
  if (bad >= 0) {
    throw new FormatError(
      `${path}: label of sample ${bad} is ${header.labels[bad]!}, expected 0 to ${header.classes - 1} (classes is ${header.classes})`,
      "Correct the label or the number of classes",
    );
  }
  return header;
}

/**
 * @param headerPath a file, not a built-in name (see resolveDataset)
 * @throws FormatError when the header is wrong or disagrees with its data file
 */
export function readDataset(headerPath: string): Dataset {
  const header = readHeader(headerPath);
  const { dtype, shape, stored } = header.input;
  const dataPath = resolve(dirname(headerPath), header.data);
  const count = header.labels.length;
  const elements = elementCount(shape);
  const storedDtype: DType = stored?.dtype ?? dtype;
  const sampleBytes = elements * bytesPerElement(storedDtype);
  const expectedBytes = count * sampleBytes;
  if (stored !== undefined && dtype !== "float32") {
    throw new FormatError(
      `${headerPath}: input.stored goes with dtype float32, got ${dtype}`,
      "Remove input.stored, or make the dtype float32",
    );
  }
  if (!Number.isSafeInteger(expectedBytes) || expectedBytes > DATA_LIMIT_BYTES) {
    throw new FormatError(
      `${headerPath}: ${count} samples of ${formatShape(shape)} ${storedDtype} are ${expectedBytes} bytes, expected at most ${DATA_LIMIT_BYTES}`,
      "Take a subset of the samples",
    );
  }
  checkSize(statFile(dataPath, `data file of ${basename(headerPath)}`).size);

  function checkSize(foundBytes: number): void {
    if (foundBytes === expectedBytes) return;
    throw new FormatError(
      `${dataPath}: ${foundBytes} bytes, expected ${expectedBytes} (${count} labels × ${sampleBytes} bytes for ${formatShape(shape)} ${storedDtype})`,
      `Make ${basename(headerPath)} and its data file agree: one label a sample, the shape of one sample without batch`,
    );
  }

  let bytes: Uint8Array | undefined;
  const load = (): Uint8Array => {
    const found = readFileSync(dataPath);
    // It may have changed since the header was checked.
    checkSize(found.byteLength);
    // Not the Buffer itself: its `slice` is a view, where Uint8Array's copies.
    return new Uint8Array(found.buffer, found.byteOffset, found.byteLength);
  };
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
      return Float32Array.from(own, (byte) => byte * stored.scale + stored.offset);
    },
  };
}

function statFile(path: string, what: string): Stats {
  let stat: Stats;
  try {
    stat = statSync(path);
  } catch (error) {
    throw new FormatError(`${path}: ${what} not found, expected a file`, "Check the path; a data file is relative to its header", error);
  }
  if (!stat.isFile()) throw new FormatError(`${path}: ${what} is not a file`, "Give the path of a file");
  return stat;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
