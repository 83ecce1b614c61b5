/** Weight layouts of the dense and depthwise tiles (tools/wasm-gen/dense.ts, depthwise.ts). A tile and its packer change together. */

/** Outputs of one panel. */
export const PANEL = 8;

/** n rows of k weights, row-major from `offset`. */
export interface WeightMatrix<T extends Float32Array | Int16Array> {
  readonly data: T;
  readonly offset: number;
  readonly n: number;
  readonly k: number;
}

/** [N / 8][bias 8, then K × 8], zero beyond N. */
export function packDenseF32({ data, offset, n, k }: WeightMatrix<Float32Array>, bias: Float32Array): Float32Array {
  const panels = Math.ceil(n / PANEL);
  const packed = new Float32Array(panels * PANEL * (1 + k));
  for (let o = 0; o < n; o++) {
    const base = Math.floor(o / PANEL) * PANEL * (1 + k) + (o % PANEL);
    packed[base] = bias[o]!;
    for (let i = 0; i < k; i++) packed[base + (1 + i) * PANEL] = data[offset + o * k + i]!;
  }
  return packed;
}

/**
 * [N / 8][bias 8 i32, scales 8 f32, then K / 2 × 8 × 2 i16]; each of the `segments` runs of K is padded to an even length, since a pair
 * must not reach over a gap in the input.
 * @param data zero points already taken off
 */
export function packDenseI8(
  { data, offset, n, k }: WeightMatrix<Int16Array>,
  segments: number,
  bias: Int32Array,
  scales: Float32Array,
): Int32Array {
  const run = k / segments;
  const pairs = Math.ceil(run / 2);
  const words = 2 * PANEL + segments * pairs * PANEL;
  const packed = new Int32Array(Math.ceil(n / PANEL) * words);
  const floats = new Float32Array(packed.buffer);
  const halves = new Int16Array(packed.buffer);
  for (let o = 0; o < n; o++) {
    const base = Math.floor(o / PANEL) * words;
    const lane = o % PANEL;
    packed[base + lane] = bias[o]!;
    floats[base + PANEL + lane] = scales[o]!;
    for (let i = 0; i < k; i++) {
      const segment = Math.floor(i / run);
      const j = i - segment * run;
      const word = base + 2 * PANEL + (segment * pairs + (j >> 1)) * PANEL + lane;
      halves[word * 2 + (j & 1)] = data[offset + o * k + i]!;
    }
  }
  return packed;
}

/** How channels lie in the vectors of a depthwise kernel: in turn, or so that the last vector is whole and shares some with the one before. */
export type ChannelVectors = "inTurn" | "overlapping";

/** First channel of every vector. */
function vectorStarts(channels: number, lanes: number, vectors: ChannelVectors): readonly number[] {
  const last = vectors === "inTurn" ? channels : Math.max(0, channels - lanes);
  return Array.from({ length: Math.ceil(channels / lanes) }, (_, i) => Math.min(i * lanes, last));
}

/** w [taps][C] → [C / 4][bias 4, then taps × 4], zero beyond C. */
export function packDepthwiseF32(
  w: Float32Array,
  taps: number,
  channels: number,
  bias: Float32Array,
  vectors: ChannelVectors,
): Float32Array {
  const starts = vectorStarts(channels, 4, vectors);
  const packed = new Float32Array(starts.length * 4 * (1 + taps));
  starts.forEach((start, vector) => {
    for (let c = start; c < Math.min(start + 4, channels); c++) {
      const base = vector * 4 * (1 + taps) + c - start;
      packed[base] = bias[c]!;
      for (let t = 0; t < taps; t++) packed[base + (1 + t) * 4] = w[t * channels + c]!;
    }
  });
  return packed;
}

/**
 * w [KH][KW][C] → [C / 8][bias 8 i32, scales 8 f32, then floor(KH / 2) × KW × 8 × 2 i16: rows in pairs, then of an odd last row
 * ceil(KW / 2) × 8 × 2 i16: neighbours in pairs, a missing one zero].
 * @param inputZeroPoint of the inputs as signed bytes: its products are taken off the bias
 */
export function packDepthwisePairs(
  w: Int16Array,
  [kh, kw]: readonly [number, number],
  channels: number,
  bias: Int32Array,
  scales: Float32Array,
  inputZeroPoint: number,
): Int32Array {
  const rowPairs = kh >> 1;
  const words = (2 + rowPairs * kw + (kh % 2) * Math.ceil(kw / 2)) * PANEL;
  const starts = vectorStarts(channels, PANEL, "overlapping");
  const packed = new Int32Array(starts.length * words);
  const floats = new Float32Array(packed.buffer);
  const halves = new Int16Array(packed.buffer);
  starts.forEach((start, vector) => {
    for (let c = start; c < Math.min(start + PANEL, channels); c++) {
      const base = vector * words;
      const lane = c - start;
      let sum = 0;
      for (let y = 0; y < kh; y++) {
        for (let x = 0; x < kw; x++) {
          const [pair, second] = y < 2 * rowPairs ? [(y >> 1) * kw + x, y & 1] : [rowPairs * kw + (x >> 1), x & 1];
          sum += halves[(base + (2 + pair) * PANEL + lane) * 2 + second] = w[(y * kw + x) * channels + c]!;
        }
      }
      packed[base + lane] = bias[c]! - inputZeroPoint * sum;
      floats[base + PANEL + lane] = scales[c]!;
    }
  });
  return packed;
}

/** w [KH][KW][C] → [C / 8][bias 8 i32, scales 8 f32, then ceil(KH / 2) × KW × 8 × 2 i16]: rows in pairs, a missing last row zero. */
export function packDepthwiseI8(
  w: Int16Array,
  kh: number,
  kw: number,
  channels: number,
  bias: Int32Array,
  scales: Float32Array,
): Int32Array {
  const words = 2 * PANEL + Math.ceil(kh / 2) * kw * PANEL;
  const packed = new Int32Array(Math.ceil(channels / PANEL) * words);
  const floats = new Float32Array(packed.buffer);
  const halves = new Int16Array(packed.buffer);
  for (let c = 0; c < channels; c++) {
    const base = Math.floor(c / PANEL) * words;
    const lane = c % PANEL;
    packed[base + lane] = bias[c]!;
    floats[base + PANEL + lane] = scales[c]!;
    for (let y = 0; y < kh; y++) {
      for (let x = 0; x < kw; x++) {
        const word = base + 2 * PANEL + ((y >> 1) * kw + x) * PANEL + lane;
        halves[word * 2 + (y & 1)] = w[(y * kw + x) * channels + c]!;
      }
    }
  }
  return packed;
}
