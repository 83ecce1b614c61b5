/** Training operations on the SIMD kernels of assembly/: pointers instead of arrays, one fixed memory, no copies. */
import { invariant } from "../errors.ts";
import type { Compute, Geometry } from "./compute.ts";

type Kernel = (...parameters: readonly (number | boolean)[]) => void;

interface KernelExports {
  readonly scratchBytes: () => number;
  readonly gemm: Kernel;
  readonly im2col: Kernel;
  readonly col2im: Kernel;
  readonly depthwise: Kernel;
  readonly depthwiseGradient: Kernel;
  readonly clamp: Kernel;
  readonly clampGradient: Kernel;
  readonly moments: Kernel;
  readonly affine: Kernel;
  readonly gradientSums: Kernel;
  readonly combine: Kernel;
}

/** What we use of WebAssembly: TypeScript declares it only together with the whole DOM. */
interface WebAssemblyApi {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}

const { Memory, Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;

function windowOf(g: Geometry): readonly number[] {
  return [g.height, g.width, g.channels, g.kernel, g.stride, g.pad, g.outHeight, g.outWidth];
}

/**
 * @param code assembly/index.ts, compiled with an imported memory
 * @param megabytes size of the memory, fixed: growing would detach every view that layers hold. Pages are committed on first use.
 */
export function wasmCompute(code: Uint8Array<ArrayBuffer>, megabytes: number): Compute {
  const memory = new Memory({ initial: megabytes * 16, maximum: megabytes * 16 });
  const kernels = new Instance(new Module(code), { env: { memory } }).exports as unknown as KernelExports;
  // The first 64 KiB stay free for the compiler's own static data.
  let top = 65536;
  const reserve = (bytes: number): number => {
    const at = top;
    top += Math.ceil(bytes / 16) * 16;
    invariant(top <= memory.buffer.byteLength, `training needs more than the ${megabytes} MB it was given`);
    return at;
  };
  const scratch = reserve(kernels.scratchBytes());
  /** Addresses, after a check that the arrays live here and are as long as the kernel assumes. */
  const at = (array: Float32Array, length: number): number => {
    invariant(array.buffer === memory.buffer, "a training kernel got an array from elsewhere");
    invariant(array.length >= length, `a training kernel needs ${length} elements, got ${array.length}`);
    return array.byteOffset;
  };
  const imageSize = (batch: number, g: Geometry): number => batch * g.height * g.width * g.channels;
  const outSize = (batch: number, g: Geometry): number => batch * g.outHeight * g.outWidth * g.channels;
  const columnsSize = (batch: number, g: Geometry): number => outSize(batch, g) * g.kernel * g.kernel;
  const filterSize = (g: Geometry): number => g.kernel * g.kernel * g.channels;
  return {
    name: "wasm",
    allocate: (length) => new Float32Array(memory.buffer, reserve(length * 4), length),
    matmul: ({ m, n, k, a, transposeA = false, b, transposeB = false, c, accumulate = false }) => {
      kernels.gemm(m, n, k, at(a, m * k), transposeA, at(b, k * n), transposeB, at(c, m * n), accumulate, scratch);
    },
    im2col: (batch, g, image, columns) => {
      kernels.im2col(batch, ...windowOf(g), at(image, imageSize(batch, g)), at(columns, columnsSize(batch, g)));
    },
    col2im: (batch, g, columns, image) => {
      kernels.col2im(batch, ...windowOf(g), at(columns, columnsSize(batch, g)), at(image, imageSize(batch, g)));
    },
    depthwise: (batch, g, x, w, y) => {
      kernels.depthwise(batch, ...windowOf(g), at(x, imageSize(batch, g)), at(w, filterSize(g)), at(y, outSize(batch, g)));
    },
    depthwiseGradient: (batch, g, x, w, dy, dx, dw) => {
      const image = imageSize(batch, g);
      const filter = filterSize(g);
      kernels.depthwiseGradient(
        batch,
        ...windowOf(g),
        at(x, image),
        at(w, filter),
        at(dy, outSize(batch, g)),
        at(dx, image),
        at(dw, filter),
      );
    },
    clamp: (n, x, max) => {
      kernels.clamp(n, at(x, n), max);
    },
    clampGradient: (n, y, dy, max) => {
      kernels.clampGradient(n, at(y, n), at(dy, n), max);
    },
    moments: (rows, channels, x, mean, variance) => {
      kernels.moments(rows, channels, at(x, rows * channels), at(mean, channels), at(variance, channels), scratch);
    },
    affine: (rows, channels, x, scale, offset, y) => {
      kernels.affine(rows, channels, at(x, rows * channels), at(scale, channels), at(offset, channels), at(y, rows * channels));
    },
    gradientSums: (rows, channels, x, mean, dy, sum, product) => {
      const n = rows * channels;
      kernels.gradientSums(rows, channels, at(x, n), at(mean, channels), at(dy, n), at(sum, channels), at(product, channels), scratch);
    },
    combine: (rows, channels, dy, scale, x, slope, offset, dx) => {
      const n = rows * channels;
      kernels.combine(rows, channels, at(dy, n), at(scale, channels), at(x, n), at(slope, channels), at(offset, channels), at(dx, n));
    },
  };
}
