/**
 * 8-bit products with sparse weights over a panel [k][4] of row pairs (see gemm_i8.ts); to the bit what the dense kernel gives. Weight
 * zero points must be zero, so that a stored zero is a real one.
 */
import { MAX_TERMS, addPairs, startAccumulators, storeAccumulators } from "./gemm_i8.ts";
import type { IntegerFinish } from "./gemm_i8.ts";
import { BLOCK } from "./sparse_pack.ts";
import type { Block8, Csr } from "./sparse_pack.ts";

/** As `multiplyDenseI8`. */
export function multiplyBlock8I8(
  w: Block8<Int8Array>,
  a: Float64Array,
  count: number,
  rowSums: Int32Array,
  bias: Int32Array,
  biasOffset: number,
  out: Int8Array | Uint8Array,
  offsets: Int32Array,
  finish: IntegerFinish,
  acc: Int32Array,
): void {
  const { n, starts, positions, values } = w;
  const pairs = (count + 1) >> 1;
  for (let j = 0; j < n; j += 4) {
    const valid = n - j < 4 ? n - j : 4;
    const end = starts[(j >> 3) + 1]!;
    startAccumulators(acc, bias, biasOffset + j, valid, pairs * 2);
    for (let from = starts[j >> 3]!; from < end; from += MAX_TERMS) {
      const to = from + MAX_TERMS < end ? from + MAX_TERMS : end;
      if (pairs === 4) block8x4(a, from, to, positions, values, j & 4, acc);
      else for (let p = 0; p < pairs; p++) block2x4(a, p, from, to, positions, values, j & 4, acc);
    }
    storeAccumulators(acc, count, valid, rowSums, out, offsets, j, biasOffset + j, finish);
  }
}

function block8x4(a: Float64Array, from: number, to: number, positions: Int32Array, w: Int8Array, half: number, acc: Int32Array): void {
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
  for (let e = from, p = from * BLOCK + half; e < to; e++, p += BLOCK) {
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
  addPairs(acc, 0, c00, c01, c02, c03);
  addPairs(acc, 8, c10, c11, c12, c13);
  addPairs(acc, 16, c20, c21, c22, c23);
  addPairs(acc, 24, c30, c31, c32, c33);
}

function block2x4(
  a: Float64Array,
  pair: number,
  from: number,
  to: number,
  positions: Int32Array,
  w: Int8Array,
  half: number,
  acc: Int32Array,
): void {
  let c0 = 0,
    c1 = 0,
    c2 = 0,
    c3 = 0;
  for (let e = from, p = from * BLOCK + half; e < to; e++, p += BLOCK) {
    const v = a[positions[e]! + pair]!;
    c0 += v * w[p]!;
    c1 += v * w[p + 1]!;
    c2 += v * w[p + 2]!;
    c3 += v * w[p + 3]!;
  }
  addPairs(acc, pair * 8, c0, c1, c2, c3);
}

/** As `multiplyDenseI8`. */
export function multiplyCsrI8(
  w: Csr<Int8Array>,
  a: Float64Array,
  count: number,
  rowSums: Int32Array,
  bias: Int32Array,
  biasOffset: number,
  out: Int8Array | Uint8Array,
  offsets: Int32Array,
  finish: IntegerFinish,
  acc: Int32Array,
): void {
  const { n, starts, positions, values } = w;
  for (let j = 0; j < n; j++) {
    const end = starts[j + 1]!;
    startAccumulators(acc, bias, biasOffset + j, 1, 8);
    for (let from = starts[j]!; from < end; from += MAX_TERMS) {
      const to = from + MAX_TERMS < end ? from + MAX_TERMS : end;
      let c0 = 0,
        c1 = 0,
        c2 = 0,
        c3 = 0;
      for (let e = from; e < to; e++) {
        const i = positions[e]!;
        const v = values[e]!;
        c0 += a[i]! * v;
        c1 += a[i + 1]! * v;
        c2 += a[i + 2]! * v;
        c3 += a[i + 3]! * v;
      }
      addPair(acc, 0, c0);
      addPair(acc, 8, c1);
      addPair(acc, 16, c2);
      addPair(acc, 24, c3);
    }
    storeAccumulators(acc, count, 1, rowSums, out, offsets, j, biasOffset + j, finish);
  }
}

function addPair(acc: Int32Array, at: number, sum: number): void {
  addPairs(acc, at, sum, 0, 0, 0);
}
