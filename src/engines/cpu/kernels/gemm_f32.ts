/**
 * Float matrix multiplication, the core of Conv2D, ConvTranspose2D, Dense and MatMul. Weights are packed [N/4][K][4] float32; four
 * rows of the left side arrive as a panel [K][4] of doubles. A 4×4 tile keeps 16 double accumulators in registers, adds in the order
 * of k, and rounds once on the store. Measured on Node 20: `Math.fround` in the loop halves the speed.
 */
import { finishValue } from "./shared.ts";
import type { FloatFinish } from "./shared.ts";

export interface DenseF32 {
  readonly kind: "dense";
  readonly n: number;
  readonly k: number;
  /** [ceil(n/4)][k][4], zero where n is not a multiple of 4. */
  readonly values: Float32Array;
}

/** @param w [n][k], row-major from `offset`; element (j, i) is w[offset + j*strideN + i*strideK] */
export function packDenseF32(w: Float32Array, offset: number, n: number, k: number, strideN = k, strideK = 1): DenseF32 {
  const values = new Float32Array(Math.ceil(n / 4) * k * 4);
  for (let j = 0; j < n; j++) {
    let to = (j >> 2) * k * 4 + (j & 3);
    let from = offset + j * strideN;
    for (let i = 0; i < k; i++, to += 4, from += strideK) values[to] = w[from]!;
  }
  return { kind: "dense", n, k, values };
}

/**
 * out[offsets[r] + j] = finish(bias[j] + Σ_k a[k*4 + r] * w(j, k)) for r < count, j < n.
 * @param a panel [k][4]; columns from `count` on are not read
 * @param bias at least biasOffset + n values
 */
export function multiplyDenseF32(
  w: DenseF32,
  a: Float64Array,
  count: number,
  bias: Float32Array,
  biasOffset: number,
  out: Float32Array,
  offsets: Int32Array,
  finish: FloatFinish,
): void {
  const { n, k, values } = w;
  for (let j = 0; j < n; j += 4) {
    const valid = n - j < 4 ? n - j : 4;
    if (count === 4) tile4x4(a, k, values, j * k, bias, biasOffset + j, valid, out, offsets, j, finish);
    else for (let r = 0; r < count; r++) tile1x4(a, r, k, values, j * k, bias, biasOffset + j, valid, out, offsets[r]! + j, finish);
  }
}

function tile4x4(
  a: Float64Array,
  k: number,
  w: Float32Array,
  wStart: number,
  bias: Float32Array,
  biasStart: number,
  valid: number,
  out: Float32Array,
  offsets: Int32Array,
  column: number,
  finish: FloatFinish,
): void {
  let c00 = 0,
    c01 = 0,
    c02 = 0,
    c03 = 0;
  let c10 = 0,
    c11 = 0,
    c12 = 0,
    c13 = 0;
  let c20 = 0,
    c21 = 0,
    c22 = 0,
    c23 = 0;
  let c30 = 0,
    c31 = 0,
    c32 = 0,
    c33 = 0;
  const end = k * 4;
  for (let i = 0, p = wStart; i < end; i += 4, p += 4) {
    const a0 = a[i]!;
    const a1 = a[i + 1]!;
    const a2 = a[i + 2]!;
    const a3 = a[i + 3]!;
    const w0 = w[p]!;
    c00 += a0 * w0;
    c10 += a1 * w0;
    c20 += a2 * w0;
    c30 += a3 * w0;
    const w1 = w[p + 1]!;
    c01 += a0 * w1;
    c11 += a1 * w1;
    c21 += a2 * w1;
    c31 += a3 * w1;
    const w2 = w[p + 2]!;
    c02 += a0 * w2;
    c12 += a1 * w2;
    c22 += a2 * w2;
    c32 += a3 * w2;
    const w3 = w[p + 3]!;
    c03 += a0 * w3;
    c13 += a1 * w3;
    c23 += a2 * w3;
    c33 += a3 * w3;
  }
  storeRow(out, offsets[0]! + column, valid, c00, c01, c02, c03, bias, biasStart, finish);
  storeRow(out, offsets[1]! + column, valid, c10, c11, c12, c13, bias, biasStart, finish);
  storeRow(out, offsets[2]! + column, valid, c20, c21, c22, c23, bias, biasStart, finish);
  storeRow(out, offsets[3]! + column, valid, c30, c31, c32, c33, bias, biasStart, finish);
}

function tile1x4(
  a: Float64Array,
  row: number,
  k: number,
  w: Float32Array,
  wStart: number,
  bias: Float32Array,
  biasStart: number,
  valid: number,
  out: Float32Array,
  outStart: number,
  finish: FloatFinish,
): void {
  let c0 = 0,
    c1 = 0,
    c2 = 0,
    c3 = 0;
  const end = k * 4;
  for (let i = row, p = wStart; i < end; i += 4, p += 4) {
    const v = a[i]!;
    c0 += v * w[p]!;
    c1 += v * w[p + 1]!;
    c2 += v * w[p + 2]!;
    c3 += v * w[p + 3]!;
  }
  storeRow(out, outStart, valid, c0, c1, c2, c3, bias, biasStart, finish);
}

/** Bias, activation and the single rounding to float32 of up to four neighbouring outputs. */
export function storeRow(
  out: Float32Array,
  at: number,
  valid: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  bias: Float32Array,
  biasStart: number,
  finish: FloatFinish,
): void {
  const { lo, hi, hardswish } = finish;
  out[at] = finishValue(c0 + bias[biasStart]!, lo, hi, hardswish);
  if (valid > 1) out[at + 1] = finishValue(c1 + bias[biasStart + 1]!, lo, hi, hardswish);
  if (valid > 2) out[at + 2] = finishValue(c2 + bias[biasStart + 2]!, lo, hi, hardswish);
  if (valid > 3) out[at + 3] = finishValue(c3 + bias[biasStart + 3]!, lo, hi, hardswish);
}
