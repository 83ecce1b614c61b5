/** Convolutions, dense and depthwise layers of int16 activations with int8 weights, in the tiles of tools/wasm-gen/int16.ts. */
import { columns1, columns4, pairs1x8, pairs4x8 } from "../gen/int16";

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
        pairs4x8(p, q, r, a + load<u32>(at, 12), segments, end, pairs, panel, sums, to, ldc, n - j, post);
      }
      for (; i < m1; i++) {
        pairs1x8(a + load<u32>(table + i * 4), segments, end, pairs, panel, sums, c + i * ldc + j * 2, ldc, n - j, post);
      }
      panel += panelBytes;
    }
  }
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
          columns1(from, stepY, stepX, step, kh, kw, panel, to, pixel, channels - g, post);
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
