/** Windows over the input's own bytes, for tiles that widen a block of pixels themselves: padding is a copy filled with the zero point. */
import type { KernelCall, PlanContext } from "../../program.ts";
import { padRecord } from "../../records.ts";
import { splitPadded } from "../split.ts";
import { OVERRUN_BYTES } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

export interface ByteWindows {
  /** Addresses of the tables: window starts, segment starts. */
  readonly rows: number;
  readonly segments: number;
  /** Scratch in front of everything else: the padded copy, or nothing. */
  readonly copyBytes: number;
  /** Where windows are read, and the calls that fill it. */
  readonly input: (scratch: number) => { readonly from: number; readonly calls: readonly KernelCall[] };
}

/** @param blockRows the table of window starts is filled up to a multiple, by repeating the last */
export function byteWindows(context: PlanContext, problem: IntegerProblem, blockRows: number): ByteWindows {
  const { windows, shape, pads, input, inputZeroPoint } = problem;
  const { m, padded } = windows;
  // The windows were planned for int16, twice the distance.
  const rows = Int32Array.from({ length: Math.ceil(m / blockRows) * blockRows }, (_, i) => windows.rows[Math.min(i, m - 1)]! / 2);
  const tables = { rows: context.table(rows), segments: context.table(windows.segments.map((offset) => offset / 2)) };
  if (padded === undefined) return { ...tables, copyBytes: 0, input: () => ({ from: input, calls: [] }) };
  const [batch = 1, h = 1, width = 1, c = 1] = shape;
  const record = padRecord([batch, h, width, c], pads, 1);
  return {
    ...tables,
    copyBytes: Math.ceil((padded.reduce((size, d) => size * d, 1) + OVERRUN_BYTES) / 64) * 64,
    input: (scratch) => {
      const args = (x: number, to: number, part: number): readonly number[] => [input + x, scratch + to, part, inputZeroPoint];
      const split = splitPadded(context, record, 1, 0, args);
      return {
        from: scratch,
        calls: [{ kernel: "any_pad_rows__wasm_simd", args: args(0, 0, context.table(record)), ...(split && { split }) }],
      };
    },
  };
}
