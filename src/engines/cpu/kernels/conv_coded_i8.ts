/**
 * 8-bit Conv2D and Dense on weights that stay 4-bit indices into int8 values of their output channel: as conv_coded.ts, a panel of 4 columns is
 * decoded once for a block of rows and multiplied by the tile of the dense kernel.
 */
import type { Int8CodebookCode } from "../../../graph/ir.ts";
import { packCodedI8 } from "./coded_pack.ts";
import { blockPanels } from "./conv_coded.ts";
import type { ConvGeometry } from "./conv_geometry.ts";
import { isPointwise } from "./conv_geometry.ts";
import { gatherI8, panelRows } from "./gather.ts";
import { PANEL_ROWS, integerScratch, multiplyDenseI8 } from "./gemm_i8.ts";
import type { DenseI8, IntegerFinish } from "./gemm_i8.ts";
import type { CpuKernel, Scratch, shortName } from "./shared.ts";

interface Views {
  readonly buffer: ArrayBufferLike;
  readonly panels: readonly Float64Array[];
  /** A decoded panel as 4 columns, and as what is left of them at the right edge. */
  readonly whole: DenseI8;
  readonly edge: DenseI8;
}

export interface CodedIntegerLayer {
  readonly code: Int8CodebookCode;
  /** Of the activations. */
  readonly type: ReturnType<typeof shortName>;
  readonly zeroPoint: number;
  /** Of weights without zero points. */
  readonly finish: IntegerFinish;
  /** Of all output channels. */
  readonly bias: Int32Array;
  /** 0 where the bias is only made up. */
  readonly biasBytes: number;
  readonly why: string;
}

/** @param g of one phase */
export function createCodedIntegerConv(scratch: Scratch, g: ConvGeometry, layer: CodedIntegerLayer): CpuKernel {
  const { code, type, zeroPoint, finish, bias, biasBytes, why } = layer;
  const k = g.taps * g.groupIn;
  const n = g.groupOut;
  const packed = Array.from({ length: g.groups }, (_, group) => packCodedI8(code, group * n, n, k));
  const phase = g.phases[0]!;
  const total = g.batch * phase.rows * phase.cols;
  const count = blockPanels(k, total, PANEL_ROWS);
  scratch.reserve(count * k * 32 + k * 4);
  const offsets = Array.from({ length: count }, () => new Int32Array(PANEL_ROWS));
  const rows = panelRows();
  const tile = integerScratch();
  let known: Views | undefined;
  const viewsOf = (doubles: Float64Array): Views => {
    if (known?.buffer === doubles.buffer) return known;
    const values = new Int8Array(doubles.buffer, count * k * 32, k * 4);
    known = {
      buffer: doubles.buffer,
      panels: offsets.map((_, p) => doubles.subarray(p * k * 4, (p + 1) * k * 4)),
      whole: { kind: "dense", n: 4, k, values },
      edge: { kind: "dense", n: n & 3, k, values },
    };
    return known;
  };
  return {
    name: `${type}_${isPointwise(g) ? "gemm" : "conv"}_codebook4_8x4__cpu`,
    weightBytes: packed.reduce((sum, { bytes }) => sum + bytes, biasBytes + finish.scales.byteLength),
    packedInputs: [1, 2],
    why,
    run(inputs, output) {
      const input = inputs[0] as Int8Array | Uint8Array;
      const { panels, whole, edge } = viewsOf(scratch.doubles);
      const target = { ...tile, out: output as Int8Array | Uint8Array, bias, finish };
      for (let group = 0; group < g.groups; group++) {
        const matrix = packed[group]!;
        for (let first = 0; first < total; first += count * PANEL_ROWS) {
          const used = Math.min(count, Math.ceil((total - first) / PANEL_ROWS));
          const rowsOf = (p: number): number => Math.min(PANEL_ROWS, total - first - p * PANEL_ROWS);
          for (let p = 0; p < used; p++) {
            const from = first + p * PANEL_ROWS;
            gatherI8(input, zeroPoint, g, phase, group, from, rowsOf(p), panels[p]!, rows, offsets[p]!, tile.rowSums, false);
          }
          for (let j = 0; j < n; j += 4) {
            matrix.decode(j >> 2, whole.values);
            const columns = n - j < 4 ? edge : whole;
            for (let p = 0; p < used; p++) {
              for (let r = 0; r < PANEL_ROWS; r++) tile.offsets[r] = offsets[p]![r]! + j;
              multiplyDenseI8(columns, panels[p]!, rowsOf(p), group * n + j, target);
            }
          }
        }
      }
    },
  };
}
