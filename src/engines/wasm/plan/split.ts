/**
 * How calls are shared among threads: along rows of the output (or panels of columns, where weights outweigh inputs), in whole tiles, so that every
 * output is computed by the same instructions in the same order as by one thread, and results are identical to the bit.
 */
import type { PlanContext, Split } from "../program.ts";
import { COMPUTED_CHANNELS } from "../records.ts";

/**
 * Expected work of one thread in a microsecond, by which calls too small to share are told from others: multiply-adds, bytes moved, or elements.
 * Measured with tools/bench-wasm.ts on a 2024 server core, Node 20; what counts is the order of magnitude.
 */
export const RATE = {
  f32: 22_000,
  i8: 44_000,
  depthwise: 14_000,
  bytes: 8_000,
  fill: 16_000,
  transpose: 6_000,
  strided: 4_000,
  map: 2_000,
  resize: 800,
  math: 600,
} as const;

/** The same of kernels without vector instructions. */
export const SCALAR_RATE = { f32: 5_000, i8: 9_000, depthwise: 2_000 } as const;

export const CACHE_LINE = 64;
/** Elements that a vector kernel takes at a time, and more, so that pieces don't meet within a cache line. */
const RUN = 64;

export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface OutputTiles {
  readonly m: number;
  readonly n: number;
  /** Rows and columns of a tile. */
  readonly tile: readonly [number, number];
  readonly outputBytes: number;
  /** Bytes of the operands. */
  readonly input: number;
  readonly weights: number;
  readonly cost: number;
}

/** Panels of columns, and tiles of rows, that are enough to share. */
const MIN_COLUMN_UNITS = 4;
const MIN_ROW_UNITS = 32;
/** Weights that stay in the level-2 cache of each thread beside its inputs. */
const NEAR_BYTES = 256 * 1024;

/**
 * Of an m × n product: by rows every thread reads all weights, by columns all inputs, so the larger operand is the one to divide; but by
 * rows where weights are small, since depthwise and elementwise layers divide images by rows too, and what a thread has written itself is in
 * its caches. Columns only where a piece's share of an output row fills a cache line.
 * @param args of the call for some rows and columns; ranges start at whole tiles
 */
export function splitProduct(tiles: OutputTiles, args: (rows: Range, columns: Range, piece: number) => readonly number[]): Split {
  const { m, n, tile, cost } = tiles;
  const wide = m === 1 ? tile[1] : Math.max(tile[1], CACHE_LINE / tiles.outputBytes);
  const columnUnits = Math.ceil(n / wide);
  const rowUnits = Math.ceil(m / tile[0]);
  const isNear = tiles.weights <= NEAR_BYTES && rowUnits >= MIN_ROW_UNITS;
  const byColumns = rowUnits === 1 || (tiles.weights > tiles.input && columnUnits >= MIN_COLUMN_UNITS && !isNear);
  const [units, unit, end] = byColumns ? [columnUnits, wide, n] : [rowUnits, tile[0], m];
  const range = (from: number, to: number): Range => ({ from: from * unit, to: Math.min(to * unit, end) });
  return {
    units,
    cost,
    part: (from, to, piece) =>
      byColumns ? args({ from: 0, to: m }, range(from, to), piece) : args(range(from, to), { from: 0, to: n }, piece),
  };
}

/** Of `count` independent rows. */
export function splitRows(count: number, cost: number, args: (rows: Range, piece: number) => readonly number[]): Split {
  return { units: count, cost, part: (from, to, piece) => args({ from, to }, piece) };
}

/** Of `count` elements that lie in one run. */
export function splitRun(count: number, cost: number, args: (elements: Range) => readonly number[]): Split {
  return {
    units: Math.ceil(count / RUN),
    cost,
    part: (from, to) => args({ from: from * RUN, to: Math.min(to * RUN, count) }),
  };
}

/** Words of `windowRecord` and `padRecord` (src/engines/wasm/records.ts). */
const WINDOW = { batch: 0, height: 1, outHeight: 4, strideY: 8, padTop: 12 } as const;

/** One image of a window kernel. */
export interface WindowImage {
  /** Bytes. */
  readonly input: number;
  readonly output: number;
  /** Whether the kernel reads a padded copy: its windows start at the given address and never above it. */
  readonly isPadded: boolean;
  /** For kernels that can compute some channels of a record of `partialRecord`; a unit fills a cache line. */
  readonly channels?: {
    readonly count: number;
    readonly unit: number;
    /** Of an element. */
    readonly bytes: number;
    /** Weights of a unit. */
    readonly weightBytes: number;
  };
}

/** Rows of outputs, and units of channels, that are enough to share. */
const ENOUGH_ROWS = 14;
const ENOUGH_CHANNELS = 8;

/**
 * Of a window kernel: by images, or by rows of the one image, as its neighbours divide large images (then the rows are in the thread's
 * caches); by channels where there are few rows.
 * @param record of the whole call
 * @param args for offsets of input and output, the address of the record, and the offset of weights
 */
export function splitWindows(
  context: PlanContext,
  record: Int32Array,
  image: WindowImage,
  cost: number,
  args: (inputOffset: number, outputOffset: number, geometry: number, weightOffset: number) => readonly number[],
): Split {
  const batch = record[WINDOW.batch]!;
  if (batch > 1) {
    return splitRows(batch, cost, ({ from, to }) => {
      const part = record.slice();
      part[WINDOW.batch] = to - from;
      return args(from * image.input, from * image.output, context.table(part), 0);
    });
  }
  const { channels } = image;
  const rows = record[WINDOW.outHeight]!;
  if (channels !== undefined && rows < ENOUGH_ROWS && channels.count >= ENOUGH_CHANNELS * channels.unit) {
    const { count, unit, bytes, weightBytes } = channels;
    // The last piece takes what is left over, since the tiles' last vector must not reach into another's.
    const units = Math.floor(count / unit);
    return splitRows(units, cost, ({ from, to }) => {
      const part = record.slice();
      part[COMPUTED_CHANNELS] = (to === units ? count : to * unit) - from * unit;
      const offset = from * unit * bytes;
      return args(offset, offset, context.table(part), from * weightBytes);
    });
  }
  const height = record[WINDOW.height]!;
  return splitRows(rows, cost, ({ from, to }) => {
    const skipped = from * record[WINDOW.strideY]!;
    const part = record.slice();
    part[WINDOW.outHeight] = to - from;
    part[WINDOW.padTop] = record[WINDOW.padTop]! - skipped;
    if (image.isPadded) part[WINDOW.height] = height - skipped;
    const inputOffset = image.isPadded ? skipped * (image.input / height) : 0;
    return args(inputOffset, from * (image.output / rows), context.table(part), 0);
  });
}

const PAD = { batch: 0, height: 1, row: 2, top: 3, bottom: 4, left: 5, right: 6 } as const;

/**
 * Of a padded copy, by input rows of the one image; undefined for a batch.
 * @param outBytes bytes written per byte read
 * @param overrun elements that the kernel may write behind a row, which the right border must cover so that pieces don't meet
 * @param args for the addresses of input and output, and the address of the record
 */
export function splitPadded(
  context: PlanContext,
  record: Int32Array,
  outBytes: number,
  overrun: number,
  args: (inputOffset: number, outputOffset: number, geometry: number) => readonly number[],
): Split | undefined {
  const [batch = 1, height = 1, row = 0, top = 0, bottom = 0, left = 0, right = 0] = record;
  const cost = (batch * (height + top + bottom) * (left + row + right) * outBytes) / RATE.bytes;
  if (height === 1 && batch === 1 && top + bottom + left + right === 0) {
    return splitRun(row, cost, ({ from, to }) => {
      const part = record.slice();
      part[PAD.row] = to - from;
      return args(from, from * outBytes, context.table(part));
    });
  }
  if (batch > 1 || (row % (overrun + 1) !== 0 && right < overrun)) return undefined;
  const stride = (left + row + right) * outBytes;
  return splitRows(height, cost, ({ from, to }) => {
    const part = record.slice();
    part[PAD.height] = to - from;
    if (from > 0) part[PAD.top] = 0;
    if (to < height) part[PAD.bottom] = 0;
    return args(from * row, (from === 0 ? 0 : top + from) * stride, context.table(part));
  });
}
