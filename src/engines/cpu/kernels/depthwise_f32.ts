/**
 * Float depthwise convolution. 3×3 windows inside the image run four (stride 1) or two (stride 2) output columns at once, so that a
 * weight is loaded and widened once for all of them and columns share their inputs; everything else collects taps in a row of doubles.
 */
import { finishValue } from "./finish.ts";
import type { FloatFinish } from "./finish.ts";
import type { Depthwise } from "./conv_geometry.ts";

/** @param acc scratch of outChannels doubles */
export function depthwiseF32(
  x: Float32Array,
  g: Depthwise,
  w: Float32Array,
  bias: Float32Array,
  out: Float32Array,
  acc: Float64Array,
  finish: FloatFinish,
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
          if (tile === 4) tile3x3x4(x, first, inW * channels, channels, w, bias, out, to, finish);
          else tile3x3x2(x, first, inW * channels, channels, w, bias, out, to, finish);
          col += tile;
          to += tile * outChannels;
          continue;
        }
        anyWindow(x, g, image, y0, x0, w, bias, acc);
        store(acc, outChannels, out, to, finish);
        col++;
        to += outChannels;
      }
    }
  }
}

function anyWindow(
  x: Float32Array,
  g: Depthwise,
  image: number,
  y0: number,
  x0: number,
  w: Float32Array,
  bias: Float32Array,
  acc: Float64Array,
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
    if (multiplier === 1) for (let c = 0; c < channels; c++) acc[c] = acc[c]! + x[from + c]! * w[wAt + c]!;
    else {
      for (let c = 0, o = 0; c < channels; c++) {
        const v = x[from + c]!;
        for (let m = 0; m < multiplier; m++, o++) acc[o] = acc[o]! + v * w[wAt + o]!;
      }
    }
  }
}

function store(acc: Float64Array, channels: number, out: Float32Array, to: number, finish: FloatFinish): void {
  const { lo, hi, hardswish } = finish;
  for (let o = 0; o < channels; o++) out[to + o] = finishValue(acc[o]!, lo, hi, hardswish);
}

/** Four neighbouring outputs at stride 1 read 3 rows × 6 columns. */
function tile3x3x4(
  x: Float32Array,
  first: number,
  rowStep: number,
  channels: number,
  w: Float32Array,
  bias: Float32Array,
  out: Float32Array,
  to: number,
  finish: FloatFinish,
): void {
  const { lo, hi, hardswish } = finish;
  for (let c = 0; c < channels; c++) {
    const b = bias[c]!;
    let s0 = b;
    let s1 = b;
    let s2 = b;
    let s3 = b;
    for (let ky = 0, p = first + c, q = c; ky < 3; ky++, p += rowStep, q += 3 * channels) {
      const w0 = w[q]!;
      const w1 = w[q + channels]!;
      const w2 = w[q + 2 * channels]!;
      const x0 = x[p]!;
      const x1 = x[p + channels]!;
      const x2 = x[p + 2 * channels]!;
      const x3 = x[p + 3 * channels]!;
      const x4 = x[p + 4 * channels]!;
      const x5 = x[p + 5 * channels]!;
      s0 = s0 + x0 * w0 + x1 * w1 + x2 * w2;
      s1 = s1 + x1 * w0 + x2 * w1 + x3 * w2;
      s2 = s2 + x2 * w0 + x3 * w1 + x4 * w2;
      s3 = s3 + x3 * w0 + x4 * w1 + x5 * w2;
    }
    out[to + c] = finishValue(s0, lo, hi, hardswish);
    out[to + channels + c] = finishValue(s1, lo, hi, hardswish);
    out[to + 2 * channels + c] = finishValue(s2, lo, hi, hardswish);
    out[to + 3 * channels + c] = finishValue(s3, lo, hi, hardswish);
  }
}

/** Two neighbouring outputs at stride 2 read 3 rows × 5 columns. */
function tile3x3x2(
  x: Float32Array,
  first: number,
  rowStep: number,
  channels: number,
  w: Float32Array,
  bias: Float32Array,
  out: Float32Array,
  to: number,
  finish: FloatFinish,
): void {
  const { lo, hi, hardswish } = finish;
  for (let c = 0; c < channels; c++) {
    let s0 = bias[c]!;
    let s1 = s0;
    for (let ky = 0, p = first + c, q = c; ky < 3; ky++, p += rowStep, q += 3 * channels) {
      const w0 = w[q]!;
      const w1 = w[q + channels]!;
      const w2 = w[q + 2 * channels]!;
      const x2 = x[p + 2 * channels]!;
      s0 = s0 + x[p]! * w0 + x[p + channels]! * w1 + x2 * w2;
      s1 = s1 + x2 * w0 + x[p + 3 * channels]! * w1 + x[p + 4 * channels]! * w2;
    }
    out[to + c] = finishValue(s0, lo, hi, hardswish);
    out[to + channels + c] = finishValue(s1, lo, hi, hardswish);
  }
}
