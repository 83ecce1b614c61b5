/** The candidate of a float layer without vector instructions. */
import { SCALAR_PANEL, packScalarF32 } from "../../pack-scalar.ts";
import type { KernelCall } from "../../program.ts";
import { activationCode, floatPost, padRecord } from "../../records.ts";
import type { Candidate } from "../candidates.ts";
import { copyCall } from "../copy.ts";
import { SCALAR_RATE, splitProduct } from "../split.ts";
import type { OutputTiles, Range } from "../split.ts";
import { rowBlock } from "../windows.ts";
import type { FloatProblem } from "./problem.ts";

const KERNEL = "f32_conv_indirect_2x4__wasm_scalar";

export const SCALAR_F32: Candidate<FloatProblem> = {
  kernel: KERNEL,
  requires: [],
  sparse: false,
  estimate: () => ({ cost: 1, why: "simd=off" }),
  plan(context, problem) {
    const { windows, groups, n, k, weights, pad, input, output } = problem;
    const { m, run } = windows;
    const act = activationCode(problem.activation);
    const post = context.table(floatPost(problem.activation));
    const ldc = groups * n * 4;
    const bias = problem.bias ?? new Float32Array(groups * n);
    const packed = Array.from({ length: groups }, (_, g) =>
      context.weights(packScalarF32({ data: weights, offset: g * n * k, n, k }, bias.subarray(g * n, (g + 1) * n))),
    );
    const table = context.table(windows.rows);
    const segments = context.table(windows.segments);
    const mb = rowBlock(m, k * 4);
    const record = windows.padded === undefined || pad === undefined ? undefined : padRecord(pad.input, pad.pads, 4);
    const panelBytes = (1 + k) * SCALAR_PANEL.f32 * 4;
    const tiles: OutputTiles = {
      m,
      n,
      tile: [2, SCALAR_PANEL.f32],
      outputBytes: 4,
      input: m * k * 4,
      weights: n * k * 4,
      cost: (m * n * k) / SCALAR_RATE.f32,
    };
    const call = (base: number, g: number): KernelCall => {
      const args = (rows: Range, columns: Range): readonly number[] => [
        ...[base + g * run * 4, table + rows.from * 4, segments, windows.segments.length, run],
        ...[packed[g]! + (columns.from / SCALAR_PANEL.f32) * panelBytes, output + rows.from * ldc + (g * n + columns.from) * 4, ldc],
        ...[rows.to - rows.from, columns.to - columns.from, mb, act, post],
      ];
      return { kernel: KERNEL, args: args({ from: 0, to: m }, { from: 0, to: n }), split: splitProduct(tiles, args) };
    };
    return {
      kernel: KERNEL,
      scratchBytes: windows.padded?.reduce((size, d) => size * d, 4) ?? 0,
      calls: (scratch) => [
        ...(record === undefined
          ? []
          : [copyCall(context, { kernel: "any_pad_rows__wasm_scalar", record, outBytes: 1, overrun: 0, finish: [0] }, input, scratch)]),
        ...packed.map((_, g) => call(record === undefined ? input : scratch, g)),
      ],
    };
  },
};
