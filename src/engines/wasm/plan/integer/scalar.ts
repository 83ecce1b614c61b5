/** Candidates of an integer layer without vector instructions: sums of products in doubles, two outputs each. */
import { scaleWords } from "../../../../graph/fixed-point.ts";
import type { FixedScales } from "../../../../graph/fixed-point.ts";
import type { IntegerFinish } from "../../../cpu/kernels/gemm_i8.ts";
import { SCALAR_PANEL, packDoubles, panelHead } from "../../pack-scalar.ts";
import type { KernelCall } from "../../program.ts";
import { fixedPost, scalarPost } from "../../records.ts";
import type { Candidate } from "../candidates.ts";
import { copyCall, imageRecord } from "../copy.ts";
import type { Copy } from "../copy.ts";
import { SCALAR_RATE, splitProduct } from "../split.ts";
import type { Range } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { OVERRUN_BYTES, biasOf } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

/** Sums of one tile: 2 rows × 8 int32. */
const SUM_BYTES = 64;
/** Bytes of an input where the tile reads it, and where windows are planned for it. */
const [DOUBLE, HALF] = [8, 2];

/** Grid of the output, in the form that scalar kernels of either arithmetic take. */
export function scalarPostOf({ zeroPoint, lo, hi, fixed }: IntegerFinish): Int32Array {
  return fixed === undefined ? scalarPost(zeroPoint, lo, hi) : fixedPost(zeroPoint, lo, hi, fixed.rounding);
}

/** Why a layer in fixed point runs scalar kernels. */
export function fixedWhy({ rounding }: FixedScales): string {
  return `rounding=${rounding}: scalar kernels`;
}

const doubles = (kernel: string, why: (problem: IntegerProblem) => string): Candidate<IntegerProblem> => ({
  kernel,
  requires: [],
  sparse: false,
  estimate: (problem) => ({ cost: 1, why: why(problem) }),
  plan(context, problem) {
    const { windows, groups, n, k, weights, finish, shape, pads, input, output, inputZeroPoint, isSigned } = problem;
    const { m, run } = windows;
    const post = context.table(scalarPostOf(finish));
    const scales = scaleWords(finish);
    const bias = biasOf(problem);
    const packed = Array.from({ length: groups }, (_, g) =>
      context.weights(packDoubles({ data: weights, offset: g * n * k, n, k }, bias.subarray(g * n, (g + 1) * n), scales, g * n)),
    );
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
    const panelBytes = (panelHead(scales) + (k * SCALAR_PANEL.i8) / 2) * DOUBLE;
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
      kernel,
      scratchBytes: copyBytes + SUM_BYTES * context.maxPieces,
      calls: (scratch) => [
        copyCall(context, copy, input, scratch),
        ...packed.map((w, g): KernelCall => {
          const args = (rows: Range, columns: Range, piece: number): readonly number[] => [
            ...[scratch + g * run * DOUBLE, table + rows.from * 4, segments, windows.segments.length, run],
            ...[w + (columns.from / SCALAR_PANEL.i8) * panelBytes, output + rows.from * groups * n + g * n + columns.from, groups * n],
            ...[rows.to - rows.from, columns.to - columns.from, mb, scratch + copyBytes + piece * SUM_BYTES, post],
          ];
          return { kernel, args: args({ from: 0, to: m }, { from: 0, to: n }, 0), split: splitProduct(tiles, args) };
        }),
      ],
    };
  },
});

export const SCALAR_I8 = doubles("i8_conv_doubles_2x8__wasm_scalar", () => "simd=off");

/** Of a layer in fixed point, whether there are vector instructions or not. */
export const FIXED_I8 = doubles("i8_conv_fixed_2x8__wasm_scalar", ({ finish }) => fixedWhy(finish.fixed!));
