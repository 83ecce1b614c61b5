/** Catalogue rows of the wasm kernels. */
import type { KernelRow } from "./names.ts";

export const WASM_KERNELS: readonly KernelRow[] = [];
