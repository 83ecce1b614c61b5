/** Entry of the module without vector instructions, for `simd=off`: the layers that take most of a network's time. */
export * from "./dense-f32";
export * from "./dense-i8";
export * from "./depthwise";
export { any_pad_rows__wasm_scalar, i8_unsign_rows__wasm_scalar, f64_widen_rows__wasm_scalar } from "./rows";

/** First byte behind the module's own static data; everything from here on belongs to the host. */
export function heap_base(): usize {
  return __heap_base;
}
