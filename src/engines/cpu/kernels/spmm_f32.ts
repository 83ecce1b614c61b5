/** Float products with sparse weights over a panel [k][4] of doubles; see sparse_pack.ts for the layouts. */
import { storeTile } from "./gemm_f32.ts";
import type { FloatTarget } from "./gemm_f32.ts";
import { finishValue } from "./finish.ts";
import type { Blocks, Csr, Positions } from "./sparse_pack.ts";

/** As `multiplyDenseF32`. */
export function multiplyBlocksF32(w: Blocks<Float32Array>, a: Float64Array, count: number, biasOffset: number, target: FloatTarget): void {
  const { n, width, starts, positions, values } = w;
  const { sums } = target;
  for (let j = 0; j < n; j += 4) {
    const row = width === 8 ? j >> 3 : j >> 2;
    const from = starts[row]!;
    const to = starts[row + 1]!;
    if (count === 4) block4x4(a, from, to, positions, values, width, j & (width - 1), sums);
    else for (let r = 0; r < count; r++) block1x4(a, r, from, to, positions, values, width, j & (width - 1), sums);
    storeTile(sums, count, j, n, biasOffset, target);
  }
}

function block4x4(
  a: Float64Array,
  from: number,
  to: number,
  positions: Positions,
  w: Float32Array,
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

function block1x4(
  a: Float64Array,
  row: number,
  from: number,
  to: number,
  positions: Positions,
  w: Float32Array,
  width: number,
  half: number,
  sums: Float64Array,
): void {
  let c0 = 0,
    c1 = 0,
    c2 = 0,
    c3 = 0;
  for (let e = from, p = from * width + half; e < to; e++, p += width) {
    const v = a[positions[e]! + row]!;
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

/** As `multiplyDenseF32`. */
export function multiplyCsrF32(w: Csr<Float32Array>, a: Float64Array, count: number, biasOffset: number, target: FloatTarget): void {
  const { n, starts, positions, values } = w;
  const { out, offsets, bias } = target;
  const { lo, hi, hardswish } = target.finish;
  for (let j = 0; j < n; j++) {
    const b = bias[biasOffset + j]!;
    const from = starts[j]!;
    const to = starts[j + 1]!;
    if (count === 4) {
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
      out[offsets[0]! + j] = finishValue(c0 + b, lo, hi, hardswish);
      out[offsets[1]! + j] = finishValue(c1 + b, lo, hi, hardswish);
      out[offsets[2]! + j] = finishValue(c2 + b, lo, hi, hardswish);
      out[offsets[3]! + j] = finishValue(c3 + b, lo, hi, hardswish);
      continue;
    }
    for (let r = 0; r < count; r++) out[offsets[r]! + j] = finishValue(b + csr1x1(a, r, from, to, positions, values), lo, hi, hardswish);
  }
}

/** One row: four sums in turn, since additions to one would wait for each other. */
function csr1x1(a: Float64Array, row: number, from: number, to: number, positions: Positions, w: Float32Array): number {
  let c0 = 0,
    c1 = 0,
    c2 = 0,
    c3 = 0;
  let e = from;
  for (; e + 3 < to; e += 4) {
    c0 += a[positions[e]! + row]! * w[e]!;
    c1 += a[positions[e + 1]! + row]! * w[e + 1]!;
    c2 += a[positions[e + 2]! + row]! * w[e + 2]!;
    c3 += a[positions[e + 3]! + row]! * w[e + 3]!;
  }
  for (; e < to; e++) c0 += a[positions[e]! + row]! * w[e]!;
  return c0 + c1 + (c2 + c3);
}
