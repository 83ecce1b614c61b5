/** Kernels that only move elements, one output element a call. */
import type { Elements, Thread } from "./types.ts";

export interface CopyConstants {
  /** The output as [n0, n1, n2, n3, n4], what the input steps in each dimension (it may be negative), and where it begins. */
  readonly n1: number;
  readonly n2: number;
  readonly n3: number;
  readonly n4: number;
  readonly s0: number;
  readonly s1: number;
  readonly s2: number;
  readonly s3: number;
  readonly s4: number;
  readonly offset: number;
}

/** Transpose, Slice, Expand. */
export function copyStrided(this: Thread<CopyConstants>, x: Elements): number {
  const i4 = imod(this.thread.x, this.constants.n4);
  const rest4 = idiv(this.thread.x, this.constants.n4);
  const i3 = imod(rest4, this.constants.n3);
  const rest3 = idiv(rest4, this.constants.n3);
  const i2 = imod(rest3, this.constants.n2);
  const rest2 = idiv(rest3, this.constants.n2);
  const i1 = imod(rest2, this.constants.n1);
  const i0 = idiv(rest2, this.constants.n1);
  const outer = this.constants.offset + i0 * this.constants.s0 + i1 * this.constants.s1 + i2 * this.constants.s2;
  return x[outer + i3 * this.constants.s3 + i4 * this.constants.s4]!;
}

export interface ConcatConstants {
  /** Elements that a and b add to each outer index. */
  readonly widthA: number;
  readonly widthB: number;
}

/** Two tensors as [outer, width] side by side. */
export function concatPair(this: Thread<ConcatConstants>, a: Elements, b: Elements): number {
  const width = this.constants.widthA + this.constants.widthB;
  const i = imod(this.thread.x, width);
  const outer = idiv(this.thread.x, width);
  let result = 0;
  if (i < this.constants.widthA) {
    result = a[outer * this.constants.widthA + i]!;
  } else {
    result = b[outer * this.constants.widthB + i - this.constants.widthA]!;
  }
  return result;
}

export interface PadConstants {
  /** 0 constant, 1 reflect, 2 edge. */
  readonly mode: number;
  /** Output and input as four dimensions, and how far the input lies inside the output in each. */
  readonly out1: number;
  readonly out2: number;
  readonly out3: number;
  readonly in0: number;
  readonly in1: number;
  readonly in2: number;
  readonly in3: number;
  readonly before0: number;
  readonly before1: number;
  readonly before2: number;
  readonly before3: number;
}

export function padBox(this: Thread<PadConstants>, x: Elements, value: number): number {
  let i3 = imod(this.thread.x, this.constants.out3) - this.constants.before3;
  const rest3 = idiv(this.thread.x, this.constants.out3);
  let i2 = imod(rest3, this.constants.out2) - this.constants.before2;
  const rest2 = idiv(rest3, this.constants.out2);
  let i1 = imod(rest2, this.constants.out1) - this.constants.before1;
  let i0 = idiv(rest2, this.constants.out1) - this.constants.before0;
  if (this.constants.mode === 1) {
    i0 = this.constants.in0 - 1 - Math.abs(this.constants.in0 - 1 - Math.abs(i0));
    i1 = this.constants.in1 - 1 - Math.abs(this.constants.in1 - 1 - Math.abs(i1));
    i2 = this.constants.in2 - 1 - Math.abs(this.constants.in2 - 1 - Math.abs(i2));
    i3 = this.constants.in3 - 1 - Math.abs(this.constants.in3 - 1 - Math.abs(i3));
  } else if (this.constants.mode === 2) {
    i0 = Math.min(Math.max(i0, 0), this.constants.in0 - 1);
    i1 = Math.min(Math.max(i1, 0), this.constants.in1 - 1);
    i2 = Math.min(Math.max(i2, 0), this.constants.in2 - 1);
    i3 = Math.min(Math.max(i3, 0), this.constants.in3 - 1);
  }
  let result = value;
  if (i0 >= 0 && i0 < this.constants.in0 && i1 >= 0 && i1 < this.constants.in1) {
    if (i2 >= 0 && i2 < this.constants.in2 && i3 >= 0 && i3 < this.constants.in3) {
      result = x[((i0 * this.constants.in1 + i1) * this.constants.in2 + i2) * this.constants.in3 + i3]!;
    }
  }
  return result;
}
