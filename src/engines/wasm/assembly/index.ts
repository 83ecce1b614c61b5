/** Entry of the WASM module: every export but `heap_base` is a kernel of the catalogue (src/kernels/wasm.ts), under the catalogue's name. */
export * from "./gen/coded-f32";
export * from "./gen/coded-i8";
export * from "./gen/dense-f32";
export { i8_conv_pairs_4x8__wasm_simd } from "./gen/dense-i8";
export * from "./gen/depthwise-f32";
export * from "./gen/depthwise-i8";
export * from "./gen/dynamic-i8";
export * from "./gen/sparse";
export * from "./gen/sparse-pixels-f32";
export * from "./gen/sparse-pixels-i8";
export * from "./gen/sparse-vector";
export { f32_depthwise_direct_1x1__wasm_simd, i8_depthwise_direct_1x1__wasm_simd } from "./depthwise";
export {
  any_copy_rows__wasm_simd,
  any_copy_strided__wasm_simd,
  any_fill_bytes__wasm_simd,
  any_gather_rows__wasm_simd,
  any_pad_rows__wasm_simd,
  any_transpose_4x4__wasm_simd,
  f32_pack_panels__wasm_simd,
  i8_widen_rows__wasm_simd,
} from "./layout";
export * from "./dynamic";
export * from "./int16/elementwise";
export * from "./int16/layers";
export * from "./pairs";
export * from "./pooling";
export * from "./elementwise";
export * from "./softmax";
export * from "./trees";

/** First byte behind the module's own static data; everything from here on belongs to the host. */
export function heap_base(): usize {
  return __heap_base;
}
