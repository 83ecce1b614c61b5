/**
 * Float matrix multiplication, the core of Conv2D, ConvTranspose2D, Dense and MatMul. Weights are packed [N/4][K][4] float32; four
 * rows of the left side arrive as a panel [K][4] of doubles. A 4×4 tile keeps 16 double accumulators in registers, adds in the order
 * of k, and rounds once on the store. Measured on Node 20: `Math.fround` in the loop halves the speed; handing the sums to a store
 * function as arguments boxes each of them (1.5 instead of 3 GFLOP/s at K = 16), so they go through a small array.
 */
import { finishValue } from "./finish.ts";
import type { FloatFinish } from "./finish.ts";

export interface DenseF32 {
  readonly kind: "dense";
  readonly n: number;
  readonly k: number;
  /** [ceil(n/4)][k][4], zero where n is not a multiple of 4. */
  readonly values: Float32Array;
}

/** @param w element (j, i) of [n][k] is w[offset + j*strideN + i*strideK] */
export function packDenseF32(w: Float32Array, offset: number, n: number, k: number, strideN = k, strideK = 1): DenseF32 {
  const values = new Float32Array(Math.ceil(n / 4) * k * 4);
  for (let j = 0; j < n; j++) {
    let to = (j >> 2) * k * 4 + (j & 3);
    let from = offset + j * strideN;
    for (let i = 0; i < k; i++, to += 4, from += strideK) values[to] = w[from]!;
  }
  return { kind: "dense", n, k, values };
}

/** Where a product goes and what happens to it on the way. */
export interface FloatTarget {
  readonly out: Float32Array;
  /** Start of each row of the panel in `out`, at the first of the n columns. */
  readonly offsets: Int32Array;
  readonly bias: Float32Array;
  readonly finish: FloatFinish;
  /** Scratch for one 4×4 tile of sums. */
  readonly sums: Float64Array;
}

/**
 * out[offsets[r] + j] = finish(bias[biasOffset + j] + Σ_k a[k*4 + r] * w(j, k)) for r < count ≤ 4, j < n.
 * @param a panel [k][4]; columns from `count` on are not used
 */
export function multiplyDenseF32(w: DenseF32, a: Float64Array, count: number, biasOffset: number, target: FloatTarget): void {
  const { n, k, values } = w;
  const { sums } = target;
  for (let j = 0; j < n; j += 4) {
    if (count === 4) tile4x4(a, k, values, j * k, sums);
    else for (let r = 0; r < count; r++) tile1x4(a, r, k, values, j * k, sums);
    storeTile(sums, count, j, n, biasOffset, target);
  }
}

function tile4x4(a: Float64Array, k: number, w: Float32Array, wStart: number, sums: Float64Array): void {
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
  sums[0] = c00;
  sums[1] = c01;
  sums[2] = c02;
  sums[3] = c03;
  sums[4] = c10;
  sums[5] = c11;
  sums[6] = c12;
  sums[7] = c13;
  sums[8] = c20;
  sums[9] = c21;
  sums[10] = c22;
  sums[11] = c23;
  sums[12] = c30;
  sums[13] = c31;
  sums[14] = c32;
  sums[15] = c33;
}

function tile1x4(a: Float64Array, row: number, k: number, w: Float32Array, wStart: number, sums: Float64Array): void {
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
  sums[row * 4] = c0;
  sums[row * 4 + 1] = c1;
  sums[row * 4 + 2] = c2;
  sums[row * 4 + 3] = c3;
}

/** Bias, activation and the single rounding to float32 of the sums [count][4], which belong to columns j… of n. */
export function storeTile(sums: Float64Array, count: number, j: number, n: number, biasOffset: number, target: FloatTarget): void {
  const { out, offsets, bias, finish } = target;
  const { lo, hi, hardswish } = finish;
  const valid = n - j < 4 ? n - j : 4;
  for (let r = 0; r < count; r++) {
    const at = offsets[r]! + j;
    for (let c = 0; c < valid; c++) out[at + c] = finishValue(sums[r * 4 + c]! + bias[biasOffset + j + c]!, lo, hi, hardswish);
  }
}
