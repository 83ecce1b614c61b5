/** What the host's WebAssembly offers beyond plain SIMD, and therefore which kernels a session may choose from. */

/** `relaxed-madd`: fused multiply-add as one operation. `relaxed-dot`: the 8-bit dot product with unsigned × signed semantics. */
export type Feature = "relaxed-madd" | "relaxed-dot";

export const NO_FEATURES: ReadonlySet<Feature> = new Set();
