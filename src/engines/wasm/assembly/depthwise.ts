/**
 * Depthwise convolution for any kernel width, stride and dilation, one output pixel at a time; also the border columns of the tiled
 * kernels in gen/. Panels as there. `geometry` is the record written by src/engines/wasm/geometry.ts (i32 fields): batch 0, height 4,
 * width 8, channels 12, outH 16, outW 20, kh 24, kw 28, strideY 32, strideX 36, dilationY 40, dilationX 44, padTop 48, padLeft 52.
 */
import { activate4, pack16, scale4, storeBytes, storeFloats } from "./common";

/**
 * One output pixel, all channels. `row` is the first kernel row inside the image at column 0; `left` the window's first column, which
 * may lie outside; `rows` kernel rows follow at `rowBytes`; `skipBytes` of weights belong to rows above the image.
 */
export function depthwiseColumn(
  row: usize,
  left: i32,
  width: i32,
  kw: i32,
  dilationX: i32,
  channels: usize,
  rowBytes: usize,
  w: usize,
  skipBytes: usize,
  panelBytes: usize,
  rows: i32,
  c: usize,
  act: usize,
  post: usize,
): void {
  const pixelBytes = channels * 4;
  let kx0 = 0;
  while (kx0 < kw && left + kx0 * dilationX < 0) kx0++;
  let kx1 = kw;
  while (kx1 > kx0 && left + (kx1 - 1) * dilationX >= width) kx1--;
  const step: usize = dilationX * pixelBytes;
  const x = row + (left + kx0 * dilationX) * pixelBytes;
  for (let g: usize = 0; g < channels; g += 4) {
    let acc = v128.load(w);
    let wRow = w + 16 + skipBytes + kx0 * 16;
    let xRow = x + g * 4;
    for (let y = rows; y > 0; y--) {
      let p = xRow;
      let wp = wRow;
      for (let kx = kx1 - kx0; kx > 0; kx--) {
        acc = f32x4.add(acc, f32x4.mul(v128.load(p), v128.load(wp)));
        p += step;
        wp += 16;
      }
      wRow += kw * 16;
      xRow += rowBytes;
    }
    storeFloats(c + g * 4, activate4(acc, act, post), channels - g);
    w += panelBytes;
  }
}

export function f32_depthwise_direct_1x1__wasm_simd(x: usize, w: usize, c: usize, geometry: usize, act: usize, post: usize): void {
  const height = load<i32>(geometry, 4);
  const width = load<i32>(geometry, 8);
  const channels = load<i32>(geometry, 12);
  const outH = load<i32>(geometry, 16);
  const outW = load<i32>(geometry, 20);
  const kh = load<i32>(geometry, 24);
  const kw = load<i32>(geometry, 28);
  const strideX = load<i32>(geometry, 36);
  const dilationY = load<i32>(geometry, 40);
  const dilationX = load<i32>(geometry, 44);
  const padLeft = load<i32>(geometry, 52);
  const rowBytes: usize = width * channels * 4;
  for (let image = load<i32>(geometry); image > 0; image--) {
    for (let oy = 0; oy < outH; oy++) {
      const top = oy * load<i32>(geometry, 32) - load<i32>(geometry, 48);
      let ky0 = 0;
      while (ky0 < kh && top + ky0 * dilationY < 0) ky0++;
      let ky1 = kh;
      while (ky1 > ky0 && top + (ky1 - 1) * dilationY >= height) ky1--;
      const row = x + (top + ky0 * dilationY) * rowBytes;
      for (let ox = 0; ox < outW; ox++) {
        depthwiseColumn(
          row,
          ox * strideX - padLeft,
          width,
          kw,
          dilationX,
          channels,
          rowBytes * dilationY,
          w,
          ky0 * kw * 16,
          16 + kh * kw * 16,
          ky1 - ky0,
          c,
          act,
          post,
        );
        c += channels * 4;
      }
    }
    x += height * rowBytes;
  }
}

/** Integer form over a padded int16 copy: `geometry` holds the padded height and width; its pads only say which rows are padding. */
export function i8_depthwise_direct_1x1__wasm_simd(x: usize, w: usize, c: usize, geometry: usize, post: usize): void {
  const height: usize = load<i32>(geometry, 4);
  const width: usize = load<i32>(geometry, 8);
  const channels: usize = load<i32>(geometry, 12);
  const outH: usize = load<i32>(geometry, 16);
  const outW: usize = load<i32>(geometry, 20);
  const kh: usize = load<i32>(geometry, 24);
  const kw: usize = load<i32>(geometry, 28);
  const strideY: usize = load<i32>(geometry, 32);
  const strideX: usize = load<i32>(geometry, 36);
  const rowBytes = width * channels * 2;
  const stepY = rowBytes * load<i32>(geometry, 40);
  const stepX = channels * 2 * load<i32>(geometry, 44);
  for (let image = load<i32>(geometry); image > 0; image--) {
    for (let oy: usize = 0; oy < outH; oy++) {
      for (let ox: usize = 0; ox < outW; ox++) {
        const corner = x + oy * strideY * rowBytes + ox * strideX * channels * 2;
        let panel = w;
        for (let g: usize = 0; g < channels; g += 8) {
          let acc0 = v128.load(panel);
          let acc1 = v128.load(panel, 16);
          const scale0 = v128.load(panel, 32);
          const scale1 = v128.load(panel, 48);
          panel += 64;
          let row = corner + g * 2;
          for (let y: usize = 0; y < kh; y += 2) {
            let p = row;
            for (let kx = kw; kx > 0; kx--) {
              const u = v128.load(p);
              const v = v128.load(p + stepY);
              const lo = i8x16.shuffle(u, v, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
              const hi = i8x16.shuffle(u, v, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
              acc0 = i32x4.add(acc0, i32x4.dot_i16x8_s(lo, v128.load(panel)));
              acc1 = i32x4.add(acc1, i32x4.dot_i16x8_s(hi, v128.load(panel, 16)));
              p += stepX;
              panel += 32;
            }
            row += stepY + stepY;
          }
          const y = pack16(scale4(acc0, scale0, post), scale4(acc1, scale1, post), acc0, acc1, post);
          storeBytes(c + g, i64x2.extract_lane(y, 0), channels - g);
        }
        c += channels;
      }
    }
    x += height * rowBytes;
  }
}
