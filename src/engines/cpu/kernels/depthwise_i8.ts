/**
 * 8-bit depthwise convolution, exact in int32; the same loops as depthwise_f32.ts. Where all kernel columns are inside, the input's zero
 * point is already part of the bias, so that the loops multiply stored values.
 */
import type { DepthwiseGeometry } from "./depthwise_geometry.ts";
import { requantizeNarrow } from "./finish.ts";
import { finishSum } from "./gemm_i8.ts";
import type { IntegerFinish } from "./gemm_i8.ts";

type Bytes = Int8Array | Uint8Array;
/** Weights less their zero points: bytes, or widened when a zero point is not 0. */
export type DepthwiseWeights = Int8Array | Int16Array;

/** Constants of one depthwise layer. */
export interface DepthwiseI8 {
  readonly g: DepthwiseGeometry;
  readonly zeroPoint: number;
  readonly w: DepthwiseWeights;
  readonly bias: Int32Array;
  /** Of each output row, the bias for columns whose kernel columns are all inside: see `rowBiases`. Rows may share arrays. */
  readonly rowBias: readonly Int32Array[];
  readonly finish: IntegerFinish;
}

/** bias[c] - zeroPoint × Σ w(tap, c) over the kernel rows that are inside, for each output row; equal ones are made once. */
export function rowBiases(g: DepthwiseGeometry, w: DepthwiseWeights, bias: Int32Array, zeroPoint: number): Int32Array[] {
  if (g.multiplier !== 1) return [];
  const made = new Map<string, Int32Array>();
  return Array.from({ length: g.outH }, (_, row) => {
    const from = g.kyFrom[row]! * g.kw;
    const to = g.kyTo[row]! * g.kw;
    const key = `${from} ${to}`;
    const known = made.get(key);
    if (known !== undefined) return known;
    const sums = bias.map((b, c) => {
      let sum = 0;
      for (let t = from; t < to; t++) sum += w[t * g.channels + c]!;
      return (b - Math.imul(zeroPoint, sum)) | 0;
    });
    made.set(key, sums);
    return sums;
  });
}

/** @param acc scratch of 4 × outChannels int32 */
export function depthwiseI8(x: Bytes, layer: DepthwiseI8, out: Bytes, acc: Int32Array): void {
  const { g, finish } = layer;
  const { inH, inW, channels, outH, outW, outChannels, kw, pixelStep, insideFrom, insideTo, tile } = g;
  for (let image = 0; image < g.batch; image++) {
    for (let row = 0; row < outH; row++) {
      const rows = g.kyTo[row]! - g.kyFrom[row]!;
      const line = (image * inH + g.yFrom[row]!) * inW;
      const wRow = g.kyFrom[row]! * kw * channels;
      let to = (image * outH + row) * outW * outChannels;
      for (let col = 0; col < outW;) {
        const from = (line + g.xFrom[col]!) * channels;
        const ahead = col < insideFrom ? 0 : insideTo - col;
        let done = 1;
        if (tile === "multiplier") withMultiplier(x, layer, image, row, col, acc);
        else if (tile === "k3s1" && ahead >= 4) done = fourOf3(x, layer, from, rows, wRow, layer.rowBias[row]!, acc);
        else if (tile === "k3s2" && ahead >= 2) done = twoOf3(x, layer, from, rows, wRow, layer.rowBias[row]!, acc);
        else if (tile === "any" && ahead >= 4) done = four(x, layer, from, rows, wRow, pixelStep, layer.rowBias[row]!, acc);
        else one(x, layer, from, rows, g.kxTo[col]! - g.kxFrom[col]!, wRow + g.kxFrom[col]! * channels, acc);
        store(acc, done, outChannels, out, to, finish);
        col += done;
        to += done * outChannels;
      }
    }
  }
}

function store(acc: Int32Array, pixels: number, channels: number, out: Bytes, to: number, finish: IntegerFinish): void {
  const { scales, zeroPoint, lo, hi, narrow } = finish;
  for (let p = 0; p < pixels; p++) {
    const at = p * channels;
    if (narrow) for (let o = 0; o < channels; o++) out[to + at + o] = requantizeNarrow(acc[at + o]!, scales[o]!, zeroPoint, lo, hi);
    else for (let o = 0; o < channels; o++) out[to + at + o] = finishSum(acc[at + o]!, o, finish);
  }
}

/** acc [channels]: one column, over the kernel rows and columns that are inside. */
function one(x: Bytes, layer: DepthwiseI8, from: number, rows: number, columns: number, wStart: number, acc: Int32Array): void {
  const { w, bias, zeroPoint } = layer;
  const { channels, rowStep, columnStep, kw } = layer.g;
  for (let c = 0; c < channels; c++) {
    let sum = bias[c]!;
    for (let ky = 0, p = from + c, q = wStart + c; ky < rows; ky++, p += rowStep, q += kw * channels) {
      for (let kx = 0, i = p, j = q; kx < columns; kx++, i += columnStep, j += channels)
        sum = (sum + Math.imul(x[i]! - zeroPoint, w[j]!)) | 0;
    }
    acc[c] = sum;
  }
}

/** acc [4][channels]: four columns of any kernel. */
function four(
  x: Bytes,
  layer: DepthwiseI8,
  from: number,
  rows: number,
  wStart: number,
  pixelStep: number,
  bias: Int32Array,
  acc: Int32Array,
): number {
  const { w } = layer;
  const { channels, rowStep, columnStep, kw } = layer.g;
  for (let c = 0; c < channels; c++) {
    let s0 = bias[c]!;
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let j = wStart + c;
    for (let ky = 0, p = from + c; ky < rows; ky++, p += rowStep) {
      for (let kx = 0, i = p; kx < kw; kx++, i += columnStep, j += channels) {
        const v = w[j]!;
        s0 = (s0 + Math.imul(x[i]!, v)) | 0;
        s1 = (s1 + Math.imul(x[i + pixelStep]!, v)) | 0;
        s2 = (s2 + Math.imul(x[i + 2 * pixelStep]!, v)) | 0;
        s3 = (s3 + Math.imul(x[i + 3 * pixelStep]!, v)) | 0;
      }
    }
    acc[c] = s0;
    acc[channels + c] = s1;
    acc[2 * channels + c] = s2;
    acc[3 * channels + c] = s3;
  }
  return 4;
}

/** acc [4][channels]: four neighbouring columns of a 3-wide kernel read six input columns. */
function fourOf3(x: Bytes, layer: DepthwiseI8, from: number, rows: number, wStart: number, bias: Int32Array, acc: Int32Array): number {
  const { w } = layer;
  const { channels, rowStep } = layer.g;
  for (let c = 0; c < channels; c++) {
    let s0 = bias[c]!;
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (let ky = 0, p = from + c, q = wStart + c; ky < rows; ky++, p += rowStep, q += 3 * channels) {
      const w0 = w[q]!;
      const w1 = w[q + channels]!;
      const w2 = w[q + 2 * channels]!;
      const x1 = x[p + channels]!;
      const x2 = x[p + 2 * channels]!;
      const x3 = x[p + 3 * channels]!;
      const x4 = x[p + 4 * channels]!;
      s0 = (s0 + Math.imul(x[p]!, w0) + Math.imul(x1, w1) + Math.imul(x2, w2)) | 0;
      s1 = (s1 + Math.imul(x1, w0) + Math.imul(x2, w1) + Math.imul(x3, w2)) | 0;
      s2 = (s2 + Math.imul(x2, w0) + Math.imul(x3, w1) + Math.imul(x4, w2)) | 0;
      s3 = (s3 + Math.imul(x3, w0) + Math.imul(x4, w1) + Math.imul(x[p + 5 * channels]!, w2)) | 0;
    }
    acc[c] = s0;
    acc[channels + c] = s1;
    acc[2 * channels + c] = s2;
    acc[3 * channels + c] = s3;
  }
  return 4;
}

/** acc [2][channels]: two columns at stride 2 of a 3-wide kernel read five input columns. */
function twoOf3(x: Bytes, layer: DepthwiseI8, from: number, rows: number, wStart: number, bias: Int32Array, acc: Int32Array): number {
  const { w } = layer;
  const { channels, rowStep } = layer.g;
  for (let c = 0; c < channels; c++) {
    let s0 = bias[c]!;
    let s1 = s0;
    for (let ky = 0, p = from + c, q = wStart + c; ky < rows; ky++, p += rowStep, q += 3 * channels) {
      const w0 = w[q]!;
      const w1 = w[q + channels]!;
      const w2 = w[q + 2 * channels]!;
      const x2 = x[p + 2 * channels]!;
      s0 = (s0 + Math.imul(x[p]!, w0) + Math.imul(x[p + channels]!, w1) + Math.imul(x2, w2)) | 0;
      s1 = (s1 + Math.imul(x2, w0) + Math.imul(x[p + 3 * channels]!, w1) + Math.imul(x[p + 4 * channels]!, w2)) | 0;
    }
    acc[c] = s0;
    acc[channels + c] = s1;
  }
  return 2;
}

/** acc [outChannels]: one column with several outputs a channel, tap by tap. */
function withMultiplier(x: Bytes, layer: DepthwiseI8, image: number, row: number, col: number, acc: Int32Array): void {
  const { w, bias, zeroPoint, g } = layer;
  const { inH, inW, channels, outChannels, taps, multiplier } = g;
  const { dy, dx, inStepY, inStepX } = g.phases[0]!;
  for (let o = 0; o < outChannels; o++) acc[o] = bias[o]!;
  for (let t = 0; t < taps; t++) {
    const y = row * inStepY + dy[t]!;
    const z = col * inStepX + dx[t]!;
    if (y < 0 || y >= inH || z < 0 || z >= inW) continue;
    const from = ((image * inH + y) * inW + z) * channels;
    for (let c = 0, o = 0; c < channels; c++) {
      const v = x[from + c]! - zeroPoint;
      for (let m = 0; m < multiplier; m++, o++) acc[o] = (acc[o]! + Math.imul(v, w[t * outChannels + o]!)) | 0;
    }
  }
}
