/**
 * What the plans of layers with constant weights have in common, whatever their types: inputs read where they lie or from a copy in scratch
 * memory, tables of windows, packed weights, and calls that threads can share. Kernels are of two kinds: tiles over panels of weights, a call
 * for each group; and lists of the weights that are not zero, which only ungrouped layers have.
 */
import type { TypedArray } from "../../../graph/dtype.ts";
import { PANEL } from "../pack.ts";
import type { KernelCall, NodePlan, PlanContext } from "../program.ts";
import type { Image, InputCopy } from "./copy.ts";
import { splitProduct, splitRows } from "./split.ts";
import type { Range } from "./split.ts";
import type { Windows } from "./windows.ts";

/** A layer of either type, as its candidates see it. A matrix is an image of one row without pads. */
export interface LayerProblem extends Image {
  readonly windows: Windows;
  readonly groups: number;
  /** Outputs of one group. */
  readonly n: number;
  /** Inputs of one output: the length of a window. */
  readonly k: number;
  /** Address. */
  readonly output: number;
}

/** How a tile finds its inputs: one row, rows at a stride, or a table of windows. */
export type Access = "vector" | "rows" | "windows";

/** Scratch memory of a plan: the copy, where there is one, then a part for each piece of a split call. */
interface ScratchUse {
  readonly kernel: string;
  /** Read in place of the input. */
  readonly copy?: InputCopy | undefined;
  /** Of a piece. */
  readonly ownBytes?: number;
}

/**
 * Calls of a kernel.
 * @param input address
 * @param own address of the scratch memory of a piece
 */
type Calls = (input: number, own: (piece: number) => number) => readonly KernelCall[];

const ALIGNMENT = 64;

export function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** @param input address of what the calls read where there is no copy */
export function planCalls(context: PlanContext, input: number, { kernel, copy, ownBytes = 0 }: ScratchUse, calls: Calls): NodePlan {
  const copyBytes = copy?.bytes ?? 0;
  const front = ownBytes === 0 ? copyBytes : align(copyBytes);
  return {
    kernel,
    scratchBytes: front + ownBytes * context.maxPieces,
    calls: (scratch) => {
      const own = (piece: number): number => scratch + front + piece * ownBytes;
      return copy === undefined ? calls(input, own) : [copy.call(scratch), ...calls(scratch, own)];
    },
  };
}

/** Weights of each group in panels of outputs. */
export interface Panels {
  /** Address of each group's. */
  readonly groups: readonly number[];
  /** Outputs of a panel, and its bytes. */
  readonly columns: number;
  readonly bytes: number;
}

/** Of values for every output, those of one group. */
type Share = <T extends Int32Array | Float32Array | Float64Array>(perOutput: T) => T;

/** @param pack panels of a group, in which all have the same size; given its first output */
export function placePanels(
  context: PlanContext,
  { groups, n }: LayerProblem,
  pack: (first: number, share: Share) => TypedArray,
  columns = PANEL,
): Panels {
  let bytes = 0;
  const addresses = Array.from({ length: groups }, (_, g) => {
    const packed = pack(g * n, (perOutput) => perOutput.subarray(g * n, (g + 1) * n) as typeof perOutput);
    bytes = packed.byteLength / Math.ceil(n / columns);
    return context.weights(packed);
  });
  return { groups: addresses, columns, bytes };
}

/** Address of a table of byte offsets: the start of each window, the last repeated up to a multiple of `multiple`. */
function startTable(context: PlanContext, { m, rows }: Windows, elementBytes: number, multiple = 4): number {
  const length = Math.ceil(m / multiple) * multiple;
  return context.table(Int32Array.from({ length }, (_, i) => rows[Math.min(i, m - 1)]! * elementBytes));
}

/** The same of the segments of a window. */
function segmentTable(context: PlanContext, { segments }: Windows, elementBytes: number): number {
  return context.table(segments.map((offset) => offset * elementBytes));
}

/**
 * A kernel with arguments [...inputs, steps, weights, ...decode, output, ...size, ...finish]: of a vector [input] and [columns], else rows
 * [input, stride] or windows [input, table, segments, count], and [stride, rows, columns, block].
 */
export interface Tiles extends ScratchUse {
  readonly access: Access;
  /** Rows and columns of a whole tile. */
  readonly tile: readonly [rows: number, columns: number];
  /** Of an element, where the kernel reads it. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Inputs that a step multiplies together. */
  readonly lane?: number;
  readonly panels: Panels;
  /** Rows to run through all panels before the next. */
  readonly block: number;
  /** What the kernel decodes panels with. @param own address of the piece's scratch memory */
  readonly decode?: (own: number) => readonly number[];
  readonly finish: (own: number) => readonly number[];
  /** Bytes of an input and of a weight, of which the larger operand is the one to divide. */
  readonly operandBytes: readonly [input: number, weight: number];
  /** Multiply-adds of one thread in a microsecond. */
  readonly rate: number;
}

/** A call for each group, divided into tiles of rows or panels of columns. */
export function tileCalls(context: PlanContext, { windows, groups, n, k, output }: LayerProblem, tiles: Tiles): Calls {
  const { kernel, access, tile, inputBytes, outputBytes, lane = 1, panels, block, decode, finish, operandBytes, rate } = tiles;
  const { m, run, segments, stride = 0 } = windows;
  const [starts, shifts] =
    access === "windows" ? [startTable(context, windows, inputBytes), segmentTable(context, windows, inputBytes)] : [0, 0];
  const lda = stride * inputBytes;
  const ldc = groups * n * outputBytes;
  const steps = Math.ceil(run / lane);
  const inputs: Readonly<Record<Access, (from: number, row: number) => readonly number[]>> = {
    vector: (from) => [from],
    rows: (from, row) => [from + row * lda, lda],
    windows: (from, row) => [from, starts + row * 4, shifts, segments.length],
  };
  const work = { m, n, tile, outputBytes, input: m * k * operandBytes[0], weights: n * k * operandBytes[1], cost: (m * n * k) / rate };
  return (input, own) =>
    panels.groups.map((weights, g): KernelCall => {
      const args = (rows: Range, columns: Range, piece: number): readonly number[] => {
        const width = columns.to - columns.from;
        return [
          ...inputs[access](input + g * run * inputBytes, rows.from),
          ...[steps, weights + (columns.from / panels.columns) * panels.bytes, ...(decode?.(own(piece)) ?? [])],
          output + rows.from * ldc + (g * n + columns.from) * outputBytes,
          ...(access === "vector" ? [width] : [ldc, rows.to - rows.from, width, block]),
          ...finish(own(piece)),
        ];
      };
      return { kernel, args: args({ from: 0, to: m }, { from: 0, to: n }, 0), split: splitProduct(work, args) };
    });
}

export function planTiles(context: PlanContext, problem: LayerProblem, tiles: Tiles): NodePlan {
  return planCalls(context, problem.input, tiles, tileCalls(context, problem, tiles));
}

/**
 * A kernel with arguments [input, table, ...gather, lists, output, stride, rows, columns, ...finish], where lists hold offsets from the starts
 * of windows, or, with `gather` = [segments, count, run, ...], numbers of rows in a block that the kernel gathers first.
 */
export interface Lists extends ScratchUse {
  /** Rows of a tile, or of a block. */
  readonly rows: number;
  /** Of windows in the table: a multiple, where the kernel reads more. */
  readonly tableRows?: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Address. */
  readonly lists: number;
  /** Where the kernel gathers blocks. @param own address of the piece's scratch memory */
  readonly gather?: (own: number) => readonly number[];
  readonly finish: readonly number[];
  /** Microseconds of one thread. */
  readonly cost: number;
}

/** One call, divided into tiles or blocks of rows. */
export function planLists(context: PlanContext, { windows, n, input, output }: LayerProblem, plan: Lists): NodePlan {
  const { kernel, rows, tableRows, inputBytes, outputBytes, lists, gather, finish, cost } = plan;
  const { m, run, segments } = windows;
  const starts = startTable(context, windows, inputBytes, tableRows);
  const shifts = gather === undefined ? 0 : segmentTable(context, windows, inputBytes);
  const ldc = n * outputBytes;
  const units = Math.ceil(m / rows);
  return planCalls(context, input, plan, (from, own) => {
    const args = (range: Range, piece: number): readonly number[] => {
      const first = range.from * rows;
      return [
        ...[from, starts + first * 4],
        ...(gather === undefined ? [] : [shifts, segments.length, run, ...gather(own(piece))]),
        ...[lists, output + first * ldc, ldc, Math.min(range.to * rows, m) - first, n, ...finish],
      ];
    };
    return [{ kernel, args: args({ from: 0, to: units }, 0), split: splitRows(units, cost, args) }];
  });
}
