/** Softmax in float32 and in integers (the table and the formula of `softmaxTable` in src/graph/numerics.ts), and linear resize. */
import { storeFloats } from "./common";
import { exp4 } from "./math";

// @ts-ignore: decorator
@inline
function lanesMax(x: v128): f32 {
  return max(
    max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)),
  );
}

// @ts-ignore: decorator
@inline
function lanesSum(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

/** [rows][n] along n; `beta` points at the float factor of the exponent. */
export function f32_softmax_rows_1x4__wasm_simd(x: usize, c: usize, rows: usize, n: usize, beta: usize): void {
  const scale = v128.load32_splat(beta);
  const whole = n & ~3;
  for (; rows > 0; rows--) {
    let m = f32x4.splat(-Infinity);
    for (let i: usize = 0; i < whole; i += 4) m = f32x4.pmax(m, v128.load(x + i * 4));
    let top = lanesMax(m);
    for (let i = whole; i < n; i++) top = max(top, load<f32>(x + i * 4));
    const peak = f32x4.splat(top);
    let sums = f32x4.splat(0);
    for (let i: usize = 0; i < whole; i += 4) {
      const e = exp4(f32x4.mul(f32x4.sub(v128.load(x + i * 4), peak), scale));
      v128.store(c + i * 4, e);
      sums = f32x4.add(sums, e);
    }
    let total = lanesSum(sums);
    if (whole < n) {
      storeFloats(c + whole * 4, exp4(f32x4.mul(f32x4.sub(v128.load(x + whole * 4), peak), scale)), n - whole);
      for (let i = whole; i < n; i++) total += load<f32>(c + i * 4);
    }
    const share = f32x4.splat(<f32>1 / total);
    for (let i: usize = 0; i < whole; i += 4) v128.store(c + i * 4, f32x4.mul(v128.load(c + i * 4), share));
    if (whole < n) storeFloats(c + whole * 4, f32x4.mul(v128.load(c + whole * 4), share), n - whole);
    x += n * 4;
    c += n * 4;
  }
}

/** [outer][n][inner] along n, 4 inner positions at a time. */
export function f32_softmax_strided_1x4__wasm_simd(x: usize, c: usize, outer: usize, n: usize, inner: usize, beta: usize): void {
  const scale = v128.load32_splat(beta);
  const step = inner * 4;
  for (; outer > 0; outer--) {
    for (let g: usize = 0; g < inner; g += 4) {
      let peak = f32x4.splat(-Infinity);
      for (let i: usize = 0; i < n; i++) peak = f32x4.pmax(peak, v128.load(x + i * step + g * 4));
      let total = f32x4.splat(0);
      for (let i: usize = 0; i < n; i++) {
        const e = exp4(f32x4.mul(f32x4.sub(v128.load(x + i * step + g * 4), peak), scale));
        storeFloats(c + i * step + g * 4, e, inner - g);
        total = f32x4.add(total, e);
      }
      const share = f32x4.div(f32x4.splat(1), total);
      for (let i: usize = 0; i < n; i++) {
        const p = c + i * step + g * 4;
        storeFloats(p, f32x4.mul(v128.load(p), share), inner - g);
      }
    }
    x += n * step;
    c += n * step;
  }
}

/** 8-bit, [rows][n], n below 4096; `table` 256 × u32. `flip` is 0x80 for uint8 (results from 0) and 0 for int8 (results from -128). */
export function i8_softmax_rows_1x1__wasm_simd(x: usize, c: usize, rows: usize, n: usize, table: usize, flip: i32): void {
  for (; rows > 0; rows--) {
    let top: i32 = -128;
    for (let i: usize = 0; i < n; i++) top = max(top, <i32>(<i8>(load<u8>(x + i) ^ flip)));
    let sum: u32 = 0;
    for (let i: usize = 0; i < n; i++) sum += load<u32>(table + ((top - <i32>(<i8>(load<u8>(x + i) ^ flip))) << 2));
    for (let i: usize = 0; i < n; i++) {
      const e = load<u32>(table + ((top - <i32>(<i8>(load<u8>(x + i) ^ flip))) << 2));
      store<u8>(c + i, <u8>(min(<u32>255, (e * 256 + (sum >> 1)) / sum) + flip - 128));
    }
    x += n;
    c += n;
  }
}

/**
 * Bilinear resize of NHWC. Per output row and column, `rows` and `columns` hold [low index i32, high index i32, weight of high f32];
 * indices are already clamped to the image.
 */
export function f32_resize_linear_1x4__wasm_simd(
  x: usize,
  c: usize,
  batch: usize,
  imageBytes: usize,
  rowBytes: usize,
  channels: usize,
  outH: usize,
  outW: usize,
  rows: usize,
  columns: usize,
): void {
  for (; batch > 0; batch--) {
    for (let oy: usize = 0; oy < outH; oy++) {
      const upper = x + load<u32>(rows + oy * 12) * rowBytes;
      const lower = x + load<u32>(rows + oy * 12, 4) * rowBytes;
      const fy = v128.load32_splat(rows + oy * 12, 8);
      for (let ox: usize = 0; ox < outW; ox++) {
        const left = load<u32>(columns + ox * 12) * channels * 4;
        const right = load<u32>(columns + ox * 12, 4) * channels * 4;
        const fx = v128.load32_splat(columns + ox * 12, 8);
        for (let g: usize = 0; g < channels; g += 4) {
          const a = v128.load(upper + left + g * 4);
          const b = v128.load(upper + right + g * 4);
          const d = v128.load(lower + left + g * 4);
          const e = v128.load(lower + right + g * 4);
          const top = f32x4.add(a, f32x4.mul(f32x4.sub(b, a), fx));
          const bottom = f32x4.add(d, f32x4.mul(f32x4.sub(e, d), fx));
          storeFloats(c + g * 4, f32x4.add(top, f32x4.mul(f32x4.sub(bottom, top), fy)), channels - g);
        }
        c += channels * 4;
      }
    }
    x += imageBytes;
  }
}
