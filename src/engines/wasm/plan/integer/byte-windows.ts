/** Windows over the input's own bytes, for tiles that widen a block of pixels themselves: padding is a copy filled with the zero point. */
import type { KernelCall, PlanContext } from "../../program.ts";
import { padRecord } from "../../records.ts";
import type { Copy } from "../copy.ts";
import { copyCall } from "../copy.ts";
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
  const copy: Copy = {
    kernel: "any_pad_rows__wasm_simd",
    record: padRecord([batch, h, width, c], pads, 1),
    outBytes: 1,
    overrun: 0,
    finish: [inputZeroPoint],
  };
  return {
    ...tables,
    copyBytes: Math.ceil((padded.reduce((size, d) => size * d, 1) + OVERRUN_BYTES) / 64) * 64,
    input: (scratch) => ({ from: scratch, calls: [copyCall(context, copy, input, scratch)] }),
  };
}
