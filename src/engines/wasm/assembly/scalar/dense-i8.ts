/**
 * 8-bit convolutions and products without integer vectors: a double carries the weights of two outputs (low + high × 2^26), so that one
 * multiplication and one addition serve two products, 2 windows × 8 outputs in registers. Exact: both factors are within ±255, so over
 * at most 512 terms the low half stays below 2^25 and the whole below 2^53; longer sums are split and added in int32.
 *
 * Windows as in dense-f32.ts, over a copy of the image in double precision; weights in panels
 * [N / 8][bias 8 i32, scales 8 f32, then K × 4 f64], output j of a panel in the low half of double j / 2 when j is even. In fixed point, the scales
 * are [multipliers 8 i32, shifts 8 i32].
 */
import { requantize, requantizeFixed } from "./common";

const MAX_TERMS: usize = 512;

/** Adds both halves of a double to two int32 sums in memory. */
// @ts-ignore: decorator
@inline
function split(sums: usize, v: f64): void {
  const high = nearest(v * (1.0 / 67108864.0));
  const low = v - high * 67108864.0;
  store<i32>(sums, load<i32>(sums) + <i32>low);
  store<i32>(sums, load<i32>(sums, 4) + <i32>high, 4);
}

/** sums [8] i32 → bytes */
// @ts-ignore: decorator
@inline
function storeRow(c: usize, sums: usize, scales: usize, columns: usize, post: usize, isFixed: bool): void {
  const count = min<usize>(8, columns);
  for (let j: usize = 0; j < count; j++) {
    const sum = load<i32>(sums + j * 4);
    const at = scales + j * 4;
    store<u8>(c + j, <u8>(isFixed ? requantizeFixed(sum, load<i32>(at), load<i32>(at, 32), post) : requantize(sum, load<f32>(at), post)));
  }
}

function tile2(q0: usize, q1: usize, segments: usize, end: usize, k: usize, w: usize, sums: usize): void {
  let a0: f64 = 0;
  let a1: f64 = 0;
  let a2: f64 = 0;
  let a3: f64 = 0;
  let b0: f64 = 0;
  let b1: f64 = 0;
  let b2: f64 = 0;
  let b3: f64 = 0;
  let room = MAX_TERMS;
  do {
    const shift = load<u32>(segments);
    let p0 = q0 + shift;
    let p1 = q1 + shift;
    let left = k;
    do {
      let i = min(left, room);
      left -= i;
      room -= i;
      do {
        const x0 = load<f64>(p0);
        const x1 = load<f64>(p1);
        const w0 = load<f64>(w);
        a0 += x0 * w0;
        b0 += x1 * w0;
        const w1 = load<f64>(w, 8);
        a1 += x0 * w1;
        b1 += x1 * w1;
        const w2 = load<f64>(w, 16);
        a2 += x0 * w2;
        b2 += x1 * w2;
        const w3 = load<f64>(w, 24);
        a3 += x0 * w3;
        b3 += x1 * w3;
        p0 += 8;
        p1 += 8;
        w += 32;
      } while (--i);
      if (room == 0 || (left == 0 && segments + 4 == end)) {
        split(sums, a0);
        split(sums + 8, a1);
        split(sums + 16, a2);
        split(sums + 24, a3);
        split(sums + 32, b0);
        split(sums + 40, b1);
        split(sums + 48, b2);
        split(sums + 56, b3);
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0;
        room = MAX_TERMS;
      }
    } while (left);
    segments += 4;
  } while (segments < end);
}

function tile1(q0: usize, segments: usize, end: usize, k: usize, w: usize, sums: usize): void {
  let a0: f64 = 0;
  let a1: f64 = 0;
  let a2: f64 = 0;
  let a3: f64 = 0;
  let room = MAX_TERMS;
  do {
    let p0 = q0 + load<u32>(segments);
    let left = k;
    do {
      let i = min(left, room);
      left -= i;
      room -= i;
      do {
        const x0 = load<f64>(p0);
        a0 += x0 * load<f64>(w);
        a1 += x0 * load<f64>(w, 8);
        a2 += x0 * load<f64>(w, 16);
        a3 += x0 * load<f64>(w, 24);
        p0 += 8;
        w += 32;
      } while (--i);
      if (room == 0 || (left == 0 && segments + 4 == end)) {
        split(sums, a0);
        split(sums + 8, a1);
        split(sums + 16, a2);
        split(sums + 24, a3);
        a0 = a1 = a2 = a3 = 0;
        room = MAX_TERMS;
      }
    } while (left);
    segments += 4;
  } while (segments < end);
}

// @ts-ignore: decorator
@inline
function convolve(
  a: usize,
  table: usize,
  segments: usize,
  segmentCount: usize,
  k: usize,
  w: usize,
  c: usize,
  ldc: usize,
  m: usize,
  n: usize,
  mb: usize,
  sums: usize,
  post: usize,
  isFixed: bool,
): void {
  const head: usize = isFixed ? 96 : 64;
  const panelBytes: usize = head + k * segmentCount * 32;
  const end = segments + segmentCount * 4;
  for (let m0: usize = 0; m0 < m; m0 += mb) {
    const m1 = min(m, m0 + mb);
    let w0 = w;
    for (let j: usize = 0; j < n; j += 8) {
      let i = m0;
      for (; i + 2 <= m1; i += 2) {
        const at = table + i * 4;
        const to = c + j + i * ldc;
        memory.copy(sums, w0, 32);
        memory.copy(sums + 32, w0, 32);
        tile2(a + load<u32>(at), a + load<u32>(at, 4), segments, end, k, w0 + head, sums);
        storeRow(to, sums, w0 + 32, n - j, post, isFixed);
        storeRow(to + ldc, sums + 32, w0 + 32, n - j, post, isFixed);
      }
      if (i < m1) {
        memory.copy(sums, w0, 32);
        tile1(a + load<u32>(table + i * 4), segments, end, k, w0 + head, sums);
        storeRow(c + j + i * ldc, sums, w0 + 32, n - j, post, isFixed);
      }
      w0 += panelBytes;
    }
  }
}

/** Arguments as i8_conv_pairs_4x8__wasm_simd; `sums` is room for 16 int32. */
export function i8_conv_doubles_2x8__wasm_scalar(
  a: usize,
  table: usize,
  segments: usize,
  segmentCount: usize,
  k: usize,
  w: usize,
  c: usize,
  ldc: usize,
  m: usize,
  n: usize,
  mb: usize,
  sums: usize,
  post: usize,
): void {
  convolve(a, table, segments, segmentCount, k, w, c, ldc, m, n, mb, sums, post, false);
}

/** The same with `post` of `requantizeFixed`. */
export function i8_conv_fixed_2x8__wasm_scalar(
  a: usize,
  table: usize,
  segments: usize,
  segmentCount: usize,
  k: usize,
  w: usize,
  c: usize,
  ldc: usize,
  m: usize,
  n: usize,
  mb: usize,
  sums: usize,
  post: usize,
): void {
  convolve(a, table, segments, segmentCount, k, w, c, ldc, m, n, mb, sums, post, true);
}
