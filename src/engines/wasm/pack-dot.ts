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
