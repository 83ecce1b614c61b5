/** Training operations in TypeScript alone, in the most obvious way and with sums in double: the reference, and enough for small nets. */
import type { Compute, Geometry } from "./compute.ts";

/** Calls `tap` for every (image pixel, window position, output pixel) that meet inside the image. */
function forEachTap(batch: number, g: Geometry, tap: (image: number, window: number, out: number) => void): void {
  for (let b = 0, out = 0; b < batch; b++) {
    for (let oy = 0; oy < g.outHeight; oy++) {
      for (let ox = 0; ox < g.outWidth; ox++, out++) {
        for (let ky = 0; ky < g.kernel; ky++) {
          const iy = oy * g.stride - g.pad + ky;
          if (iy < 0 || iy >= g.height) continue;
          for (let kx = 0; kx < g.kernel; kx++) {
            const ix = ox * g.stride - g.pad + kx;
            if (ix >= 0 && ix < g.width) tap((b * g.height + iy) * g.width + ix, ky * g.kernel + kx, out);
          }
        }
      }
    }
  }
}

function add(array: Float32Array, index: number, value: number): void {
  array[index] = array[index]! + value;
}

export function plainCompute(): Compute {
  return {
    name: "plain",
    allocate: (length) => new Float32Array(length),
    matmul: ({ m, n, k, a, transposeA = false, b, transposeB = false, c, accumulate = false }) => {
      const aRow = transposeA ? 1 : k;
      const aK = transposeA ? m : 1;
      const bK = transposeB ? 1 : n;
      const bColumn = transposeB ? k : 1;
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let p = 0, at = i * aRow, bt = j * bColumn; p < k; p++, at += aK, bt += bK) sum += a[at]! * b[bt]!;
          c[i * n + j] = accumulate ? c[i * n + j]! + sum : sum;
        }
      }
    },
    im2col: (batch, g, image, columns) => {
      forEachTap(batch, g, (pixel, window, out) => {
        const column = (out * g.kernel * g.kernel + window) * g.channels;
        for (let c = 0; c < g.channels; c++) columns[column + c] = image[pixel * g.channels + c]!;
      });
    },
    col2im: (batch, g, columns, image) => {
      image.fill(0, 0, batch * g.height * g.width * g.channels);
      forEachTap(batch, g, (pixel, window, out) => {
        const column = (out * g.kernel * g.kernel + window) * g.channels;
        for (let c = 0; c < g.channels; c++) add(image, pixel * g.channels + c, columns[column + c]!);
      });
    },
    depthwise: (batch, g, x, w, y) => {
      y.fill(0, 0, batch * g.outHeight * g.outWidth * g.channels);
      forEachTap(batch, g, (pixel, window, out) => {
        for (let c = 0; c < g.channels; c++) add(y, out * g.channels + c, x[pixel * g.channels + c]! * w[window * g.channels + c]!);
      });
    },
    depthwiseGradient: (batch, g, x, w, dy, dx, dw) => {
      dx.fill(0, 0, batch * g.height * g.width * g.channels);
      forEachTap(batch, g, (pixel, window, out) => {
        for (let c = 0; c < g.channels; c++) {
          const d = dy[out * g.channels + c]!;
          add(dx, pixel * g.channels + c, d * w[window * g.channels + c]!);
          add(dw, window * g.channels + c, d * x[pixel * g.channels + c]!);
        }
      });
    },
    clamp: (n, x, max) => {
      for (let i = 0; i < n; i++) x[i] = Math.min(Math.max(x[i]!, 0), max);
    },
    clampGradient: (n, y, dy, max) => {
      for (let i = 0; i < n; i++) if (y[i]! <= 0 || y[i]! >= max) dy[i] = 0;
    },
    moments: (rows, channels, x, mean, variance) => {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let r = 0; r < rows; r++) sum += x[r * channels + c]!;
        let squares = 0;
        for (let r = 0; r < rows; r++) squares += (x[r * channels + c]! - sum / rows) ** 2;
        mean[c] = sum / rows;
        variance[c] = squares / rows;
      }
    },
    affine: (rows, channels, x, scale, offset, y) => {
      for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < channels; c++, at++) y[at] = x[at]! * scale[c]! + offset[c]!;
    },
    gradientSums: (rows, channels, x, mean, dy, sum, product) => {
      for (let c = 0; c < channels; c++) {
        let s = 0;
        let p = 0;
        for (let r = 0, at = c; r < rows; r++, at += channels) {
          s += dy[at]!;
          p += dy[at]! * (x[at]! - mean[c]!);
        }
        sum[c] = s;
        product[c] = p;
      }
    },
    combine: (rows, channels, dy, scale, x, slope, offset, dx) => {
      for (let r = 0, at = 0; r < rows; r++) {
        for (let c = 0; c < channels; c++, at++) dx[at] = dy[at]! * scale[c]! - x[at]! * slope[c]! - offset[c]!;
      }
    },
  };
}
