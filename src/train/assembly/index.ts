/** AssemblyScript, not TypeScript: everything that training runs in WebAssembly. Arrays are float32, 16-byte aligned at their start. */
export { gemm, scratchBytes } from "./gemm";
export { col2im, depthwise, depthwiseGradient, im2col } from "./spatial";
export { affine, clamp, clampGradient, combine, gradientSums, moments } from "./rows";
