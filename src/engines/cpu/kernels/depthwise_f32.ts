/**
 * Float depthwise convolution, channels innermost. Between the left and right edge four output columns (two at stride 2) run at once, so
 * that a weight is loaded and widened once for all of them, and 3-wide kernels also share their inputs.
 */
import type { DepthwiseGeometry } from "./depthwise_geometry.ts";
import { finishValue } from "./finish.ts";
import type { FloatFinish } from "./finish.ts";

/** What the column loops need besides their position. */
interface Columns {
  readonly x: Float32Array;
  readonly w: Float32Array;
  readonly bias: Float32Array;
  readonly out: Float32Array;
  readonly finish: FloatFinish;
  readonly g: DepthwiseGeometry;
}

/** @param acc scratch of outChannels doubles, used with a channel multiplier only */
export function depthwiseF32(
  x: Float32Array,
  g: DepthwiseGeometry,
  w: Float32Array,
  bias: Float32Array,
  out: Float32Array,
  acc: Float64Array,
  finish: FloatFinish,
): void {
  const { inH, inW, channels, outH, outW, outChannels, kw, pixelStep, insideFrom, insideTo, tile } = g;
  const job: Columns = { x, w, bias, out, finish, g };
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
        if (tile === "multiplier") withMultiplier(job, image, row, col, acc, to);
        else if (tile === "k3s1" && ahead >= 4) done = fourOf3(job, from, rows, wRow, to);
        else if (tile === "k3s2" && ahead >= 2) done = twoOf3(job, from, rows, wRow, to);
        else if (tile === "any" && ahead >= 4) done = four(job, from, rows, wRow, pixelStep, to);
        else one(job, from, rows, g.kxTo[col]! - g.kxFrom[col]!, wRow + g.kxFrom[col]! * channels, to);
        col += done;
        to += done * outChannels;
      }
    }
  }
}

/** One column, over the kernel rows and columns that are inside. */
function one(job: Columns, from: number, rows: number, columns: number, wStart: number, to: number): number {
  const { x, w, bias, out } = job;
  const { channels, rowStep, columnStep, kw } = job.g;
  const { lo, hi, hardswish } = job.finish;
  for (let c = 0; c < channels; c++) {
    let sum = bias[c]!;
    for (let ky = 0, p = from + c, q = wStart + c; ky < rows; ky++, p += rowStep, q += kw * channels) {
      for (let kx = 0, i = p, j = q; kx < columns; kx++, i += columnStep, j += channels) sum += x[i]! * w[j]!;
    }
    out[to + c] = finishValue(sum, lo, hi, hardswish);
  }
  return 1;
}

/** Four columns of any kernel. */
function four(job: Columns, from: number, rows: number, wStart: number, pixelStep: number, to: number): number {
  const { x, w, bias, out } = job;
  const { channels, rowStep, columnStep, kw } = job.g;
  const { lo, hi, hardswish } = job.finish;
  for (let c = 0; c < channels; c++) {
    let s0 = bias[c]!;
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let j = wStart + c;
    for (let ky = 0, p = from + c; ky < rows; ky++, p += rowStep) {
      for (let kx = 0, i = p; kx < kw; kx++, i += columnStep, j += channels) {
        const v = w[j]!;
        s0 += x[i]! * v;
        s1 += x[i + pixelStep]! * v;
        s2 += x[i + 2 * pixelStep]! * v;
        s3 += x[i + 3 * pixelStep]! * v;
      }
    }
    out[to + c] = finishValue(s0, lo, hi, hardswish);
    out[to + channels + c] = finishValue(s1, lo, hi, hardswish);
    out[to + 2 * channels + c] = finishValue(s2, lo, hi, hardswish);
    out[to + 3 * channels + c] = finishValue(s3, lo, hi, hardswish);
  }
  return 4;
}

/** Four neighbouring columns of a 3-wide kernel read six input columns. */
function fourOf3(job: Columns, from: number, rows: number, wStart: number, to: number): number {
  const { x, w, bias, out } = job;
  const { channels, rowStep } = job.g;
  const { lo, hi, hardswish } = job.finish;
  for (let c = 0; c < channels; c++) {
    let s0 = bias[c]!;
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (let ky = 0, p = from + c, q = wStart + c; ky < rows; ky++, p += rowStep, q += 3 * channels) {
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
  return 4;
}

/** Two columns at stride 2 of a 3-wide kernel read five input columns. */
function twoOf3(job: Columns, from: number, rows: number, wStart: number, to: number): number {
  const { x, w, bias, out } = job;
  const { channels, rowStep } = job.g;
  const { lo, hi, hardswish } = job.finish;
  for (let c = 0; c < channels; c++) {
    let s0 = bias[c]!;
    let s1 = s0;
    for (let ky = 0, p = from + c, q = wStart + c; ky < rows; ky++, p += rowStep, q += 3 * channels) {
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
  return 2;
}

/** One column with several outputs a channel, tap by tap into a row of doubles. */
function withMultiplier(job: Columns, image: number, row: number, col: number, acc: Float64Array, to: number): void {
  const { x, w, bias, out, g } = job;
  const { lo, hi, hardswish } = job.finish;
  const { inH, inW, channels, outChannels, taps, multiplier } = g;
  const { dy, dx, inStepY, inStepX } = g.phases[0]!;
  for (let o = 0; o < outChannels; o++) acc[o] = bias[o]!;
  for (let t = 0; t < taps; t++) {
    const y = row * inStepY + dy[t]!;
    const z = col * inStepX + dx[t]!;
    if (y < 0 || y >= inH || z < 0 || z >= inW) continue;
    const from = ((image * inH + y) * inW + z) * channels;
    for (let c = 0, o = 0; c < channels; c++) {
      const v = x[from + c]!;
      for (let m = 0; m < multiplier; m++, o++) acc[o] = acc[o]! + v * w[t * outChannels + o]!;
    }
  }
  for (let o = 0; o < outChannels; o++) out[to + o] = finishValue(acc[o]!, lo, hi, hardswish);
}
