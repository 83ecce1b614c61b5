/**
 * int16 activations with int8 weights, widened to int16, by the rules of src/graph/int16.ts. A product has up to 2^22, so int32 lanes hold 255 pairs of
 * them; then they are added to doubles, which stay exact, and whose demotion to float32 rounds half to even, once.
 *
 * `post` of layers, pools and maps is [lo f32 ×4][hi f32 ×4].
 */
import { storeBytes, storeFloats } from "./common";

/** 255 × 2 × 2^22 < 2^31 */
const MOST_PAIRS: usize = 255;

/** Stores the first `count` (1..7, or more for all 8) int16. */
function storeHalves(to: usize, x: v128, count: usize): void {
  if (count >= 8) {
    v128.store(to, x);
    return;
  }
  storeBytes(to, i64x2.extract_lane(x, 0), min<usize>(count, 4) * 2);
  if (count > 4) storeBytes(to + 8, i64x2.extract_lane(x, 1), (count - 4) * 2);
}

/** Four floats → integers within `post`, half to even. */
// @ts-ignore: decorator
@inline
function toGrid4(x: v128, post: usize): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.pmin(f32x4.pmax(f32x4.nearest(x), v128.load(post)), v128.load(post, 16)));
}

/** Doubles 0..3 as floats, each rounded once. */
// @ts-ignore: decorator
@inline
function demote4(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2);
}

// @ts-ignore: decorator
@inline
function low2(x: v128): v128 {
  return f64x2.convert_low_i32x4_s(x);
}

// @ts-ignore: decorator
@inline
function high2(x: v128): v128 {
  return f64x2.convert_low_i32x4_s(v128.shuffle<i64>(x, x, 1, 1));
}

/** sums [8 f64] += eight int32 */
// @ts-ignore: decorator
@inline
function spill(sums: usize, a: v128, b: v128): void {
  v128.store(sums, f64x2.add(v128.load(sums), low2(a)));
  v128.store(sums, f64x2.add(v128.load(sums, 16), high2(a)), 16);
  v128.store(sums, f64x2.add(v128.load(sums, 32), low2(b)), 32);
  v128.store(sums, f64x2.add(v128.load(sums, 48), high2(b)), 48);
}

/** Eight sums, scaled, on the output's grid. */
function requantizeRow(c: usize, sums: usize, scales: usize, columns: usize, post: usize): void {
  const lo = f32x4.mul(demote4(v128.load(sums), v128.load(sums, 16)), v128.load(scales));
  const hi = f32x4.mul(demote4(v128.load(sums, 32), v128.load(sums, 48)), v128.load(scales, 16));
  storeHalves(c, i16x8.narrow_i32x4_s(toGrid4(lo, post), toGrid4(hi, post)), columns);
}

/** Eight outputs: int32 sums and the panel's biases, scaled, on the output's grid. */
// @ts-ignore: decorator
@inline
function finishChannels(c: usize, lo: v128, hi: v128, panel: usize, count: usize, post: usize): void {
  const a = demote4(f64x2.add(v128.load(panel), low2(lo)), f64x2.add(v128.load(panel, 16), high2(lo)));
  const b = demote4(f64x2.add(v128.load(panel, 32), low2(hi)), f64x2.add(v128.load(panel, 48), high2(hi)));
  const x = f32x4.mul(a, v128.load(panel, 64));
  const y = f32x4.mul(b, v128.load(panel, 80));
  storeHalves(c, i16x8.narrow_i32x4_s(toGrid4(x, post), toGrid4(y, post)), count);
}

/** sums [8 f64] = biases */
function begin(sums: usize, panel: usize): void {
  for (let at: usize = 0; at < 64; at += 16) v128.store(sums + at, v128.load(panel + at));
}

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

/** Maximum, or sum and one requantization; `post` continues with the scale of a sum. */
export function i16_pool_direct_1x8__wasm_simd(x: usize, c: usize, geometry: usize, isMax: i32, post: usize): void {
  const height = load<i32>(geometry, 4);
  const width = load<i32>(geometry, 8);
  const channels: usize = load<i32>(geometry, 12);
  const kh = load<i32>(geometry, 24);
  const kw = load<i32>(geometry, 28);
  const limitY = height + load<i32>(geometry, 60);
  const limitX = width + load<i32>(geometry, 64);
  const ratio = load<f32>(post, 32);
  for (let image = load<i32>(geometry); image > 0; image--) {
    for (let oy = 0; oy < load<i32>(geometry, 16); oy++) {
      const top = oy * load<i32>(geometry, 32) - load<i32>(geometry, 48);
      for (let ox = 0; ox < load<i32>(geometry, 20); ox++) {
        const left = ox * load<i32>(geometry, 36) - load<i32>(geometry, 52);
        for (let g: usize = 0; g < channels; g += 8) {
          let most = i16x8.splat(-32768);
          let lo = i32x4.splat(0);
          let hi = lo;
          let inside = 0;
          let full = 0;
          for (let ky = 0; ky < kh; ky++) {
            const y = top + ky * load<i32>(geometry, 40);
            if (y >= limitY) break;
            for (let kx = 0; kx < kw; kx++) {
              const column = left + kx * load<i32>(geometry, 44);
              if (column >= limitX) break;
              full++;
              if (y < 0 || y >= height || column < 0 || column >= width) continue;
              inside++;
              const u = v128.load(x + ((<usize>y * width + column) * channels + g) * 2);
              most = i16x8.max_s(most, u);
              lo = i32x4.add(lo, i32x4.extend_low_i16x8_s(u));
              hi = i32x4.add(hi, i32x4.extend_high_i16x8_s(u));
            }
          }
          if (isMax) {
            lo = toGrid4(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(most)), post);
            hi = toGrid4(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(most)), post);
          } else {
            const scale = f32x4.splat(ratio / <f32>(load<i32>(geometry, 56) ? full : inside));
            lo = toGrid4(f32x4.mul(f32x4.convert_i32x4_s(lo), scale), post);
            hi = toGrid4(f32x4.mul(f32x4.convert_i32x4_s(hi), scale), post);
          }
          storeHalves(c + g * 2, i16x8.narrow_i32x4_s(lo, hi), channels - g);
        }
        c += channels * 2;
      }
    }
    x += <usize>height * width * channels * 2;
  }
}

/** To another grid: × the float32 at `scale`. */
export function i16_scale_map_1x8__wasm_simd(x: usize, c: usize, n: usize, scale: usize, post: usize): void {
  const s = v128.load32_splat(scale);
  for (let i: usize = 0; i < n; i += 8) {
    const u = v128.load(x + i * 2);
    const lo = toGrid4(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(u)), s), post);
    const hi = toGrid4(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(u)), s), post);
    storeHalves(c + i * 2, i16x8.narrow_i32x4_s(lo, hi), n - i);
  }
}

/** Through 65,536 entries, by the bits of the code. */
export function i16_table_map_1x1__wasm_simd(x: usize, c: usize, n: usize, table: usize): void {
  for (let i: usize = 0; i < n; i++) store<u16>(c + i * 2, load<u16>(table + (<usize>load<u16>(x + i * 2) << 1)));
}

/** float → int16: × the float32 reciprocal of the scale at `inverse`. */
export function i16_quantize_map_1x8__wasm_simd(x: usize, c: usize, n: usize, inverse: usize, post: usize): void {
  const s = v128.load32_splat(inverse);
  for (let i: usize = 0; i < n; i += 8) {
    const lo = toGrid4(f32x4.mul(v128.load(x), s), post);
    const hi = toGrid4(f32x4.mul(v128.load(x, 16), s), post);
    storeHalves(c + i * 2, i16x8.narrow_i32x4_s(lo, hi), n - i);
    x += 32;
  }
}

/** int16 → float: × the float32 at `scale`. */
export function i16_dequantize_map_1x4__wasm_simd(x: usize, c: usize, n: usize, scale: usize): void {
  const s = v128.load32_splat(scale);
  for (let i: usize = 0; i < n; i += 4) {
    storeFloats(c + i * 4, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(v128.load64_zero(x + i * 2))), s), n - i);
  }
}

/** Four sums, or products, of int32. `post`: multipliers of a and b, bias, shift, lo, hi as int32, scale of a product. */
// @ts-ignore: decorator
@inline
function binary(a: i32, b: i32, isSum: bool, post: usize): i32 {
  if (isSum) {
    const sum = <i64>load<i32>(post, 8) + <i64>a * load<i32>(post) + <i64>b * load<i32>(post, 4);
    return <i32>(sum >> load<i32>(post, 12));
  }
  return <i32>nearest<f32>(<f32>(a * b) * load<f32>(post, 24));
}

/** Sum and difference (fn 0) or product, over the loops of f32_binary_broadcast_1x4__wasm_simd. */
export function i16_binary_broadcast_1x1__wasm_simd(a: usize, b: usize, c: usize, plan: usize, fn: i32, post: usize): void {
  const n: usize = load<u32>(plan, 12);
  const aStep: usize = load<u32>(plan, 28);
  const bStep: usize = load<u32>(plan, 44);
  const lo = load<i32>(post, 16);
  const hi = load<i32>(post, 20);
  for (let i: u32 = 0; i < load<u32>(plan); i++) {
    for (let j: u32 = 0; j < load<u32>(plan, 4); j++) {
      let p = a + 2 * (i * load<u32>(plan, 16) + j * load<u32>(plan, 20));
      let q = b + 2 * (i * load<u32>(plan, 32) + j * load<u32>(plan, 36));
      for (let k: u32 = 0; k < load<u32>(plan, 8); k++) {
        for (let e: usize = 0; e < n; e++) {
          const v = binary(load<i16>(p + 2 * e * aStep), load<i16>(q + 2 * e * bStep), fn == 0, post);
          store<i16>(c + 2 * e, <i16>min(max(v, lo), hi));
        }
        p += 2 * load<u32>(plan, 24);
        q += 2 * load<u32>(plan, 40);
        c += 2 * n;
      }
    }
  }
}

/** Rows of n codes: `tables` is [coarse 256 u32][fine 256 u32]. */
export function i16_softmax_rows_1x1__wasm_simd(x: usize, c: usize, rows: usize, n: usize, tables: usize): void {
  for (; rows > 0; rows--) {
    let most = -32768;
    for (let i: usize = 0; i < n; i++) most = max<i32>(most, load<i16>(x + i * 2));
    let sum: u64 = 0;
    for (let i: usize = 0; i < n; i++) sum += exponential(most - load<i16>(x + i * 2), tables);
    for (let i: usize = 0; i < n; i++) {
      const q = <i32>(((<u64>exponential(most - load<i16>(x + i * 2), tables) << 16) / sum + 1) >> 1);
      store<i16>(c + i * 2, <i16>min(q, 32767));
    }
    x += n * 2;
    c += n * 2;
  }
}

// @ts-ignore: decorator
@inline
function exponential(distance: i32, tables: usize): u32 {
  const coarse = load<u32>(tables + (<usize>(distance >> 8) << 2));
  const fine = load<u32>(tables + (<usize>(distance & 255) << 2), 1024);
  return (coarse * fine) >> 11;
}
