/**
 * What kernels of gpu.js may use. gpu.js takes the text of such a function and translates it, to GLSL for WebGL and to a loop for the CPU,
 * so a kernel is a subset of JavaScript and refers to nothing outside itself but `this.thread`, `this.constants`, Math, and the functions
 * declared here (helpers.ts). Tensors are flat; an index stays below 2^24, since locals are floats in GLSL.
 */

/** Four consecutive elements of a tensor: one texel. */
export type Texel = readonly [number, number, number, number];

/** A tensor read element by element. */
export type Elements = readonly number[];

/** A tensor read texel by texel; WebGL only. */
export type Texels = readonly Texel[];

export interface Thread<Constants> {
  /** Number of the output's element (or texel) that this call computes. */
  readonly thread: { readonly x: number };
  /** Integers, known when the kernel is compiled. */
  readonly constants: Constants;
}

/** Arguments: tensors first, then numbers that may be fractions or infinite. */
export type KernelFunction = (this: never, ...inputs: never[]) => number | Texel;

declare global {
  /** a / b of integers, rounded down. */
  function idiv(a: number, b: number): number;
  /** a - b × idiv(a, b), for a ≥ 0 and b > 0. */
  function imod(a: number, b: number): number;
  /** A fused activation; kinds are in helpers.ts. */
  function finish(v: number, kind: number, lo: number, hi: number): number;
}
