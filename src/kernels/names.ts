/** Kernel names: `<dtype>_<op>_<pattern>_<tile>__<engine>[_<feature>]`, e.g. `f32_gemm_packed_4x8__wasm_simd`. */

export type KernelEngine = "cpu" | "wasm" | "wgsl" | "gpujs";

/** One row of the catalogue. File, export, GPU label, test title and the `kernels` entry of a record carry `name`. */
export interface KernelRow {
  readonly name: string;
  readonly engine: KernelEngine;
  /** IR ops that it can execute. */
  readonly ops: readonly string[];
  /** What it needs beyond the engine's baseline: `simd`, `packed_4x8_integer_dot_product`, …. */
  readonly requires: readonly string[];
  /** One sentence: algorithm, tile, packing. */
  readonly about: string;
}

const GRAMMAR = /^(f32|f64|f16|i8|u8|i16|i32|any)_[a-z0-9]+(_[a-z0-9]+)*__(cpu|wasm|wgsl|gpujs)(_[a-z0-9]+)*$/;

export function isKernelName(name: string): boolean {
  return GRAMMAR.test(name);
}

/** Whether it skips zeros: products of a sparse matrix (`spmm`, `spmv`). */
export function skipsZeros(name: string): boolean {
  return /^[a-z0-9]+_sp(mm|mv)_/.test(name);
}
