/** Unary and binary functions, one output element a call. `fn` picks one when the kernel is compiled. */
import type { BinaryFn, UnaryFn } from "../../../graph/ir.ts";
import type { Elements, Thread } from "./types.ts";

export const BINARY_CODES: Readonly<Record<BinaryFn, number>> = { add: 0, sub: 1, mul: 2, div: 3, min: 4, max: 5, pow: 6 };

export interface BinaryConstants {
  readonly fn: number;
  readonly act: number;
  /** The output as [n0, n1, n2, n3, n4], and what an operand steps in each dimension; 0 where it repeats. */
  readonly n1: number;
  readonly n2: number;
  readonly n3: number;
  readonly n4: number;
  readonly a0: number;
  readonly a1: number;
  readonly a2: number;
  readonly a3: number;
  readonly a4: number;
  readonly b0: number;
  readonly b1: number;
  readonly b2: number;
  readonly b3: number;
  readonly b4: number;
}

export function binary(this: Thread<BinaryConstants>, a: Elements, b: Elements, lo: number, hi: number): number {
  const i4 = imod(this.thread.x, this.constants.n4);
  const rest4 = idiv(this.thread.x, this.constants.n4);
  const i3 = imod(rest4, this.constants.n3);
  const rest3 = idiv(rest4, this.constants.n3);
  const i2 = imod(rest3, this.constants.n2);
  const rest2 = idiv(rest3, this.constants.n2);
  const i1 = imod(rest2, this.constants.n1);
  const i0 = idiv(rest2, this.constants.n1);
  const p = i0 * this.constants.a0 + i1 * this.constants.a1 + i2 * this.constants.a2 + i3 * this.constants.a3 + i4 * this.constants.a4;
  const q = i0 * this.constants.b0 + i1 * this.constants.b1 + i2 * this.constants.b2 + i3 * this.constants.b3 + i4 * this.constants.b4;
  const u = a[p]!;
  const v = b[q]!;
  let result = u + v;
  if (this.constants.fn === 1) {
    result = u - v;
  } else if (this.constants.fn === 2) {
    result = u * v;
  } else if (this.constants.fn === 3) {
    result = u / v;
  } else if (this.constants.fn === 4) {
    result = Math.min(u, v);
  } else if (this.constants.fn === 5) {
    result = Math.max(u, v);
  } else if (this.constants.fn === 6) {
    // GLSL has no power of a negative base.
    result = Math.pow(Math.abs(u), v);
    if (u < 0) {
      const half = v * 0.5;
      if (Math.floor(v) !== v) {
        result = (u - u) / (u - u);
      } else if (Math.floor(half) !== half) {
        result = 0 - result;
      }
    }
  }
  return finish(result, this.constants.act, lo, hi);
}

export const UNARY_CODES: Readonly<Record<UnaryFn, number>> = {
  relu: 0,
  leakyrelu: 1,
  clip: 2,
  sigmoid: 3,
  hardsigmoid: 4,
  hardswish: 5,
  tanh: 6,
  sqrt: 7,
  exp: 8,
  log: 9,
  abs: 10,
  neg: 11,
  reciprocal: 12,
  floor: 13,
  ceil: 14,
  erf: 15,
};

export interface UnaryConstants {
  readonly fn: number;
}

/** @param p slope, or lower bound @param q offset, or upper bound */
export function unary(this: Thread<UnaryConstants>, x: Elements, p: number, q: number): number {
  const v = x[this.thread.x]!;
  let result = Math.max(v, 0);
  if (this.constants.fn === 1) {
    if (v < 0) {
      result = v * p;
    }
  } else if (this.constants.fn === 2) {
    result = Math.min(Math.max(v, p), q);
  } else if (this.constants.fn === 3) {
    result = 1 / (1 + Math.exp(0 - v));
  } else if (this.constants.fn === 4) {
    result = Math.min(Math.max(p * v + q, 0), 1);
  } else if (this.constants.fn === 5) {
    result = (v * Math.min(Math.max(v + 3, 0), 6)) / 6;
  } else if (this.constants.fn === 6) {
    // Beyond 10 it is 1 in float32, and some drivers overflow.
    result = Math.tanh(Math.min(Math.max(v, -10), 10));
  } else if (this.constants.fn === 7) {
    result = Math.sqrt(v);
  } else if (this.constants.fn === 8) {
    result = Math.exp(v);
  } else if (this.constants.fn === 9) {
    result = Math.log(v);
  } else if (this.constants.fn === 10) {
    result = Math.abs(v);
  } else if (this.constants.fn === 11) {
    result = 0 - v;
  } else if (this.constants.fn === 12) {
    result = 1 / v;
  } else if (this.constants.fn === 13) {
    result = Math.floor(v);
  } else if (this.constants.fn === 14) {
    result = Math.ceil(v);
  } else if (this.constants.fn === 15) {
    // Abramowitz and Stegun 7.1.26, within 1.5e-7.
    const m = Math.abs(v);
    const t = 1 / (1 + 0.3275911 * m);
    const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    result = 1 - series * Math.exp(0 - m * m);
    if (v < 0) {
      result = 0 - result;
    }
  }
  return result;
}
