/**
 * The heavy operations of training behind one small interface, so that layers don't know who computes. compute-plain.ts is TypeScript
 * alone, sums in double, and is what tests compare with; compute-wasm.ts runs the SIMD kernels of assembly/. Either owns the memory
 * of all buffers that layers allocate, so that nothing is copied between them. All arrays are NHWC float32.
 */

/** c[m×n] (+)= op(a)[m×k] · op(b)[k×n], row-major, contiguous. A transposed operand is stored as its transpose ([k×m] or [n×k]). */
export interface MatMulSpec {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: Float32Array;
  readonly transposeA?: boolean;
  readonly b: Float32Array;
  readonly transposeB?: boolean;
  readonly c: Float32Array;
  /** Add to what is in c; default: overwrite. */
  readonly accumulate?: boolean;
}

/** A square window that slides over an image, with the same stride and zero padding on both axes. */
export interface Geometry {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly pad: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

export interface Compute {
  readonly name: string;
  /** Zeroed; lives as long as the compute. Every array passed to the methods below must come from here. */
  allocate(length: number): Float32Array;
  matmul(spec: MatMulSpec): void;
  /** columns [batch·OH·OW, K·K·C]; what lies outside the image is not written (allocate zeroed it). */
  im2col(batch: number, g: Geometry, image: Float32Array, columns: Float32Array): void;
  /** image = sum of the column elements that im2col takes from each of its elements. */
  col2im(batch: number, g: Geometry, columns: Float32Array, image: Float32Array): void;
  /** w [K, K, C] */
  depthwise(batch: number, g: Geometry, x: Float32Array, w: Float32Array, y: Float32Array): void;
  /** dx is overwritten, dw added to. */
  depthwiseGradient(
    batch: number,
    g: Geometry,
    x: Float32Array,
    w: Float32Array,
    dy: Float32Array,
    dx: Float32Array,
    dw: Float32Array,
  ): void;
  /** x = min(max(x, 0), max), in place. */
  clamp(n: number, x: Float32Array, max: number): void;
  /** dy = 0 where the clamped output y is at a bound. */
  clampGradient(n: number, y: Float32Array, dy: Float32Array, max: number): void;
  /** Mean and biased variance of x [rows, channels] over rows. */
  moments(rows: number, channels: number, x: Float32Array, mean: Float32Array, variance: Float32Array): void;
  /** y = x · scale[c] + offset[c] */
  affine(rows: number, channels: number, x: Float32Array, scale: Float32Array, offset: Float32Array, y: Float32Array): void;
  /** sum[c] = Σ dy, product[c] = Σ dy · (x - mean[c]), over rows. */
  gradientSums(
    rows: number,
    channels: number,
    x: Float32Array,
    mean: Float32Array,
    dy: Float32Array,
    sum: Float32Array,
    product: Float32Array,
  ): void;
  /** dx = dy · scale[c] - x · slope[c] - offset[c] */
  combine(
    rows: number,
    channels: number,
    dy: Float32Array,
    scale: Float32Array,
    x: Float32Array,
    slope: Float32Array,
    offset: Float32Array,
    dx: Float32Array,
  ): void;
}
