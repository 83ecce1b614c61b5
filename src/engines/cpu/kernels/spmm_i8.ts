/**
 * 8-bit products with sparse weights over a panel [k][4] of row pairs (see gemm_i8.ts); to the bit what the dense kernel gives. Weight
 * zero points must be zero, so that a stored zero is a real one.
 */
import { MAX_TERMS, fitsOneSplit, splitSums, storeSums, startAccumulators, storeAccumulators } from "./gemm_i8.ts";
import type { IntegerTarget } from "./gemm_i8.ts";
import type { Blocks, Csr, Positions } from "./sparse_pack.ts";

/** As `multiplyDenseI8`. */
export function multiplyBlocksI8(w: Blocks<Int8Array>, a: Float64Array, count: number, channel: number, target: IntegerTarget): void {
  const { n, width, starts, positions, values } = w;
  const { sums, acc } = target;
  const pairs = (count + 1) >> 1;
  for (let j = 0; j < n; j += 4) {
    const valid = n - j < 4 ? n - j : 4;
    const row = width === 8 ? j >> 3 : j >> 2;
    const end = starts[row + 1]!;
    if (fitsOneSplit(end - starts[row]!, target)) {
      const from = starts[row]!;
      if (pairs === 4) block8x4(a, from, end, positions, values, width, j & (width - 1), sums);
      else for (let p = 0; p < pairs; p++) block2x4(a, p, from, end, positions, values, width, j & (width - 1), sums);
      storeSums(sums, count, j, n, channel, target);
      continue;
    }
    startAccumulators(acc, target.bias, channel + j, valid, pairs * 2);
    for (let from = starts[row]!; from < end; from += MAX_TERMS) {
      const to = from + MAX_TERMS < end ? from + MAX_TERMS : end;
      if (pairs === 4) block8x4(a, from, to, positions, values, width, j & (width - 1), sums);
      else for (let p = 0; p < pairs; p++) block2x4(a, p, from, to, positions, values, width, j & (width - 1), sums);
      splitSums(sums, pairs, acc);
    }
    storeAccumulators(acc, count, valid, j, channel + j, target);
  }
}

function block8x4(
  a: Float64Array,
  from: number,
  to: number,
  positions: Positions,
  w: Int8Array,
  width: number,
  half: number,
  sums: Float64Array,
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
  for (let e = from, p = from * width + half; e < to; e++, p += width) {
    const i = positions[e]!;
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

function block2x4(
  a: Float64Array,
  pair: number,
  from: number,
  to: number,
  positions: Positions,
  w: Int8Array,
  width: number,
  half: number,
  sums: Float64Array,
): void {
  let c0 = 0,
    c1 = 0,
    c2 = 0,
    c3 = 0;
  for (let e = from, p = from * width + half; e < to; e++, p += width) {
    const v = a[positions[e]! + pair]!;
    c0 += v * w[p]!;
    c1 += v * w[p + 1]!;
    c2 += v * w[p + 2]!;
    c3 += v * w[p + 3]!;
  }
  sums[pair * 4] = c0;
  sums[pair * 4 + 1] = c1;
  sums[pair * 4 + 2] = c2;
  sums[pair * 4 + 3] = c3;
}

/** As `multiplyDenseI8`. Sums of four channels are collected in one tile, so that splitting and storing are shared with the dense kernel. */
export function multiplyCsrI8(w: Csr<Int8Array>, a: Float64Array, count: number, channel: number, target: IntegerTarget): void {
  const { n, starts, positions, values } = w;
  const { sums, acc } = target;
  const pairs = (count + 1) >> 1;
  for (let j = 0; j < n; j += 4) {
    const valid = n - j < 4 ? n - j : 4;
    const longest = longestRow(starts, j, valid);
    if (fitsOneSplit(longest, target)) {
      for (let c = 0; c < valid; c++) {
        if (pairs === 4) csr8x1(a, starts[j + c]!, starts[j + c + 1]!, positions, values, c, sums);
        else for (let p = 0; p < pairs; p++) csr2x1(a, p, starts[j + c]!, starts[j + c + 1]!, positions, values, c, sums);
      }
      storeSums(sums, count, j, n, channel, target);
      continue;
    }
    startAccumulators(acc, target.bias, channel + j, valid, pairs * 2);
    for (let done = 0; done < longest; done += MAX_TERMS) {
      for (let c = 0; c < valid; c++) {
        const end = starts[j + c + 1]!;
        const from = Math.min(starts[j + c]! + done, end);
        const to = Math.min(from + MAX_TERMS, end);
        if (pairs === 4) csr8x1(a, from, to, positions, values, c, sums);
        else for (let p = 0; p < pairs; p++) csr2x1(a, p, from, to, positions, values, c, sums);
      }
      splitSums(sums, pairs, acc);
    }
    storeAccumulators(acc, count, valid, j, channel + j, target);
  }
}

function longestRow(starts: Int32Array, first: number, count: number): number {
  let longest = 0;
  for (let j = first; j < first + count; j++) longest = Math.max(longest, starts[j + 1]! - starts[j]!);
  return longest;
}

function csr8x1(a: Float64Array, from: number, to: number, positions: Positions, w: Int8Array, column: number, sums: Float64Array): void {
  let c0 = 0,
    c1 = 0,
    c2 = 0,
    c3 = 0;
  for (let e = from; e < to; e++) {
    const i = positions[e]!;
    const v = w[e]!;
    c0 += a[i]! * v;
    c1 += a[i + 1]! * v;
    c2 += a[i + 2]! * v;
    c3 += a[i + 3]! * v;
  }
  sums[column] = c0;
  sums[4 + column] = c1;
  sums[8 + column] = c2;
  sums[12 + column] = c3;
}

function csr2x1(
  a: Float64Array,
  pair: number,
  from: number,
  to: number,
  positions: Positions,
  w: Int8Array,
  column: number,
  sums: Float64Array,
): void {
  let c0 = 0,
    c1 = 0,
    c2 = 0,
    c3 = 0;
  let e = from;
  for (; e + 3 < to; e += 4) {
    c0 += a[positions[e]! + pair]! * w[e]!;
    c1 += a[positions[e + 1]! + pair]! * w[e + 1]!;
    c2 += a[positions[e + 2]! + pair]! * w[e + 2]!;
    c3 += a[positions[e + 3]! + pair]! * w[e + 3]!;
  }
  for (; e < to; e++) c0 += a[positions[e]! + pair]! * w[e]!;
  sums[pair * 4 + column] = c0 + c1 + (c2 + c3);
}
