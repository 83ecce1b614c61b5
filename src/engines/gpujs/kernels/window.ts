/** Pools, reductions and softmax, one output element a call. */
import type { Elements, Thread } from "./types.ts";

export interface PoolConstants {
  readonly inH: number;
  readonly inW: number;
  readonly outH: number;
  readonly outW: number;
  readonly kh: number;
  readonly kw: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly dilationY: number;
  readonly dilationX: number;
  readonly padY: number;
  readonly padX: number;
  /** First row and column behind the padded image. */
  readonly endY: number;
  readonly endX: number;
  readonly channels: number;
  /** 0 maximum, 1 average over the image, 2 average over the padded image. */
  readonly fn: number;
  readonly act: number;
}

/** @param lowest what a window starts from: minus infinity, or 0 for an average */
export function poolDirect(this: Thread<PoolConstants>, x: Elements, lo: number, hi: number, lowest: number): number {
  const c = imod(this.thread.x, this.constants.channels);
  const pixel = idiv(this.thread.x, this.constants.channels);
  const ox = imod(pixel, this.constants.outW);
  const row = idiv(pixel, this.constants.outW);
  const oy = imod(row, this.constants.outH);
  const image = idiv(row, this.constants.outH) * this.constants.inH;
  let count = 0;
  let result = lowest;
  for (let ky = 0; ky < this.constants.kh; ky++) {
    const iy = oy * this.constants.strideY + ky * this.constants.dilationY - this.constants.padY;
    for (let kx = 0; kx < this.constants.kw; kx++) {
      const ix = ox * this.constants.strideX + kx * this.constants.dilationX - this.constants.padX;
      if (iy >= 0 && iy < this.constants.inH && ix >= 0 && ix < this.constants.inW) {
        const v = x[((image + iy) * this.constants.inW + ix) * this.constants.channels + c]!;
        count += 1;
        if (this.constants.fn === 0) {
          result = Math.max(result, v);
        } else {
          result += v;
        }
      } else if (this.constants.fn === 2 && iy < this.constants.endY && ix < this.constants.endX) {
        count += 1;
      }
    }
  }
  if (this.constants.fn > 0) {
    result = result / count;
  }
  return finish(result, this.constants.act, lo, hi);
}

export interface ReduceConstants {
  /** x as [outer, length, inner]. */
  readonly length: number;
  readonly inner: number;
  /** 0 sum, 1 maximum, 2 minimum, 3 product. */
  readonly fn: number;
}

/** @param divisor of a mean; else 1 */
export function reduceDirect(this: Thread<ReduceConstants>, x: Elements, divisor: number): number {
  const from =
    idiv(this.thread.x, this.constants.inner) * this.constants.length * this.constants.inner + imod(this.thread.x, this.constants.inner);
  let result = x[from]!;
  for (let i = 1; i < this.constants.length; i++) {
    const v = x[from + i * this.constants.inner]!;
    if (this.constants.fn === 0) {
      result += v;
    } else if (this.constants.fn === 1) {
      result = Math.max(result, v);
    } else if (this.constants.fn === 2) {
      result = Math.min(result, v);
    } else {
      result = result * v;
    }
  }
  return result / divisor;
}

export interface SoftmaxConstants {
  /** x as [outer, length, inner]. */
  readonly length: number;
  readonly inner: number;
}

/** Largest value of each row of x [outer, length, inner] → [outer, inner]. */
export function softmaxMax(this: Thread<SoftmaxConstants>, x: Elements): number {
  const from =
    idiv(this.thread.x, this.constants.inner) * this.constants.length * this.constants.inner + imod(this.thread.x, this.constants.inner);
  let result = x[from]!;
  for (let i = 1; i < this.constants.length; i++) {
    result = Math.max(result, x[from + i * this.constants.inner]!);
  }
  return result;
}

/** Σ exp(beta (x - max)) of each row. */
export function softmaxSum(this: Thread<SoftmaxConstants>, x: Elements, max: Elements, beta: number): number {
  const from =
    idiv(this.thread.x, this.constants.inner) * this.constants.length * this.constants.inner + imod(this.thread.x, this.constants.inner);
  const most = max[this.thread.x]!;
  let sum = 0;
  for (let i = 0; i < this.constants.length; i++) {
    sum += Math.exp(beta * (x[from + i * this.constants.inner]! - most));
  }
  return sum;
}

export function softmaxScale(this: Thread<SoftmaxConstants>, x: Elements, max: Elements, sum: Elements, beta: number): number {
  const row =
    idiv(this.thread.x, this.constants.length * this.constants.inner) * this.constants.inner + imod(this.thread.x, this.constants.inner);
  return Math.exp(beta * (x[this.thread.x]! - max[row]!)) / sum[row]!;
}
