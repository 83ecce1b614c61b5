/** Catalogue rows of the wgsl kernels. */
import type { KernelRow } from "./names.ts";

export const WGSL_KERNELS: readonly KernelRow[] = [];
