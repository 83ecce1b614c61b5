/**
 * Conv2D and Dense on weights in a compact code: for a block of rows, each panel of 4 columns is decoded once and multiplied with every row,
 * by the tile and in the order of the dense kernel, so results are the same to the bit.
 */
import { codeText } from "../../../graph/code.ts";
import type { FloatCode, WeightCode } from "../../../graph/ir.ts";
import { keptCodeText, slowerCodeText } from "../../candidates.ts";
import { kindOf, packCoded } from "./coded_pack.ts";
import type { CodedKind } from "./coded_pack.ts";
import type { ConvGeometry } from "./conv_geometry.ts";
import { isPointwise } from "./conv_geometry.ts";
import type { FloatFinish } from "./finish.ts";
import { gatherF32, panelRows } from "./gather.ts";
import { PANEL_ROWS } from "./gemm_i8.ts";
import { multiplyDenseF32 } from "./gemm_f32.ts";
import type { DenseF32 } from "./gemm_f32.ts";
import type { CpuKernel, Scratch, SparsePolicy } from "./shared.ts";
import type { SparseLayout } from "./sparse_pack.ts";

/** Gathered rows that wait for a decoded panel: they should stay in a cache, and be enough to hide the decoding. */
const GATHERED_BYTES = 2 ** 19;
const MOST_PANELS = 8;

/** Panels of rows that are gathered before columns are decoded for them. */
export function blockPanels(k: number, total: number, panelRows: number): number {
  return Math.max(1, Math.min(MOST_PANELS, Math.floor(GATHERED_BYTES / (k * 32)), Math.ceil(total / panelRows)));
}

/** Zeros from which lists of the others, expanded, run a layer more than twice as fast as its code. */
const MANY_ZEROS = 0.65;
/** Time to decode a panel, in rows of the tile (Node 20.20, 2026-11-24). */
const DECODE_ROWS: Readonly<Record<CodedKind, number>> = { codebook4: 1.8, codebook8: 3.9, int4: 1.6, int8: 1.6, float16: 6.2 };
/**
 * The same of an 8-bit layer, in rows of its tile of eight, and what a pair of fewer takes: 5.8 rows are 1.4 ns a weight. Times of those on expanded
 * weights: 2.5 for one row or two, 1.75 for eight, 1.12 for 64 and more (Node 20.20, Zen 4, 2026-11-30; 512×512, 1000×1024, 3×3 windows).
 */
const INTEGER_ROWS = { decode: 5.8, pair: 3.8 } as const;
/** A code is there to save memory, so it is kept unless the layer takes more than so many times as long. */
const CODED_LIMIT = 3;

/** Time from the code relative to the dense kernel's on expanded weights. */
function timeRatio(code: WeightCode, rows: number, k: number): number {
  if (code.kind !== "int8Codebook") return 1 + DECODE_ROWS[kindOf(code)] / rows;
  const block = Math.min(rows, blockPanels(k, rows, PANEL_ROWS) * PANEL_ROWS);
  const pairs = Math.ceil((block % PANEL_ROWS) / 2);
  const rest = pairs * 2 === PANEL_ROWS ? PANEL_ROWS : pairs * INTEGER_ROWS.pair;
  return 1 + INTEGER_ROWS.decode / (block - (block % PANEL_ROWS) + rest);
}

/** Whether a layer runs from its code, and the clause for the record that says so. */
export interface CodeChoice {
  readonly keeps: boolean;
  readonly why: string;
}

/**
 * @param rows output pixels, or samples of a dense layer
 * @param k inputs of an output
 * @param layout what its zeros make the best one for expanded weights
 */
export function chooseCode(
  code: WeightCode,
  weights: Float32Array | Int8Array,
  rows: number,
  k: number,
  layout: SparseLayout,
  policy: SparsePolicy,
): CodeChoice {
  const what = codeText(code);
  const ratio = timeRatio(code, rows, k);
  const kept = { keeps: true, why: keptCodeText(what, ratio) };
  if (layout === "dense") return ratio > CODED_LIMIT ? { keeps: false, why: `dense weights${slowerCodeText(what, ratio)}` } : kept;
  let zeros = 0;
  for (let i = 0; i < weights.length; i++) if (weights[i] === 0) zeros++;
  if (ratio <= CODED_LIMIT && policy === "auto" && zeros < MANY_ZEROS * weights.length) return kept;
  return {
    keeps: false,
    why: `${((100 * zeros) / weights.length).toFixed(0)} % of its weights are zero; its code (${what}) would skip none`,
  };
}

interface Views {
  readonly buffer: ArrayBufferLike;
  readonly panels: readonly Float64Array[];
  /** A decoded panel as 4 columns, and as what is left of them at the right edge. */
  readonly whole: DenseF32;
  readonly edge: DenseF32;
}

/**
 * @param g of one phase
 * @param bias of all output channels
 * @param biasBytes 0 where the bias is only made up
 */
export function createCodedConv(
  scratch: Scratch,
  g: ConvGeometry,
  code: FloatCode,
  finish: FloatFinish,
  bias: Float32Array,
  biasBytes: number,
  why: string,
): CpuKernel {
  const k = g.taps * g.groupIn;
  const n = g.groupOut;
  const packed = Array.from({ length: g.groups }, (_, group) => packCoded(code, group * n, n, k));
  const phase = g.phases[0]!;
  const total = g.batch * phase.rows * phase.cols;
  const count = blockPanels(k, total, 4);
  scratch.reserve(count * k * 32 + k * 16);
  const offsets = Array.from({ length: count }, () => new Int32Array(4));
  const columnOffsets = new Int32Array(4);
  const rows = panelRows();
  const sums = new Float64Array(16);
  let known: Views | undefined;
  const viewsOf = (doubles: Float64Array): Views => {
    if (known?.buffer === doubles.buffer) return known;
    const values = new Float32Array(doubles.buffer, count * k * 32, k * 4);
    known = {
      buffer: doubles.buffer,
      panels: offsets.map((_, p) => doubles.subarray(p * k * 4, (p + 1) * k * 4)),
      whole: { kind: "dense", n: 4, k, values },
      edge: { kind: "dense", n: n & 3, k, values },
    };
    return known;
  };
  return {
    name: `f32_${isPointwise(g) ? "gemm" : "conv"}_${kindOf(code)}_4x4__cpu`,
    weightBytes: packed.reduce((sum, { bytes }) => sum + bytes, biasBytes),
    packedInputs: [1, 2],
    why,
    run(inputs, output) {
      const input = inputs[0] as Float32Array;
      const { panels, whole, edge } = viewsOf(scratch.doubles);
      const target = { out: output as Float32Array, offsets: columnOffsets, bias, finish, sums };
      for (let group = 0; group < g.groups; group++) {
        const matrix = packed[group]!;
        for (let first = 0; first < total; first += count * 4) {
          const used = Math.min(count, Math.ceil((total - first) / 4));
          for (let p = 0; p < used; p++) {
            gatherF32(input, g, phase, group, first + p * 4, Math.min(4, total - first - p * 4), panels[p]!, rows, offsets[p]!);
          }
          for (let j = 0; j < n; j += 4) {
            matrix.decode(j >> 2, whole.values);
            const columns = n - j < 4 ? edge : whole;
            for (let p = 0; p < used; p++) {
              for (let r = 0; r < 4; r++) columnOffsets[r] = offsets[p]![r]! + j;
              multiplyDenseF32(columns, panels[p]!, Math.min(4, total - first - p * 4), group * n + j, target);
            }
          }
        }
      }
    },
  };
}
