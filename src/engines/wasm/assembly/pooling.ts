/**
 * Pooling and reductions. Windows are clipped to the image, so padding is never read. `geometry` as in depthwise.ts, with
 * countIncludePad at 56, padBottom 60, padRight 64, channels to compute 68. Integer averages sum (q - zero point) in int32 and requantize by ratio / count, all in float32.
 */
import { activate4, lowBytes8, requantize4, storeBytes, storeFloats } from "./common";

/** Window positions inside the padded image: all, unless rounding the output size up lets a window hang over. */
function paddedCount(geometry: usize, top: i32, left: i32): i32 {
  const dilationY = load<i32>(geometry, 40);
  const dilationX = load<i32>(geometry, 44);
  let rows = load<i32>(geometry, 24);
  while (rows > 0 && top + (rows - 1) * dilationY >= load<i32>(geometry, 4) + load<i32>(geometry, 60)) rows--;
  let columns = load<i32>(geometry, 28);
  while (columns > 0 && left + (columns - 1) * dilationX >= load<i32>(geometry, 8) + load<i32>(geometry, 64)) columns--;
  return rows * columns;
}

/** f32 maximum (isMax) or average of every window. */
export function f32_pool_direct_1x4__wasm_simd(x: usize, c: usize, geometry: usize, isMax: i32, post: usize): void {
  const height = load<i32>(geometry, 4);
  const width = load<i32>(geometry, 8);
  const channels: usize = load<i32>(geometry, 12);
  const outH = load<i32>(geometry, 16);
  const outW = load<i32>(geometry, 20);
  const kh = load<i32>(geometry, 24);
  const kw = load<i32>(geometry, 28);
  const dilationY = load<i32>(geometry, 40);
  const dilationX = load<i32>(geometry, 44);
  const includePad = load<i32>(geometry, 56);
  const computed: usize = load<i32>(geometry, 68);
  const rowBytes: usize = width * channels * 4;
  const stepY = rowBytes * dilationY;
  const stepX = channels * 4 * dilationX;
  for (let image = load<i32>(geometry); image > 0; image--) {
    for (let oy = 0; oy < outH; oy++) {
      const top = oy * load<i32>(geometry, 32) - load<i32>(geometry, 48);
      let ky0 = 0;
      while (ky0 < kh && top + ky0 * dilationY < 0) ky0++;
      let ky1 = kh;
      while (ky1 > ky0 && top + (ky1 - 1) * dilationY >= height) ky1--;
      for (let ox = 0; ox < outW; ox++) {
        const left = ox * load<i32>(geometry, 36) - load<i32>(geometry, 52);
        let kx0 = 0;
        while (kx0 < kw && left + kx0 * dilationX < 0) kx0++;
        let kx1 = kw;
        while (kx1 > kx0 && left + (kx1 - 1) * dilationX >= width) kx1--;
        const corner = x + (top + ky0 * dilationY) * rowBytes + (left + kx0 * dilationX) * channels * 4;
        const count = includePad ? paddedCount(geometry, top, left) : (ky1 - ky0) * (kx1 - kx0);
        const share = f32x4.splat(<f32>1 / <f32>max(1, count));
        for (let g: usize = 0; g < computed; g += 4) {
          let acc = isMax ? f32x4.splat(-Infinity) : f32x4.splat(0);
          let row = corner + g * 4;
          for (let ky = ky1 - ky0; ky > 0; ky--) {
            let p = row;
            if (isMax) {
              for (let kx = kx1 - kx0; kx > 0; kx--) {
                acc = f32x4.pmax(acc, v128.load(p));
                p += stepX;
              }
            } else {
              for (let kx = kx1 - kx0; kx > 0; kx--) {
                acc = f32x4.add(acc, v128.load(p));
                p += stepX;
              }
            }
            row += stepY;
          }
          if (!isMax) acc = f32x4.mul(acc, share);
          storeFloats(c + g * 4, activate4(acc, 0, post), computed - g);
        }
        c += channels * 4;
      }
    }
    x += height * rowBytes;
  }
}

/**
 * 8-bit maximum or average. `flip` is 0x80 for uint8 and 0 for int8: bytes are compared and summed as signed after xor with it. Average:
 * `post` holds the requantization record, followed at 48 by the float32 scale ratio and at 52 by the zero point, both for signed bytes.
 */
export function i8_pool_direct_1x8__wasm_simd(x: usize, c: usize, geometry: usize, isMax: i32, flip: i32, post: usize): void {
  const height = load<i32>(geometry, 4);
  const width = load<i32>(geometry, 8);
  const channels: usize = load<i32>(geometry, 12);
  const outH = load<i32>(geometry, 16);
  const outW = load<i32>(geometry, 20);
  const kh = load<i32>(geometry, 24);
  const kw = load<i32>(geometry, 28);
  const dilationY = load<i32>(geometry, 40);
  const dilationX = load<i32>(geometry, 44);
  const includePad = load<i32>(geometry, 56);
  const computed: usize = load<i32>(geometry, 68);
  const rowBytes: usize = width * channels;
  const stepY = rowBytes * dilationY;
  const stepX = channels * dilationX;
  const bits = i8x16.splat(<i8>flip);
  const ratio = isMax ? <f32>0 : load<f32>(post, 48);
  const zeroPoint = isMax ? 0 : load<i32>(post, 52);
  for (let image = load<i32>(geometry); image > 0; image--) {
    for (let oy = 0; oy < outH; oy++) {
      const top = oy * load<i32>(geometry, 32) - load<i32>(geometry, 48);
      let ky0 = 0;
      while (ky0 < kh && top + ky0 * dilationY < 0) ky0++;
      let ky1 = kh;
      while (ky1 > ky0 && top + (ky1 - 1) * dilationY >= height) ky1--;
      for (let ox = 0; ox < outW; ox++) {
        const left = ox * load<i32>(geometry, 36) - load<i32>(geometry, 52);
        let kx0 = 0;
        while (kx0 < kw && left + kx0 * dilationX < 0) kx0++;
        let kx1 = kw;
        while (kx1 > kx0 && left + (kx1 - 1) * dilationX >= width) kx1--;
        const corner = x + (top + ky0 * dilationY) * rowBytes + (left + kx0 * dilationX) * channels;
        const columns = kx1 - kx0;
        const count = (ky1 - ky0) * columns;
        const scale = f32x4.splat(ratio / <f32>max(1, includePad ? paddedCount(geometry, top, left) : count));
        const base = i32x4.splat(-count * zeroPoint);
        for (let g: usize = 0; g < computed; g += 8) {
          let row = corner + g;
          if (isMax) {
            let acc = i8x16.splat(-128);
            for (let ky = ky1 - ky0; ky > 0; ky--) {
              let p = row;
              for (let kx = columns; kx > 0; kx--) {
                acc = i8x16.max_s(acc, v128.xor(v128.load64_zero(p), bits));
                p += stepX;
              }
              row += stepY;
            }
            storeBytes(c + g, i64x2.extract_lane(v128.xor(acc, bits), 0), computed - g);
          } else {
            let lo = base;
            let hi = base;
            for (let ky = ky1 - ky0; ky > 0; ky--) {
              let p = row;
              for (let kx = columns; kx > 0; kx--) {
                const wide = i16x8.extend_low_i8x16_s(v128.xor(v128.load64_zero(p), bits));
                lo = i32x4.add(lo, i32x4.extend_low_i16x8_s(wide));
                hi = i32x4.add(hi, i32x4.extend_high_i16x8_s(wide));
                p += stepX;
              }
              row += stepY;
            }
            storeBytes(c + g, lowBytes8(requantize4(lo, scale, post), requantize4(hi, scale, post)), computed - g);
          }
        }
        c += channels;
      }
    }
    x += height * rowBytes;
  }
}

const REDUCE_SUM: i32 = 0;
const REDUCE_MAX: i32 = 1;

// @ts-ignore: decorator
@inline
function combine4(a: v128, b: v128, fn: i32): v128 {
  if (fn == REDUCE_SUM) return f32x4.add(a, b);
  return fn == REDUCE_MAX ? f32x4.pmax(a, b) : f32x4.pmin(a, b);
}

/**
 * [outer][count][inner] → [outer][inner], of inputs whose inner rows are `step` bytes apart; fn 0 sum, 1 maximum, 2 minimum; the result is
 * multiplied by the float at `factor` (1 / count for a mean).
 */
export function f32_reduce_middle_1x4__wasm_simd(
  x: usize,
  c: usize,
  outer: usize,
  count: usize,
  inner: usize,
  step: usize,
  fn: i32,
  factor: usize,
): void {
  const scale = v128.load32_splat(factor);
  const start = fn == REDUCE_SUM ? f32x4.splat(0) : f32x4.splat(fn == REDUCE_MAX ? -Infinity : Infinity);
  for (; outer > 0; outer--) {
    if (step == 4) {
      let acc = start;
      let i: usize = 0;
      for (; i + 4 <= count; i += 4) acc = combine4(acc, v128.load(x + i * 4), fn);
      acc = combine4(acc, v128.shuffle<i32>(acc, start, 2, 3, 4, 4), fn);
      acc = combine4(acc, v128.shuffle<i32>(acc, start, 1, 4, 4, 4), fn);
      for (; i < count; i++) acc = combine4(acc, v128.load32_splat(x + i * 4), fn);
      v128.store32_lane(c, f32x4.mul(acc, scale), 0);
    } else {
      for (let g: usize = 0; g < inner; g += 4) {
        let acc = start;
        let p = x + g * 4;
        for (let i = count; i > 0; i--) {
          acc = combine4(acc, v128.load(p), fn);
          p += step;
        }
        storeFloats(c + g * 4, f32x4.mul(acc, scale), inner - g);
      }
    }
    x += count * step;
    c += inner * 4;
  }
}
