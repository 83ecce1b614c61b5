/** Every kernel of every engine, one row each: tests, the tuner, benchmarks and `bench list` iterate over this and nothing else. */
import { CPU_KERNELS } from "./cpu.ts";
import { GPUJS_KERNELS } from "./gpujs.ts";
import type { KernelRow } from "./names.ts";
import { WASM_KERNELS } from "./wasm.ts";
import { WGSL_KERNELS } from "./wgsl.ts";

export const KERNELS: readonly KernelRow[] = [...CPU_KERNELS, ...WASM_KERNELS, ...WGSL_KERNELS, ...GPUJS_KERNELS];
