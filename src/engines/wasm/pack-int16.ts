/** Weight layouts of the kernels for int16 activations (tools/wasm-gen/int16.ts). */
import { PANEL } from "./pack.ts";

export { PANEL };

/** Bytes in front of a panel's weights: 8 biases as doubles, 8 scales. */
const HEAD_BYTES = PANEL * (8 + 4);

function panels(
  count: number,
  bodyBytes: number,
  bias: Float64Array,
  scales: Float32Array,
): { readonly bytes: ArrayBuffer; readonly panelBytes: number } {
  const panelBytes = HEAD_BYTES + bodyBytes;
  const bytes = new ArrayBuffer(count * panelBytes);
  scales.forEach((scale, o) => {
    const at = Math.floor(o / PANEL) * panelBytes;
    new Float64Array(bytes, at, PANEL)[o % PANEL] = bias[o]!;
    new Float32Array(bytes, at + PANEL * 8, PANEL)[o % PANEL] = scale;
  });
  return { bytes, panelBytes };
}

/**
 * [N / 8][bias 8 f64, scales 8 f32, then K / 2 × 8 × 2 i16]; each of the `segments` runs of K is padded to an even length, since a pair
 * must not reach over a gap in the input.
 * @param w [n][k]
 */
export function packInt16(w: Int8Array, k: number, segments: number, bias: Float64Array, scales: Float32Array): Int16Array {
  const run = k / segments;
  const pairs = Math.ceil(run / 2);
  const { bytes, panelBytes } = panels(Math.ceil(scales.length / PANEL), segments * pairs * PANEL * 4, bias, scales);
  const halves = new Int16Array(bytes);
  for (let o = 0; o < scales.length; o++) {
    const base = (Math.floor(o / PANEL) * panelBytes + HEAD_BYTES) / 2 + (o % PANEL) * 2;
    for (let i = 0; i < k; i++) {
      const segment = Math.floor(i / run);
      const j = i - segment * run;
      halves[base + (segment * pairs + (j >> 1)) * PANEL * 2 + (j & 1)] = w[o * k + i]!;
    }
  }
  return halves;
}

/** w [taps][C] → [C / 8][bias 8 f64, scales 8 f32, then taps × 8 i16]. */
export function packInt16Depthwise(w: Int8Array, taps: number, bias: Float64Array, scales: Float32Array): Int16Array {
  const channels = scales.length;
  const { bytes, panelBytes } = panels(Math.ceil(channels / PANEL), taps * PANEL * 2, bias, scales);
  const halves = new Int16Array(bytes);
  for (let c = 0; c < channels; c++) {
    const base = (Math.floor(c / PANEL) * panelBytes + HEAD_BYTES) / 2 + (c % PANEL);
    for (let t = 0; t < taps; t++) halves[base + t * PANEL] = w[t * channels + c]!;
  }
  return halves;
}
