/** Convolutions and matrix products, one output element a call. They run on WebGL and on gpu.js's CPU alike. */
import type { Elements, Thread } from "./types.ts";

export interface ConvConstants {
  readonly inH: number;
  readonly inW: number;
  readonly inC: number;
  readonly outH: number;
  readonly outW: number;
  readonly outC: number;
  readonly kh: number;
  readonly kw: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly dilationY: number;
  readonly dilationX: number;
  readonly padY: number;
  readonly padX: number;
  /** Input channels that an output channel reads. */
  readonly groupIn: number;
  /** Output channels of a group. */
  readonly groupOut: number;
  readonly act: number;
}

/** x [N,H,W,C], w [O,KH,KW,C/groups], bias [O]; any stride, dilation, padding and groups. */
export function convDirect(this: Thread<ConvConstants>, x: Elements, w: Elements, bias: Elements, lo: number, hi: number): number {
  const o = imod(this.thread.x, this.constants.outC);
  const pixel = idiv(this.thread.x, this.constants.outC);
  const ox = imod(pixel, this.constants.outW);
  const row = idiv(pixel, this.constants.outW);
  const oy = imod(row, this.constants.outH);
  const image = idiv(row, this.constants.outH) * this.constants.inH;
  const first = idiv(o, this.constants.groupOut) * this.constants.groupIn;
  let sum = bias[o]!;
  for (let ky = 0; ky < this.constants.kh; ky++) {
    const iy = oy * this.constants.strideY + ky * this.constants.dilationY - this.constants.padY;
    if (iy >= 0 && iy < this.constants.inH) {
      for (let kx = 0; kx < this.constants.kw; kx++) {
        const ix = ox * this.constants.strideX + kx * this.constants.dilationX - this.constants.padX;
        if (ix >= 0 && ix < this.constants.inW) {
          const from = ((image + iy) * this.constants.inW + ix) * this.constants.inC + first;
          const weight = ((o * this.constants.kh + ky) * this.constants.kw + kx) * this.constants.groupIn;
          for (let c = 0; c < this.constants.groupIn; c++) {
            sum += x[from + c]! * w[weight + c]!;
          }
        }
      }
    }
  }
  return finish(sum, this.constants.act, lo, hi);
}

/** x [N,H,W,C], w [KH,KW,C*m], bias [C*m]; groupOut is m. */
export function depthwiseDirect(this: Thread<ConvConstants>, x: Elements, w: Elements, bias: Elements, lo: number, hi: number): number {
  const o = imod(this.thread.x, this.constants.outC);
  const pixel = idiv(this.thread.x, this.constants.outC);
  const ox = imod(pixel, this.constants.outW);
  const row = idiv(pixel, this.constants.outW);
  const oy = imod(row, this.constants.outH);
  const image = idiv(row, this.constants.outH) * this.constants.inH;
  const channel = idiv(o, this.constants.groupOut);
  let sum = bias[o]!;
  for (let ky = 0; ky < this.constants.kh; ky++) {
    const iy = oy * this.constants.strideY + ky * this.constants.dilationY - this.constants.padY;
    if (iy >= 0 && iy < this.constants.inH) {
      for (let kx = 0; kx < this.constants.kw; kx++) {
        const ix = ox * this.constants.strideX + kx * this.constants.dilationX - this.constants.padX;
        if (ix >= 0 && ix < this.constants.inW) {
          const from = ((image + iy) * this.constants.inW + ix) * this.constants.inC + channel;
          sum += x[from]! * w[(ky * this.constants.kw + kx) * this.constants.outC + o]!;
        }
      }
    }
  }
  return finish(sum, this.constants.act, lo, hi);
}

export interface DenseConstants {
  readonly k: number;
  readonly n: number;
  readonly act: number;
}

/** x [M,K], w [N,K], bias [N] → [M,N] */
export function denseDirect(this: Thread<DenseConstants>, x: Elements, w: Elements, bias: Elements, lo: number, hi: number): number {
  const o = imod(this.thread.x, this.constants.n);
  const from = idiv(this.thread.x, this.constants.n) * this.constants.k;
  const weight = o * this.constants.k;
  let sum = bias[o]!;
  for (let i = 0; i < this.constants.k; i++) {
    sum += x[from + i]! * w[weight + i]!;
  }
  return finish(sum, this.constants.act, lo, hi);
}

export interface MatMulConstants {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly aRow: number;
  readonly aStep: number;
  readonly bStep: number;
  readonly bColumn: number;
  /** Two dimensions of matrices, the inner one's size, and what an operand steps in each. */
  readonly batch1: number;
  readonly a0: number;
  readonly a1: number;
  readonly b0: number;
  readonly b1: number;
}

export function matMulDirect(this: Thread<MatMulConstants>, a: Elements, b: Elements): number {
  const column = imod(this.thread.x, this.constants.n);
  const line = idiv(this.thread.x, this.constants.n);
  const row = imod(line, this.constants.m);
  const matrix = idiv(line, this.constants.m);
  const inner = imod(matrix, this.constants.batch1);
  const outer = idiv(matrix, this.constants.batch1);
  const fromA = outer * this.constants.a0 + inner * this.constants.a1 + row * this.constants.aRow;
  const fromB = outer * this.constants.b0 + inner * this.constants.b1 + column * this.constants.bColumn;
  let sum = 0;
  for (let i = 0; i < this.constants.k; i++) {
    sum += a[fromA + i * this.constants.aStep]! * b[fromB + i * this.constants.bStep]!;
  }
  return sum;
}
