/**
 * Inputs of layers that quantize them at run time: the range of a whole tensor as a grid, and its codes as int16 with the zero point taken off.
 * A grid is [scale f32][1 / scale f32][zero point i32], as `dynamicGrid` of src/graph/numerics.ts derives it, to the bit.
 */

import { clear } from "./layout";

/** 2^-100: below it a range counts as none. */
const SMALLEST_RANGE: f32 = 7.888609052210118e-31;

/** Of `count` floats. */
export function f32_range_grid__wasm_simd(x: usize, count: usize, grid: usize): void {
  let low4 = f32x4.splat(0);
  let high4 = f32x4.splat(0);
  let low4b = low4;
  let high4b = high4;
  const end = x + count * 4;
  for (; x + 32 <= end; x += 32) {
    const a = v128.load(x);
    const b = v128.load(x, 16);
    low4 = f32x4.pmin(low4, a);
    high4 = f32x4.pmax(high4, a);
    low4b = f32x4.pmin(low4b, b);
    high4b = f32x4.pmax(high4b, b);
  }
  low4 = f32x4.pmin(low4, low4b);
  high4 = f32x4.pmax(high4, high4b);
  let low = min(min(f32x4.extract_lane(low4, 0), f32x4.extract_lane(low4, 1)), min(f32x4.extract_lane(low4, 2), f32x4.extract_lane(low4, 3)));
  let high = max(
    max(f32x4.extract_lane(high4, 0), f32x4.extract_lane(high4, 1)),
    max(f32x4.extract_lane(high4, 2), f32x4.extract_lane(high4, 3)),
  );
  for (; x < end; x += 4) {
    const v = load<f32>(x);
    if (v < low) low = v;
    if (v > high) high = v;
  }
  const range: f32 = high - low;
  if (!(range >= SMALLEST_RANGE)) {
    store<f32>(grid, 1);
    store<f32>(grid, 1, 4);
    store<i32>(grid, -128, 8);
    return;
  }
  const scale: f32 = range / 255;
  const inverse: f32 = <f32>1 / scale;
  store<f32>(grid, scale);
  store<f32>(grid, inverse, 4);
  store<i32>(grid, min(max(<i32>nearest<f32>(-low * inverse) - 128, -128), 127), 8);
}

// @ts-ignore: decorator
@inline
function steps4(x: v128, inverse: v128, low: v128, high: v128): v128 {
  return i32x4.min_s(i32x4.max_s(i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, inverse))), low), high);
}

/** `count` floats → int16; reads and writes up to 7 elements further. */
function widenFloats(x: usize, c: usize, count: usize, inverse: v128, low: v128, high: v128): void {
  const end = x + count * 4;
  for (; x < end; x += 32) {
    v128.store(c, i16x8.narrow_i32x4_s(steps4(v128.load(x), inverse, low, high), steps4(v128.load(x, 16), inverse, low, high)));
    c += 16;
  }
}

/**
 * A padded copy of NHWC rows of floats as int16 codes, zero point taken off, so the border is 0. `geometry` as of any_pad_rows, counted in elements.
 * A row writes up to 7 elements beyond its end before what follows is written.
 */
export function f32_widen_grid__wasm_simd(x: usize, c: usize, geometry: usize, grid: usize): void {
  const height = load<i32>(geometry, 4);
  const row: usize = load<i32>(geometry, 8);
  const top: usize = load<i32>(geometry, 12);
  const bottom: usize = load<i32>(geometry, 16);
  const left: usize = load<i32>(geometry, 20);
  const right: usize = load<i32>(geometry, 24);
  const stride = left + row + right;
  const inverse = v128.load32_splat(grid, 4);
  const zero = v128.load32_splat(grid, 8);
  const low = i32x4.sub(i32x4.splat(-128), zero);
  const high = i32x4.sub(i32x4.splat(127), zero);
  for (let image = load<i32>(geometry); image > 0; image--) {
    clear(c, 2 * (top * stride + left));
    c += 2 * (top * stride + left);
    for (let y = 1; y < height; y++) {
      widenFloats(x, c, row, inverse, low, high);
      // The right border of a row and the left one of the next lie side by side.
      clear(c + 2 * row, 2 * (right + left));
      x += row * 4;
      c += 2 * stride;
    }
    widenFloats(x, c, row, inverse, low, high);
    clear(c + 2 * row, 2 * (right + bottom * stride));
    x += row * 4;
    c += 2 * (row + right + bottom * stride);
  }
}
