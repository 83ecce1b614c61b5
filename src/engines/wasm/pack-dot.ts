/** Weight layout of the 8-bit dot-product tile (tools/wasm-gen/relaxed.ts). */
import { PANEL } from "./pack.ts";
import type { WeightMatrix } from "./pack.ts";

/** Inputs of one step. */
const QUAD = 4;

/** Whether every weight, its zero point taken off, is a signed byte. */
export function areSignedBytes(weights: Int16Array): boolean {
  return weights.every((w) => w >= -128 && w <= 127);
}

/**
 * [N / 8][bias 8 i32, scales 8 f32, then K / 4 × 8 × 4 i8]; each of the `segments` runs of K is padded with zeros to a multiple of 4, since
 * a quad must not reach over a gap in the input.
 * @param matrix signed bytes
 * @param inputZeroPoint of the inputs in unsigned form: its products are taken off the bias
 */
export function packDot(
  { data, offset, n, k }: WeightMatrix<Int16Array>,
  segments: number,
  bias: Int32Array,
  scales: Float32Array,
  inputZeroPoint: number,
): Int32Array {
  const run = k / segments;
  const quads = Math.ceil(run / QUAD);
  const words = 2 * PANEL + segments * quads * PANEL;
  const packed = new Int32Array(Math.ceil(n / PANEL) * words);
  const floats = new Float32Array(packed.buffer);
  const bytes = new Int8Array(packed.buffer);
  for (let o = 0; o < n; o++) {
    const base = Math.floor(o / PANEL) * words;
    const lane = o % PANEL;
    let sum = 0;
    for (let i = 0; i < k; i++) {
      const segment = Math.floor(i / run);
      const j = i - segment * run;
      const word = base + 2 * PANEL + (segment * quads + Math.floor(j / QUAD)) * PANEL + lane;
      const w = data[offset + o * k + i]!;
      bytes[word * 4 + (j % QUAD)] = w;
      sum += w;
    }
    packed[base + lane] = bias[o]! - inputZeroPoint * sum;
    floats[base + PANEL + lane] = scales[o]!;
  }
  return packed;
}

/**
 * w [KH][KW][C], signed bytes → [C / 8][bias 8 i32, scales 8 f32, then ceil(KH / 4) × KW × 8 × 4 i8]: rows in fours, missing ones zero.
 * @param inputZeroPoint of the inputs in unsigned form: its products are taken off the bias
 */
export function packDepthwiseDot(
  w: Int16Array,
  kh: number,
  kw: number,
  channels: number,
  bias: Int32Array,
  scales: Float32Array,
  inputZeroPoint: number,
): Int32Array {
  const words = 2 * PANEL + Math.ceil(kh / QUAD) * kw * PANEL;
  const packed = new Int32Array(Math.ceil(channels / PANEL) * words);
  const floats = new Float32Array(packed.buffer);
  const bytes = new Int8Array(packed.buffer);
  for (let c = 0; c < channels; c++) {
    const base = Math.floor(c / PANEL) * words;
    const lane = c % PANEL;
    let sum = 0;
    for (let y = 0; y < kh; y++) {
      for (let x = 0; x < kw; x++) {
        const word = base + 2 * PANEL + (Math.floor(y / QUAD) * kw + x) * PANEL + lane;
        sum += bytes[word * 4 + (y % QUAD)] = w[(y * kw + x) * channels + c]!;
      }
    }
    packed[base + lane] = bias[c]! - inputZeroPoint * sum;
    floats[base + PANEL + lane] = scales[c]!;
  }
  return packed;
}
