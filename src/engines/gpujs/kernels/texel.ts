/**
 * The kernels that carry a network's time, four output channels a call: every read is a texel of four values. Only on WebGL, whose tensors
 * hold four elements a texel, and where channels fill texels.
 */
import type { ConvConstants } from "./conv.ts";
import type { Elements, Texel, Texels, Thread } from "./types.ts";
import type { PoolConstants } from "./window.ts";

export interface ConvTexelConstants extends ConvConstants {
  /** Texels of input channels, of output channels. */
  readonly inTexels: number;
  readonly outTexels: number;
}

/**
 * Input channels fill texels, one group. w: for each output texel, tap and input texel four texels, one an input channel, that hold that
 * channel's weights of the four outputs.
 */
export function convTexel(this: Thread<ConvTexelConstants>, x: Texels, w: Texels, bias: Texels, lo: number, hi: number): Texel {
  const o = imod(this.thread.x, this.constants.outTexels);
  const pixel = idiv(this.thread.x, this.constants.outTexels);
  const ox = imod(pixel, this.constants.outW);
  const row = idiv(pixel, this.constants.outW);
  const oy = imod(row, this.constants.outH);
  const image = idiv(row, this.constants.outH) * this.constants.inH;
  const start = bias[o]!;
  let s0 = start[0];
  let s1 = start[1];
  let s2 = start[2];
  let s3 = start[3];
  for (let ky = 0; ky < this.constants.kh; ky++) {
    const iy = oy * this.constants.strideY + ky * this.constants.dilationY - this.constants.padY;
    if (iy >= 0 && iy < this.constants.inH) {
      for (let kx = 0; kx < this.constants.kw; kx++) {
        const ix = ox * this.constants.strideX + kx * this.constants.dilationX - this.constants.padX;
        if (ix >= 0 && ix < this.constants.inW) {
          const from = ((image + iy) * this.constants.inW + ix) * this.constants.inTexels;
          const weight = ((o * this.constants.kh + ky) * this.constants.kw + kx) * this.constants.inTexels * 4;
          for (let c = 0; c < this.constants.inTexels; c++) {
            const v = x[from + c]!;
            const w0 = w[weight + c * 4]!;
            const w1 = w[weight + c * 4 + 1]!;
            const w2 = w[weight + c * 4 + 2]!;
            const w3 = w[weight + c * 4 + 3]!;
            s0 += v[0] * w0[0] + v[1] * w1[0] + v[2] * w2[0] + v[3] * w3[0];
            s1 += v[0] * w0[1] + v[1] * w1[1] + v[2] * w2[1] + v[3] * w3[1];
            s2 += v[0] * w0[2] + v[1] * w1[2] + v[2] * w2[2] + v[3] * w3[2];
            s3 += v[0] * w0[3] + v[1] * w1[3] + v[2] * w2[3] + v[3] * w3[3];
          }
        }
      }
    }
  }
  return [
    finish(s0, this.constants.act, lo, hi),
    finish(s1, this.constants.act, lo, hi),
    finish(s2, this.constants.act, lo, hi),
    finish(s3, this.constants.act, lo, hi),
  ];
}

/** Any number of input channels, one group. w: for each output texel, tap and input channel one texel. */
export function convBroadcast(this: Thread<ConvTexelConstants>, x: Elements, w: Texels, bias: Texels, lo: number, hi: number): Texel {
  const o = imod(this.thread.x, this.constants.outTexels);
  const pixel = idiv(this.thread.x, this.constants.outTexels);
  const ox = imod(pixel, this.constants.outW);
  const row = idiv(pixel, this.constants.outW);
  const oy = imod(row, this.constants.outH);
  const image = idiv(row, this.constants.outH) * this.constants.inH;
  const start = bias[o]!;
  let s0 = start[0];
  let s1 = start[1];
  let s2 = start[2];
  let s3 = start[3];
  for (let ky = 0; ky < this.constants.kh; ky++) {
    const iy = oy * this.constants.strideY + ky * this.constants.dilationY - this.constants.padY;
    if (iy >= 0 && iy < this.constants.inH) {
      for (let kx = 0; kx < this.constants.kw; kx++) {
        const ix = ox * this.constants.strideX + kx * this.constants.dilationX - this.constants.padX;
        if (ix >= 0 && ix < this.constants.inW) {
          const from = ((image + iy) * this.constants.inW + ix) * this.constants.inC;
          const weight = ((o * this.constants.kh + ky) * this.constants.kw + kx) * this.constants.inC;
          for (let c = 0; c < this.constants.inC; c++) {
            const v = x[from + c]!;
            const weights = w[weight + c]!;
            s0 += v * weights[0];
            s1 += v * weights[1];
            s2 += v * weights[2];
            s3 += v * weights[3];
          }
        }
      }
    }
  }
  return [
    finish(s0, this.constants.act, lo, hi),
    finish(s1, this.constants.act, lo, hi),
    finish(s2, this.constants.act, lo, hi),
    finish(s3, this.constants.act, lo, hi),
  ];
}

/** One output a channel, channels fill texels; w [KH,KW,C] as it is. */
export function depthwiseTexel(this: Thread<ConvTexelConstants>, x: Texels, w: Texels, bias: Texels, lo: number, hi: number): Texel {
  const o = imod(this.thread.x, this.constants.outTexels);
  const pixel = idiv(this.thread.x, this.constants.outTexels);
  const ox = imod(pixel, this.constants.outW);
  const row = idiv(pixel, this.constants.outW);
  const oy = imod(row, this.constants.outH);
  const image = idiv(row, this.constants.outH) * this.constants.inH;
  const start = bias[o]!;
  let s0 = start[0];
  let s1 = start[1];
  let s2 = start[2];
  let s3 = start[3];
  for (let ky = 0; ky < this.constants.kh; ky++) {
    const iy = oy * this.constants.strideY + ky * this.constants.dilationY - this.constants.padY;
    if (iy >= 0 && iy < this.constants.inH) {
      for (let kx = 0; kx < this.constants.kw; kx++) {
        const ix = ox * this.constants.strideX + kx * this.constants.dilationX - this.constants.padX;
        if (ix >= 0 && ix < this.constants.inW) {
          const v = x[((image + iy) * this.constants.inW + ix) * this.constants.outTexels + o]!;
          const weights = w[(ky * this.constants.kw + kx) * this.constants.outTexels + o]!;
          s0 += v[0] * weights[0];
          s1 += v[1] * weights[1];
          s2 += v[2] * weights[2];
          s3 += v[3] * weights[3];
        }
      }
    }
  }
  return [
    finish(s0, this.constants.act, lo, hi),
    finish(s1, this.constants.act, lo, hi),
    finish(s2, this.constants.act, lo, hi),
    finish(s3, this.constants.act, lo, hi),
  ];
}

export interface PoolTexelConstants extends PoolConstants {
  readonly texels: number;
}

export function poolTexel(this: Thread<PoolTexelConstants>, x: Texels, lo: number, hi: number, lowest: number): Texel {
  const o = imod(this.thread.x, this.constants.texels);
  const pixel = idiv(this.thread.x, this.constants.texels);
  const ox = imod(pixel, this.constants.outW);
  const row = idiv(pixel, this.constants.outW);
  const oy = imod(row, this.constants.outH);
  const image = idiv(row, this.constants.outH) * this.constants.inH;
  let count = 0;
  let s0 = lowest;
  let s1 = lowest;
  let s2 = lowest;
  let s3 = lowest;
  for (let ky = 0; ky < this.constants.kh; ky++) {
    const iy = oy * this.constants.strideY + ky * this.constants.dilationY - this.constants.padY;
    for (let kx = 0; kx < this.constants.kw; kx++) {
      const ix = ox * this.constants.strideX + kx * this.constants.dilationX - this.constants.padX;
      if (iy >= 0 && iy < this.constants.inH && ix >= 0 && ix < this.constants.inW) {
        const v = x[((image + iy) * this.constants.inW + ix) * this.constants.texels + o]!;
        count += 1;
        if (this.constants.fn === 0) {
          s0 = Math.max(s0, v[0]);
          s1 = Math.max(s1, v[1]);
          s2 = Math.max(s2, v[2]);
          s3 = Math.max(s3, v[3]);
        } else {
          s0 += v[0];
          s1 += v[1];
          s2 += v[2];
          s3 += v[3];
        }
      } else if (this.constants.fn === 2 && iy < this.constants.endY && ix < this.constants.endX) {
        count += 1;
      }
    }
  }
  if (this.constants.fn > 0) {
    s0 = s0 / count;
    s1 = s1 / count;
    s2 = s2 / count;
    s3 = s3 / count;
  }
  return [
    finish(s0, this.constants.act, lo, hi),
    finish(s1, this.constants.act, lo, hi),
    finish(s2, this.constants.act, lo, hi),
    finish(s3, this.constants.act, lo, hi),
  ];
}
