/** Weight layouts of the kernels without vector instructions (assembly/scalar/). */
import type { ScaleWords } from "../../graph/fixed-point.ts";
import type { WeightMatrix } from "./pack.ts";

/** Outputs of one panel. */
export const SCALAR_PANEL = { f32: 4, i8: 8 } as const;
/** Weight of the high half of a double. */
const HIGH = 2 ** 26;

/** [N / 4][bias 4, then K × 4], zero beyond N. */
export function packScalarF32({ data, offset, n, k }: WeightMatrix<Float32Array>, bias: Float32Array): Float32Array {
  const panel = SCALAR_PANEL.f32;
  const packed = new Float32Array(Math.ceil(n / panel) * panel * (1 + k));
  for (let o = 0; o < n; o++) {
    const base = Math.floor(o / panel) * panel * (1 + k) + (o % panel);
    packed[base] = bias[o]!;
    for (let i = 0; i < k; i++) packed[base + (1 + i) * panel] = data[offset + o * k + i]!;
  }
  return packed;
}

/** Doubles of a panel before the weights. */
function panelHead(scales: ScaleWords): number {
  return (SCALAR_PANEL.i8 / 2) * (1 + scales.count);
}

/**
 * [N / 8][bias 8 i32, 8 of each word of the scales, then K × 4 f64]: outputs 2j and 2j + 1 of a panel in double j, as low + high × 2^26.
 * @param matrix zero points already taken off
 * @param first channel of the scales
 */
export function packDoubles(
  { data, offset, n, k }: WeightMatrix<Int16Array>,
  bias: Int32Array,
  scales: ScaleWords,
  first = 0,
): Float64Array {
  const panel = SCALAR_PANEL.i8;
  const head = panelHead(scales);
  const doubles = head + k * (panel / 2);
  const packed = new Float64Array(Math.ceil(n / panel) * doubles);
  const ints = new Int32Array(packed.buffer);
  for (let o = 0; o < n; o++) {
    const base = Math.floor(o / panel) * doubles;
    const lane = o % panel;
    ints[base * 2 + lane] = bias[o]!;
    scales.words(first + o).forEach((word, i) => (ints[base * 2 + panel * (1 + i) + lane] = word));
    const unit = lane % 2 === 0 ? 1 : HIGH;
    for (let i = 0; i < k; i++) packed[base + head + i * (panel / 2) + (lane >> 1)]! += data[offset + o * k + i]! * unit;
  }
  return packed;
}

/** w [taps][C] → [C][bias, then taps]. */
export function packScalarDepthwiseF32(w: Float32Array, taps: number, channels: number, bias: Float32Array): Float32Array {
  const packed = new Float32Array(channels * (1 + taps));
  for (let c = 0; c < channels; c++) {
    packed[c * (1 + taps)] = bias[c]!;
    for (let t = 0; t < taps; t++) packed[c * (1 + taps) + 1 + t] = w[t * channels + c]!;
  }
  return packed;
}

/**
 * w [taps][C] → [C][bias i32, words of the scale, then taps i32].
 * @param w zero points already taken off
 * @param inputZeroPoint of the inputs in unsigned form: its products are taken off the bias
 */
export function packScalarDepthwiseI8(
  w: Int16Array,
  taps: number,
  channels: number,
  bias: Int32Array,
  scales: ScaleWords,
  inputZeroPoint: number,
): Int32Array {
  const head = 1 + scales.count;
  const packed = new Int32Array(channels * (head + taps));
  for (let c = 0; c < channels; c++) {
    const base = c * (head + taps);
    let sum = 0;
    for (let t = 0; t < taps; t++) sum += packed[base + head + t] = w[t * channels + c]!;
    packed[base] = bias[c]! - inputZeroPoint * sum;
    packed.set(scales.words(c), base + 1);
  }
  return packed;
}
