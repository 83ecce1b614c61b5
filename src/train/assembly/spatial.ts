/**
 * AssemblyScript, not TypeScript: the parts of convolution that move along height and width, over NHWC float32. Square kernels;
 * the same stride and zero padding on both axes. Channels go four at a time with a scalar tail.
 */

/** columns [batch·OH·OW, K·K·C]. Elements outside the image are left as they are: the caller zeroes the buffer once. */
export function im2col(
  batch: i32,
  height: i32,
  width: i32,
  channels: i32,
  kernel: i32,
  stride: i32,
  pad: i32,
  outHeight: i32,
  outWidth: i32,
  image: usize,
  columns: usize,
): void {
  const depth = kernel * kernel * channels;
  for (let b: i32 = 0; b < batch; b++) {
    for (let oy: i32 = 0; oy < outHeight; oy++) {
      for (let ox: i32 = 0; ox < outWidth; ox++, columns += (<usize>depth) << 2) {
        const left = ox * stride - pad;
        const first = max(0, -left);
        const last = min(kernel, width - left);
        const length = (last - first) * channels;
        for (let ky: i32 = 0; ky < kernel; ky++) {
          const iy = oy * stride - pad + ky;
          if (iy < 0 || iy >= height) continue;
          let from = image + ((<usize>(((b * height + iy) * width + left + first) * channels)) << 2);
          let to = columns + ((<usize>((ky * kernel + first) * channels)) << 2);
          let i: i32 = 0;
          for (; i <= length - 4; i += 4, from += 16, to += 16) v128.store(to, v128.load(from));
          for (; i < length; i++, from += 4, to += 4) f32.store(to, f32.load(from));
        }
      }
    }
  }
}

/** The transpose of im2col: image = sum of all column elements that came from each of its elements. */
export function col2im(
  batch: i32,
  height: i32,
  width: i32,
  channels: i32,
  kernel: i32,
  stride: i32,
  pad: i32,
  outHeight: i32,
  outWidth: i32,
  columns: usize,
  image: usize,
): void {
  const depth = kernel * kernel * channels;
  memory.fill(image, 0, (<usize>(batch * height * width * channels)) << 2);
  for (let b: i32 = 0; b < batch; b++) {
    for (let oy: i32 = 0; oy < outHeight; oy++) {
      for (let ox: i32 = 0; ox < outWidth; ox++, columns += (<usize>depth) << 2) {
        const left = ox * stride - pad;
        const first = max(0, -left);
        const last = min(kernel, width - left);
        const length = (last - first) * channels;
        for (let ky: i32 = 0; ky < kernel; ky++) {
          const iy = oy * stride - pad + ky;
          if (iy < 0 || iy >= height) continue;
          let to = image + ((<usize>(((b * height + iy) * width + left + first) * channels)) << 2);
          let from = columns + ((<usize>((ky * kernel + first) * channels)) << 2);
          let i: i32 = 0;
          for (; i <= length - 4; i += 4, from += 16, to += 16) v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
          for (; i < length; i++, from += 4, to += 4) f32.store(to, f32.load(to) + f32.load(from));
        }
      }
    }
  }
}

/** y [batch, OH, OW, C] from x [batch, H, W, C] and w [K, K, C] */
export function depthwise(
  batch: i32,
  height: i32,
  width: i32,
  channels: i32,
  kernel: i32,
  stride: i32,
  pad: i32,
  outHeight: i32,
  outWidth: i32,
  x: usize,
  w: usize,
  y: usize,
): void {
  const bytes = (<usize>channels) << 2;
  for (let b: i32 = 0; b < batch; b++) {
    for (let oy: i32 = 0; oy < outHeight; oy++) {
      const top = oy * stride - pad;
      const kyFirst = max(0, -top);
      const kyLast = min(kernel, height - top);
      for (let ox: i32 = 0; ox < outWidth; ox++, y += bytes) {
        const left = ox * stride - pad;
        const kxFirst = max(0, -left);
        const kxLast = min(kernel, width - left);
        let c: usize = 0;
        for (; c + 16 <= bytes; c += 16) {
          let sum = f32x4.splat(0);
          for (let ky = kyFirst; ky < kyLast; ky++) {
            let image = x + <usize>((b * height + top + ky) * width + left + kxFirst) * bytes + c;
            let weight = w + <usize>(ky * kernel + kxFirst) * bytes + c;
            for (let kx = kxFirst; kx < kxLast; kx++, image += bytes, weight += bytes) {
              sum = f32x4.add(sum, f32x4.mul(v128.load(image), v128.load(weight)));
            }
          }
          v128.store(y + c, sum);
        }
        for (; c < bytes; c += 4) {
          let sum: f32 = 0;
          for (let ky = kyFirst; ky < kyLast; ky++) {
            let image = x + <usize>((b * height + top + ky) * width + left + kxFirst) * bytes + c;
            let weight = w + <usize>(ky * kernel + kxFirst) * bytes + c;
            for (let kx = kxFirst; kx < kxLast; kx++, image += bytes, weight += bytes) sum += f32.load(image) * f32.load(weight);
          }
          f32.store(y + c, sum);
        }
      }
    }
  }
}

/** dx (overwritten) and dw (added to) from dy. */
export function depthwiseGradient(
  batch: i32,
  height: i32,
  width: i32,
  channels: i32,
  kernel: i32,
  stride: i32,
  pad: i32,
  outHeight: i32,
  outWidth: i32,
  x: usize,
  w: usize,
  dy: usize,
  dx: usize,
  dw: usize,
): void {
  const bytes = (<usize>channels) << 2;
  memory.fill(dx, 0, <usize>(batch * height * width) * bytes);
  for (let b: i32 = 0; b < batch; b++) {
    for (let oy: i32 = 0; oy < outHeight; oy++) {
      const top = oy * stride - pad;
      const kyFirst = max(0, -top);
      const kyLast = min(kernel, height - top);
      for (let ox: i32 = 0; ox < outWidth; ox++, dy += bytes) {
        const left = ox * stride - pad;
        const kxFirst = max(0, -left);
        const kxLast = min(kernel, width - left);
        for (let ky = kyFirst; ky < kyLast; ky++) {
          for (let kx = kxFirst; kx < kxLast; kx++) {
            const image = <usize>((b * height + top + ky) * width + left + kx) * bytes;
            const weight = <usize>(ky * kernel + kx) * bytes;
            let c: usize = 0;
            for (; c + 16 <= bytes; c += 16) {
              const d = v128.load(dy + c);
              const toX = dx + image + c;
              const toW = dw + weight + c;
              v128.store(toX, f32x4.add(v128.load(toX), f32x4.mul(d, v128.load(w + weight + c))));
              v128.store(toW, f32x4.add(v128.load(toW), f32x4.mul(d, v128.load(x + image + c))));
            }
            for (; c < bytes; c += 4) {
              const d = f32.load(dy + c);
              const toX = dx + image + c;
              const toW = dw + weight + c;
              f32.store(toX, f32.load(toX) + d * f32.load(w + weight + c));
              f32.store(toW, f32.load(toW) + d * f32.load(x + image + c));
            }
          }
        }
      }
    }
  }
}
