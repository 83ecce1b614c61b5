/** Integer weights as 4-bit indices into values of their output channel, in the layout of shaders/code/i8_codebook4.wgsl. */
import { NIBBLE_VALUES } from "../../graph/code.ts";
import type { Int8CodebookCode } from "../../graph/ir.ts";
import { eachRow, kUnits, runUnits } from "./pack.ts";
import type { GemmShape, SourceAt } from "./pack.ts";

export interface PackedCodebook {
  /** Binding 3: [group][k/4][ceil(n/4)] blocks of two words, sixteen bits a column, the first k lowest. */
  readonly codes: Uint32Array;
  /** Binding 5: [group][ceil(n/4)·4] tables of sixteen bytes. */
  readonly tables: Uint32Array;
  /** Values of a run's last word, or a pixel's, that have a weight; 4 where none of them ends inside a word. */
  readonly kept: number;
}

export function packCodebookGemm({ values, table, indices }: Int8CodebookCode, gemm: GemmShape, source: SourceAt): PackedCodebook {
  const { groups, groupOut } = gemm;
  const width = Math.ceil(groupOut / 4) * 4;
  const k4 = kUnits(gemm);
  const halves = new Uint16Array(groups * k4 * width);
  const tables = new Int8Array(groups * width * NIBBLE_VALUES);
  for (let g = 0; g < groups; g++) {
    for (let j = 0; j < groupOut; j++) {
      const o = g * groupOut + j;
      tables.set(table.subarray(o * values, (o + 1) * values), (g * width + j) * NIBBLE_VALUES);
    }
    eachRow(gemm, (row, sy, sx, p) => {
      const first = (g * k4 + (row >> 2)) * width;
      for (let j = 0; j < groupOut; j++) {
        const at = source(g * groupOut + j, sy, sx, p);
        if (at >= 0) halves[first + j] = halves[first + j]! | (indices[at]! << ((row & 3) * 4));
      }
    });
  }
  return { codes: new Uint32Array(halves.buffer), tables: new Uint32Array(tables.buffer), kept: keptOf(gemm, source) };
}

function keptOf(gemm: GemmShape, source: SourceAt): number {
  for (let unit = 0; unit < runUnits(gemm); unit++) {
    const kept = [0, 1, 2, 3].filter((lane) => unit * 4 + lane < gemm.run && source(0, 0, 0, unit * 4 + lane) >= 0).length;
    if (kept < 4) return kept;
  }
  return 4;
}
