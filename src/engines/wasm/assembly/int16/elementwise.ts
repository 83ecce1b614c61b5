/** Pools, maps, sums, products and softmax of int16 activations. */
import { storeFloats } from "../common";
import { storeHalves, toGrid4 } from "./common";

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
