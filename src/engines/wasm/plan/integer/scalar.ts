/** The candidate of an integer layer without vector instructions: sums of products in doubles, two outputs each. */
import { SCALAR_PANEL, packDoubles } from "../../pack-scalar.ts";
import type { KernelCall } from "../../program.ts";
import { scalarPost } from "../../records.ts";
import type { Candidate } from "../candidates.ts";
import { copyCall, imageRecord } from "../copy.ts";
import type { Copy } from "../copy.ts";
import { SCALAR_RATE, splitProduct } from "../split.ts";
import type { Range } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { OVERRUN_BYTES, biasOf } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

const KERNEL = "i8_conv_doubles_2x8__wasm_scalar";
/** Sums of one tile: 2 rows × 8 int32. */
const SUM_BYTES = 64;
/** Bytes of an input where the tile reads it, and where windows are planned for it. */
const [DOUBLE, HALF] = [8, 2];

export const SCALAR_I8: Candidate<IntegerProblem> = {
  kernel: KERNEL,
  requires: [],
  sparse: false,
  estimate: () => ({ cost: 1, why: "simd=off" }),
  plan(context, problem) {
    const { windows, groups, n, k, weights, finish, shape, pads, input, output, inputZeroPoint, isSigned } = problem;
    const { m, run } = windows;
    const post = context.table(scalarPost(finish.zeroPoint, finish.lo, finish.hi));
    const bias = biasOf(problem);
    const packed = Array.from({ length: groups }, (_, g) => {
      const rows = [g * n, (g + 1) * n] as const;
      return context.weights(
        packDoubles({ data: weights, offset: g * n * k, n, k }, bias.subarray(...rows), finish.scales.subarray(...rows)),
      );
    });
    const widened = (offsets: Int32Array): number => context.table(offsets.map((offset) => offset * (DOUBLE / HALF)));
    const table = widened(windows.rows);
    const segments = widened(windows.segments);
    const mb = rowBlock(m, k * DOUBLE);
    const [batch = 1, height = 1, width = 1, channels = 1] = shape;
    const copy: Copy = {
      kernel: "f64_widen_rows__wasm_scalar",
      record: imageRecord(shape, pads, 1),
      outBytes: DOUBLE,
      overrun: 0,
      finish: [inputZeroPoint, isSigned ? 1 : 0],
    };
    const copyBytes = batch * (height + pads[0] + pads[2]) * (width + pads[1] + pads[3]) * channels * DOUBLE + OVERRUN_BYTES;
    const panelBytes = (SCALAR_PANEL.i8 + (k * SCALAR_PANEL.i8) / 2) * DOUBLE;
    const tiles = {
      m,
      n,
      tile: [2, SCALAR_PANEL.i8],
      outputBytes: 1,
      input: m * k * DOUBLE,
      weights: n * k * 4,
      cost: (m * n * k) / SCALAR_RATE.i8,
    } as const;
    return {
      kernel: KERNEL,
      scratchBytes: copyBytes + SUM_BYTES * context.maxPieces,
      calls: (scratch) => [
        copyCall(context, copy, input, scratch),
        ...packed.map((w, g): KernelCall => {
          const args = (rows: Range, columns: Range, piece: number): readonly number[] => [
            ...[scratch + g * run * DOUBLE, table + rows.from * 4, segments, windows.segments.length, run],
            ...[w + (columns.from / SCALAR_PANEL.i8) * panelBytes, output + rows.from * groups * n + g * n + columns.from, groups * n],
            ...[rows.to - rows.from, columns.to - columns.from, mb, scratch + copyBytes + piece * SUM_BYTES, post],
          ];
          return { kernel: KERNEL, args: args({ from: 0, to: m }, { from: 0, to: n }, 0), split: splitProduct(tiles, args) };
        }),
      ],
    };
  },
};
