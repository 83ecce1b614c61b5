/** Entry of the relaxed-SIMD module, for hosts where a probe proved what its instructions compute (src/engines/wasm/features.ts). */
export * from "../gen/relaxed-coded-i8";
export * from "../gen/relaxed-depthwise";
export * from "../gen/relaxed-f32";
export * from "../gen/relaxed-i8";
export * from "../gen/sparse-dot";
export * from "./rows";
