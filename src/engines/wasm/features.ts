/** What the host's WebAssembly offers beyond plain SIMD, and therefore which kernels a session may choose from. */

/**
 * `relaxed-madd`: fused multiply-add as one operation. `relaxed-dot`: the 8-bit dot product, exact for unsigned × signed.
 * `wide-tiles`: the compiler keeps the accumulators of a 6×8 tile in registers.
 */
export type Feature = "relaxed-madd" | "relaxed-dot" | "wide-tiles";

export const NO_FEATURES: ReadonlySet<Feature> = new Set();
