/** Catalogue rows of the cpu kernels. */
import type { KernelRow } from "./names.ts";

export const CPU_KERNELS: readonly KernelRow[] = [];
