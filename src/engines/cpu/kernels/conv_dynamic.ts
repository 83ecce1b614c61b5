/**
 * Conv2D and Dense on an input that is quantized at run time: its range, its codes, then the exact integer product of the 8-bit kernels, scaled
 * back to float32. The codes' buffer belongs to the kernel, since gathering reads it while the shared scratch holds panels.
 */
import type { DynamicLayer } from "../../../graph/dynamic.ts";
import { elementCount } from "../../../graph/dtype.ts";
import { dynamicGrid, dynamicResult } from "../../../graph/numerics.ts";
import type { DynamicGrid } from "../../../graph/numerics.ts";
import type { ConvGeometry } from "./conv_geometry.ts";
import { isPointwise } from "./conv_geometry.ts";
import { ROUND_MAGIC, clampInteger, finishValue } from "./finish.ts";
import type { FloatFinish } from "./finish.ts";
import { gatherI8, panelRows } from "./gather.ts";
import { PANEL_ROWS, accumulateDenseI8, integerScratch, packDenseI8 } from "./gemm_i8.ts";
import type { CpuKernel, Scratch } from "./shared.ts";

/** Beyond it every code saturates. */
const BEYOND = 2 ** 16;

/** The grid of all of x. */
export function rangeGrid(x: Float32Array): DynamicGrid {
  let min = 0;
  let max = 0;
  for (let i = 0; i < x.length; i++) {
    const v = x[i]!;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  return dynamicGrid(min, max);
}

/** int8 codes of x. */
export function quantizeDynamic(x: Float32Array, { inverse, zeroPoint }: DynamicGrid, codes: Int8Array): void {
  for (let i = 0; i < x.length; i++) {
    const scaled = Math.fround(x[i]! * inverse);
    const near = scaled > BEYOND ? BEYOND : scaled < -BEYOND ? -BEYOND : scaled;
    codes[i] = clampInteger((near + ROUND_MAGIC - ROUND_MAGIC + zeroPoint) | 0, -128, 127);
  }
}

/** @param g of one phase */
export function createDynamicConv(scratch: Scratch, g: ConvGeometry, layer: DynamicLayer, finish: FloatFinish): CpuKernel {
  const { x, w, scales, bias, hasBias } = layer;
  const k = g.taps * g.groupIn;
  const n = g.groupOut;
  const packed = Array.from({ length: g.groups }, (_, group) => packDenseI8(w.data.subarray(group * n * k, (group + 1) * n * k), n, k, 0));
  const codes = new Int8Array(elementCount(x.shape));
  const phase = g.phases[0]!;
  const total = g.batch * phase.rows * phase.cols;
  const rows = panelRows();
  const { sums, acc, offsets, rowSums } = integerScratch();
  scratch.reserve(k * 4 * 8);
  return {
    name: `i8_${isPointwise(g) ? "gemm" : "conv"}_dynamic_8x4__cpu`,
    weightBytes: packed.reduce((sum, { values }) => sum + values.byteLength, 0) + scales.byteLength + (hasBias ? bias.byteLength : 0),
    packedInputs: [1, ...(hasBias ? [2] : [])],
    run(inputs, output) {
      const input = inputs[0] as Float32Array;
      const out = output as Float32Array;
      const grid = rangeGrid(input);
      quantizeDynamic(input, grid, codes);
      const panel = scratch.doubles;
      for (let group = 0; group < g.groups; group++) {
        const matrix = packed[group]!;
        for (let first = 0; first < total; first += PANEL_ROWS) {
          const count = Math.min(PANEL_ROWS, total - first);
          gatherI8(codes, grid.zeroPoint, g, phase, group, first, count, panel, rows, offsets, rowSums, false);
          for (let j = 0; j < n; j += 4) {
            accumulateDenseI8(matrix, panel, (count + 1) >> 1, j, sums, acc);
            const columns = Math.min(4, n - j);
            for (let r = 0; r < count; r++) {
              for (let c = 0; c < columns; c++) {
                const channel = group * n + j + c;
                const v = dynamicResult(acc[r * 4 + c]!, grid.scale, scales[channel]!, bias[channel]!);
                out[offsets[r]! + j + c] = finishValue(v, finish.lo, finish.hi, finish.hardswish);
              }
            }
          }
        }
      }
    },
  };
}
