/** Convolutions, dense and depthwise layers of int16 activations with int8 weights. */
import { MOST_PAIRS, begin, finishChannels, requantizeRow, spill } from "./common";

/** Four rows and eight outputs; sums [4][8 f64] hold what int32 cannot. */
function tile4x8(
  p: usize,
  q: usize,
  r: usize,
  s: usize,
  segments: usize,
  end: usize,
  pairs: usize,
  panel: usize,
  sums: usize,
  c: usize,
  ldc: usize,
  columns: usize,
  post: usize,
): void {
  let w = panel + 96;
  let a0 = i32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  let room = MOST_PAIRS;
  let isLong = false;
  do {
    const shift = load<u32>(segments);
    let p0 = p + shift;
    let q0 = q + shift;
    let r0 = r + shift;
    let s0 = s + shift;
    let left = pairs;
    do {
      let i = min(left, room);
      left -= i;
      room -= i;
      do {
        const w0 = v128.load(w);
        const w1 = v128.load(w, 16);
        const x0 = v128.load32_splat(p0);
        a0 = i32x4.add(a0, i32x4.dot_i16x8_s(x0, w0));
        a1 = i32x4.add(a1, i32x4.dot_i16x8_s(x0, w1));
        const x1 = v128.load32_splat(q0);
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(x1, w0));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(x1, w1));
        const x2 = v128.load32_splat(r0);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x2, w0));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(x2, w1));
        const x3 = v128.load32_splat(s0);
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(x3, w0));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(x3, w1));
        p0 += 4;
        q0 += 4;
        r0 += 4;
        s0 += 4;
        w += 32;
      } while (--i);
      if (room == 0) {
        if (!isLong) for (let row: usize = 0; row < 256; row += 64) begin(sums + row, panel);
        isLong = true;
        spill(sums, a0, a1);
        spill(sums + 64, b0, b1);
        spill(sums + 128, c0, c1);
        spill(sums + 192, d0, d1);
        a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = i32x4.splat(0);
        room = MOST_PAIRS;
      }
    } while (left);
    segments += 4;
  } while (segments < end);
  if (!isLong) {
    finishChannels(c, a0, a1, panel, columns, post);
    finishChannels(c + ldc, b0, b1, panel, columns, post);
    finishChannels(c + 2 * ldc, c0, c1, panel, columns, post);
    finishChannels(c + 3 * ldc, d0, d1, panel, columns, post);
    return;
  }
  spill(sums, a0, a1);
  spill(sums + 64, b0, b1);
  spill(sums + 128, c0, c1);
  spill(sums + 192, d0, d1);
  for (let row: usize = 0; row < 4; row++) requantizeRow(c + row * ldc, sums + row * 64, panel + 64, columns, post);
}

/** The same of one row. */
function tile1x8(
  p: usize,
  segments: usize,
  end: usize,
  pairs: usize,
  panel: usize,
  sums: usize,
  c: usize,
  columns: usize,
  post: usize,
): void {
  let w = panel + 96;
  let a0 = i32x4.splat(0);
  let a1 = a0;
  let room = MOST_PAIRS;
  let isLong = false;
  do {
    const shift = load<u32>(segments);
    let p0 = p + shift;
    let left = pairs;
    do {
      let i = min(left, room);
      left -= i;
      room -= i;
      do {
        const w0 = v128.load(w);
        const w1 = v128.load(w, 16);
        const x0 = v128.load32_splat(p0);
        a0 = i32x4.add(a0, i32x4.dot_i16x8_s(x0, w0));
        a1 = i32x4.add(a1, i32x4.dot_i16x8_s(x0, w1));
        p0 += 4;
        w += 32;
      } while (--i);
      if (room == 0) {
        if (!isLong) begin(sums, panel);
        isLong = true;
        spill(sums, a0, a1);
        a0 = a1 = i32x4.splat(0);
        room = MOST_PAIRS;
      }
    } while (left);
    segments += 4;
  } while (segments < end);
  if (!isLong) {
    finishChannels(c, a0, a1, panel, columns, post);
    return;
  }
  spill(sums, a0, a1);
  requantizeRow(c, sums, panel + 64, columns, post);
}

/**
 * Windows as in i8_conv_pairs_4x8__wasm_simd, read from int16 as they are; bytes between rows of the output are `ldc`. Weights in panels
 * [bias 8 f64][scales 8 f32][pairs × 8 × 2 i16].
 * @param sums room for 32 doubles
 */
export function i16_conv_pairs_4x8__wasm_simd(
  a: usize,
  table: usize,
  segments: usize,
  segmentCount: usize,
  pairs: usize,
  w: usize,
  c: usize,
  ldc: usize,
  m: usize,
  n: usize,
  mb: usize,
  sums: usize,
  post: usize,
): void {
  const panelBytes: usize = 96 + segmentCount * pairs * 32;
  const end = segments + segmentCount * 4;
  for (let m0: usize = 0; m0 < m; m0 += mb) {
    const m1 = min(m, m0 + mb);
    let panel = w;
    for (let j: usize = 0; j < n; j += 8) {
      let i = m0;
      for (; i + 4 <= m1; i += 4) {
        const at = table + i * 4;
        const to = c + i * ldc + j * 2;
        const p = a + load<u32>(at);
        const q = a + load<u32>(at, 4);
        const r = a + load<u32>(at, 8);
        tile4x8(p, q, r, a + load<u32>(at, 12), segments, end, pairs, panel, sums, to, ldc, n - j, post);
      }
      for (; i < m1; i++) tile1x8(a + load<u32>(table + i * 4), segments, end, pairs, panel, sums, c + i * ldc + j * 2, n - j, post);
      panel += panelBytes;
    }
  }
}

/** Eight channels of four neighbouring columns, which share their weights; `step` bytes between columns, `next` between their outputs. */
function columns4(
  x: usize,
  stepY: usize,
  stepX: usize,
  step: usize,
  kh: i32,
  kw: i32,
  panel: usize,
  c: usize,
  next: usize,
  count: usize,
  post: usize,
): void {
  let a0 = i32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  let w = panel + 96;
  for (let ky = kh; ky > 0; ky--) {
    let p = x;
    for (let kx = kw; kx > 0; kx--) {
      const t = v128.load(w);
      let u = v128.load(p);
      a0 = i32x4.add(a0, i32x4.extmul_low_i16x8_s(u, t));
      a1 = i32x4.add(a1, i32x4.extmul_high_i16x8_s(u, t));
      u = v128.load(p + step);
      b0 = i32x4.add(b0, i32x4.extmul_low_i16x8_s(u, t));
      b1 = i32x4.add(b1, i32x4.extmul_high_i16x8_s(u, t));
      u = v128.load(p + 2 * step);
      c0 = i32x4.add(c0, i32x4.extmul_low_i16x8_s(u, t));
      c1 = i32x4.add(c1, i32x4.extmul_high_i16x8_s(u, t));
      u = v128.load(p + 3 * step);
      d0 = i32x4.add(d0, i32x4.extmul_low_i16x8_s(u, t));
      d1 = i32x4.add(d1, i32x4.extmul_high_i16x8_s(u, t));
      p += stepX;
      w += 16;
    }
    x += stepY;
  }
  finishChannels(c, a0, a1, panel, count, post);
  finishChannels(c + next, b0, b1, panel, count, post);
  finishChannels(c + 2 * next, c0, c1, panel, count, post);
  finishChannels(c + 3 * next, d0, d1, panel, count, post);
}

function column1(x: usize, stepY: usize, stepX: usize, kh: i32, kw: i32, panel: usize, c: usize, count: usize, post: usize): void {
  let lo = i32x4.splat(0);
  let hi = lo;
  let w = panel + 96;
  for (let ky = kh; ky > 0; ky--) {
    let p = x;
    for (let kx = kw; kx > 0; kx--) {
      const u = v128.load(p);
      const t = v128.load(w);
      lo = i32x4.add(lo, i32x4.extmul_low_i16x8_s(u, t));
      hi = i32x4.add(hi, i32x4.extmul_high_i16x8_s(u, t));
      p += stepX;
      w += 16;
    }
    x += stepY;
  }
  finishChannels(c, lo, hi, panel, count, post);
}

/**
 * Windows of at most 511 taps, whose sums fit int32; panels [bias 8 f64][scales 8 f32][taps × 8 i16]. The image is padded: `geometry` holds its height
 * and width.
 */
export function i16_depthwise_direct_4x8__wasm_simd(x: usize, w: usize, c: usize, geometry: usize, post: usize): void {
  const height: usize = load<i32>(geometry, 4);
  const width: usize = load<i32>(geometry, 8);
  const channels: usize = load<i32>(geometry, 12);
  const outH: usize = load<i32>(geometry, 16);
  const outW: usize = load<i32>(geometry, 20);
  const kh = load<i32>(geometry, 24);
  const kw = load<i32>(geometry, 28);
  const pixel = channels * 2;
  const rowBytes = width * pixel;
  const strideY = rowBytes * load<i32>(geometry, 32);
  const step = pixel * load<i32>(geometry, 36);
  const stepY = rowBytes * load<i32>(geometry, 40);
  const stepX = pixel * load<i32>(geometry, 44);
  const panelBytes: usize = 96 + kh * kw * 16;
  for (let image = load<i32>(geometry); image > 0; image--) {
    for (let oy: usize = 0; oy < outH; oy++) {
      let panel = w;
      for (let g: usize = 0; g < channels; g += 8) {
        let from = x + oy * strideY + g * 2;
        let to = c + g * 2;
        let ox: usize = 0;
        for (; ox + 4 <= outW; ox += 4) {
          columns4(from, stepY, stepX, step, kh, kw, panel, to, pixel, channels - g, post);
          from += 4 * step;
          to += 4 * pixel;
        }
        for (; ox < outW; ox++) {
          column1(from, stepY, stepX, kh, kw, panel, to, channels - g, post);
          from += step;
          to += pixel;
        }
        panel += panelBytes;
      }
      c += outW * pixel;
    }
    x += height * rowBytes;
  }
}
