/**
 * 8-bit depthwise convolution, exact in int32; the same shapes as depthwise_f32.ts. Inside the image the input's zero point is already
 * part of the bias, so that the loops multiply stored values.
 */
import { requantize } from "../../../graph/numerics.ts";
import { requantizeNarrow } from "./finish.ts";
import type { Depthwise } from "./conv_geometry.ts";
import type { IntegerFinish } from "./gemm_i8.ts";

type Bytes = Int8Array | Uint8Array;
/** Weights less their zero points: bytes, or widened when a zero point is not 0. */
export type DepthwiseWeights = Int8Array | Int16Array;

/** bias[o] - zeroPoint × Σ_taps w(tap, o): what the bias becomes when whole windows read stored values. */
export function insideBias(g: Depthwise, w: DepthwiseWeights, bias: Int32Array, zeroPoint: number): Int32Array {
  return bias.map((b, o) => {
    let sum = 0;
    for (let t = 0; t < g.taps; t++) sum += w[t * g.outChannels + o]!;
    return (b - Math.imul(zeroPoint, sum)) | 0;
  });
}

/**
 * @param inside see `insideBias`
 * @param acc scratch of 4 × outChannels int32
 */
export function depthwiseI8(
  x: Bytes,
  zeroPoint: number,
  g: Depthwise,
  w: DepthwiseWeights,
  bias: Int32Array,
  inside: Int32Array,
  out: Bytes,
  acc: Int32Array,
  finish: IntegerFinish,
): void {
  const { inH, inW, channels, outH, outW, outChannels, tile } = g;
  const { inStepY, inStepX, reach } = g.phases[0]!;
  let to = 0;
  for (let image = 0; image < g.batch; image++) {
    for (let row = 0; row < outH; row++) {
      const y0 = row * inStepY;
      const insideY = y0 + reach.top >= 0 && y0 + reach.bottom < inH;
      for (let col = 0; col < outW;) {
        const x0 = col * inStepX;
        const last = x0 + (tile - 1) * inStepX + reach.right;
        if (tile > 0 && insideY && col + tile <= outW && x0 + reach.left >= 0 && last < inW) {
          const first = ((image * inH + y0 + reach.top) * inW + x0 + reach.left) * channels;
          if (tile === 4) tile3x3x4(x, first, inW * channels, channels, w, inside, acc);
          else tile3x3x2(x, first, inW * channels, channels, w, inside, acc);
          store(acc, tile, channels, out, to, finish);
          col += tile;
          to += tile * outChannels;
          continue;
        }
        anyWindow(x, zeroPoint, g, image, y0, x0, w, bias, acc);
        store(acc, 1, outChannels, out, to, finish);
        col++;
        to += outChannels;
      }
    }
  }
}

function anyWindow(
  x: Bytes,
  zeroPoint: number,
  g: Depthwise,
  image: number,
  y0: number,
  x0: number,
  w: DepthwiseWeights,
  bias: Int32Array,
  acc: Int32Array,
): void {
  const { inH, inW, channels, outChannels, taps, multiplier } = g;
  const { dy, dx } = g.phases[0]!;
  for (let o = 0; o < outChannels; o++) acc[o] = bias[o]!;
  for (let t = 0; t < taps; t++) {
    const y = y0 + dy[t]!;
    const z = x0 + dx[t]!;
    if (y < 0 || y >= inH || z < 0 || z >= inW) continue;
    const from = ((image * inH + y) * inW + z) * channels;
    const wAt = t * outChannels;
    if (multiplier === 1) for (let c = 0; c < channels; c++) acc[c] = (acc[c]! + Math.imul(x[from + c]! - zeroPoint, w[wAt + c]!)) | 0;
    else {
      for (let c = 0, o = 0; c < channels; c++) {
        const v = x[from + c]! - zeroPoint;
        for (let m = 0; m < multiplier; m++, o++) acc[o] = (acc[o]! + Math.imul(v, w[wAt + o]!)) | 0;
      }
    }
  }
}

function store(acc: Int32Array, pixels: number, channels: number, out: Bytes, to: number, finish: IntegerFinish): void {
  const { scales, zeroPoint, lo, hi, narrow } = finish;
  for (let p = 0; p < pixels; p++) {
    const at = p * channels;
    if (narrow) for (let o = 0; o < channels; o++) out[to + at + o] = requantizeNarrow(acc[at + o]!, scales[o]!, zeroPoint, lo, hi);
    else for (let o = 0; o < channels; o++) out[to + at + o] = requantize(acc[at + o]!, scales[o]!, zeroPoint, lo, hi);
  }
}

/** acc [4][channels]: four neighbouring outputs at stride 1. */
function tile3x3x4(
  x: Bytes,
  first: number,
  rowStep: number,
  channels: number,
  w: DepthwiseWeights,
  bias: Int32Array,
  acc: Int32Array,
): void {
  for (let c = 0; c < channels; c++) {
    let s0 = bias[c]!;
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (let ky = 0, p = first + c, q = c; ky < 3; ky++, p += rowStep, q += 3 * channels) {
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
}

/** acc [2][channels]: two neighbouring outputs at stride 2. */
function tile3x3x2(
  x: Bytes,
  first: number,
  rowStep: number,
  channels: number,
  w: DepthwiseWeights,
  bias: Int32Array,
  acc: Int32Array,
): void {
  for (let c = 0; c < channels; c++) {
    let s0 = bias[c]!;
    let s1 = s0;
    for (let ky = 0, p = first + c, q = c; ky < 3; ky++, p += rowStep, q += 3 * channels) {
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
}
