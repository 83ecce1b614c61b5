/** Catalogue rows of the WGSL kernels that measure the device and compute nothing of a graph. */
import { wgslRow } from "./wgsl-row.ts";
import type { WgslKernel } from "./wgsl-row.ts";

export const PROBES: readonly WgslKernel[] = [
  wgslRow("f32_peak_fma_8x4__wgsl", [], "f32_peak", { FORM: "fma" }, "Fused multiply-adds on registers, 8 × 4 sums a thread."),
  wgslRow("f32_peak_muladd_8x4__wgsl", [], "f32_peak", { FORM: "muladd" }, "Multiply and add on registers, 8 × 4 sums a thread."),
  wgslRow(
    "i8_peak_dot4_16x1__wgsl",
    [],
    "i8_peak",
    { DOT4: "dot4I8Packed" },
    "The built-in dot product of four bytes on registers, 16 sums a thread.",
    ["packed_4x8_integer_dot_product"],
  ),
  wgslRow("i8_peak_unpack_16x1__wgsl", [], "i8_peak", { DOT4: "dot4_unpack" }, "Bytes unpacked to int32 on registers, 16 sums a thread."),
  wgslRow("any_peak_copy__wgsl", [], "any_peak_copy", {}, "One buffer to another, 16 bytes at once."),
  wgslRow("any_peak_empty__wgsl", [], "any_peak_empty", {}, "Nothing: what a dispatch itself costs."),
];
