/**
 * Depthwise convolutions, 4 neighbouring outputs of one channel at a time, over a bordered copy of the image. `geometry` as in
 * ../depthwise.ts, of the bordered image and without pads; weights [C][bias, (scale,) then KH × KW], channels innermost in the image.
 */
import { activate, requantize, requantizeFixed } from "./common";

export function f32_depthwise_direct_4x1__wasm_scalar(x: usize, w: usize, c: usize, geometry: usize, act: usize, post: usize): void {
  const channels: usize = load<i32>(geometry, 12);
  const outH = load<i32>(geometry, 16);
  const outW: usize = load<i32>(geometry, 20);
  const kh = load<i32>(geometry, 24);
  const kw = load<i32>(geometry, 28);
  const pixelBytes = channels * 4;
  const rowBytes: usize = load<i32>(geometry, 8) * pixelBytes;
  const step: usize = load<i32>(geometry, 36) * pixelBytes;
  const tapX: usize = load<i32>(geometry, 44) * pixelBytes;
  const tapY: usize = load<i32>(geometry, 40) * rowBytes;
  const strideY: usize = load<i32>(geometry, 32) * rowBytes;
  const panelBytes: usize = 4 + kh * kw * 4;
  for (let image = load<i32>(geometry); image > 0; image--) {
    for (let oy = 0; oy < outH; oy++) {
      const row = x + oy * strideY;
      let ox: usize = 0;
      for (; ox + 4 <= outW; ox += 4) {
        let from = row + ox * step;
        let to = c + ox * pixelBytes;
        let wc = w;
        for (let ch = channels; ch > 0; ch--) {
          let c0 = load<f32>(wc);
          let c1 = c0;
          let c2 = c0;
          let c3 = c0;
          let wk = wc + 4;
          let line = from;
          for (let ky = kh; ky > 0; ky--) {
            let p = line;
            for (let kx = kw; kx > 0; kx--) {
              const weight = load<f32>(wk);
              c0 += load<f32>(p) * weight;
              c1 += load<f32>(p + step) * weight;
              c2 += load<f32>(p + 2 * step) * weight;
              c3 += load<f32>(p + 3 * step) * weight;
              p += tapX;
              wk += 4;
            }
            line += tapY;
          }
          store<f32>(to, activate(c0, act, post));
          store<f32>(to + pixelBytes, activate(c1, act, post));
          store<f32>(to + 2 * pixelBytes, activate(c2, act, post));
          store<f32>(to + 3 * pixelBytes, activate(c3, act, post));
          from += 4;
          to += 4;
          wc += panelBytes;
        }
      }
      for (; ox < outW; ox++) {
        let from = row + ox * step;
        let to = c + ox * pixelBytes;
        let wc = w;
        for (let ch = channels; ch > 0; ch--) {
          let sum = load<f32>(wc);
          let wk = wc + 4;
          let line = from;
          for (let ky = kh; ky > 0; ky--) {
            let p = line;
            for (let kx = kw; kx > 0; kx--) {
              sum += load<f32>(p) * load<f32>(wk);
              p += tapX;
              wk += 4;
            }
            line += tapY;
          }
          store<f32>(to, activate(sum, act, post));
          from += 4;
          to += 4;
          wc += panelBytes;
        }
      }
      c += outW * pixelBytes;
    }
    x += load<i32>(geometry, 4) * rowBytes;
  }
}

/** A sum of the channel whose panel begins at `panel`. */
// @ts-ignore: decorator
@inline
function finish(sum: i32, panel: usize, post: usize, isFixed: bool): u8 {
  return <u8>(isFixed ? requantizeFixed(sum, load<i32>(panel, 4), load<i32>(panel, 8), post) : requantize(sum, load<f32>(panel, 4), post));
}

// @ts-ignore: decorator
@inline
function depthwise(x: usize, w: usize, c: usize, geometry: usize, post: usize, isFixed: bool): void {
  const channels: usize = load<i32>(geometry, 12);
  const outH = load<i32>(geometry, 16);
  const outW: usize = load<i32>(geometry, 20);
  const kh = load<i32>(geometry, 24);
  const kw = load<i32>(geometry, 28);
  const rowBytes: usize = load<i32>(geometry, 8) * channels;
  const step: usize = load<i32>(geometry, 36) * channels;
  const tapX: usize = load<i32>(geometry, 44) * channels;
  const tapY: usize = load<i32>(geometry, 40) * rowBytes;
  const strideY: usize = load<i32>(geometry, 32) * rowBytes;
  const head: usize = isFixed ? 12 : 8;
  const panelBytes: usize = head + kh * kw * 4;
  for (let image = load<i32>(geometry); image > 0; image--) {
    for (let oy = 0; oy < outH; oy++) {
      const row = x + oy * strideY;
      let ox: usize = 0;
      for (; ox + 4 <= outW; ox += 4) {
        let from = row + ox * step;
        let to = c + ox * channels;
        let wc = w;
        for (let ch = channels; ch > 0; ch--) {
          let c0 = load<i32>(wc);
          let c1 = c0;
          let c2 = c0;
          let c3 = c0;
          let wk = wc + head;
          let line = from;
          for (let ky = kh; ky > 0; ky--) {
            let p = line;
            for (let kx = kw; kx > 0; kx--) {
              const weight = load<i32>(wk);
              c0 += <i32>load<u8>(p) * weight;
              c1 += <i32>load<u8>(p + step) * weight;
              c2 += <i32>load<u8>(p + 2 * step) * weight;
              c3 += <i32>load<u8>(p + 3 * step) * weight;
              p += tapX;
              wk += 4;
            }
            line += tapY;
          }
          store<u8>(to, finish(c0, wc, post, isFixed));
          store<u8>(to + channels, finish(c1, wc, post, isFixed));
          store<u8>(to + 2 * channels, finish(c2, wc, post, isFixed));
          store<u8>(to + 3 * channels, finish(c3, wc, post, isFixed));
          from++;
          to++;
          wc += panelBytes;
        }
      }
      for (; ox < outW; ox++) {
        let from = row + ox * step;
        let to = c + ox * channels;
        let wc = w;
        for (let ch = channels; ch > 0; ch--) {
          let sum = load<i32>(wc);
          let wk = wc + head;
          let line = from;
          for (let ky = kh; ky > 0; ky--) {
            let p = line;
            for (let kx = kw; kx > 0; kx--) {
              sum += <i32>load<u8>(p) * load<i32>(wk);
              p += tapX;
              wk += 4;
            }
            line += tapY;
          }
          store<u8>(to, finish(sum, wc, post, isFixed));
          from++;
          to++;
          wc += panelBytes;
        }
      }
      c += outW * channels;
    }
    x += load<i32>(geometry, 4) * rowBytes;
  }
}

/** Bytes in unsigned form, weights as int32; their zero point is in the bias. */
export function i8_depthwise_direct_4x1__wasm_scalar(x: usize, w: usize, c: usize, geometry: usize, post: usize): void {
  depthwise(x, w, c, geometry, post, false);
}

/** The same in fixed point: panels [bias, multiplier, shift, then KH × KW], `post` of `requantizeFixed`. */
export function i8_depthwise_fixed_4x1__wasm_scalar(x: usize, w: usize, c: usize, geometry: usize, post: usize): void {
  depthwise(x, w, c, geometry, post, true);
}
