/** Catalogue rows of the kernels that gpu.js translates (src/engines/gpujs/kernels). */
import type { BinaryFn, OpName, ReduceFn } from "../graph/ir.ts";
import type { KernelRow } from "./names.ts";
import { UNARY_FNS } from "./wgsl.ts";

function row(name: string, ops: readonly OpName[], about: string): KernelRow {
  return { name: `${name}__gpujs`, engine: "gpujs", ops, requires: [], about };
}

/** Four elements a call, from textures of four elements a texel. */
function texelRow(name: string, ops: readonly OpName[], about: string): KernelRow {
  return { name: `${name}__gpujs_webgl2`, engine: "gpujs", ops, requires: ["webgl2"], about };
}

const BINARY_FNS: readonly BinaryFn[] = ["add", "sub", "mul", "div", "pow", "min", "max"];
const REDUCE_FNS: readonly ReduceFn[] = ["sum", "mean", "max", "min", "prod"];

export const GPUJS_KERNELS: readonly KernelRow[] = [
  texelRow("f32_conv_texel_1x4", ["Conv2D", "Dense"], "Four output channels of a pixel a call, input and weights read four at once."),
  texelRow("f32_conv_broadcast_1x4", ["Conv2D", "Dense"], "Four output channels of a pixel a call, any number of input channels."),
  texelRow("f32_depthwise_texel_1x4", ["DepthwiseConv2D"], "Four channels of a pixel a call."),
  texelRow("f32_maxpool_texel_1x4", ["MaxPool2D"], "Four channels of a pixel a call."),
  texelRow("f32_avgpool_texel_1x4", ["AveragePool2D"], "Four channels of a pixel a call."),
  row("f32_conv_direct_1x1", ["Conv2D"], "Any groups: one output a call."),
  row("f32_depthwise_direct_1x1", ["DepthwiseConv2D"], "Any channels and multipliers: one output a call."),
  row("f32_dense_direct_1x1", ["Dense"], "One output a call."),
  row("f32_matmul_direct_1x1", ["MatMul"], "Two activations, any strides: one output a call."),
  row("f32_maxpool_direct_1x1", ["MaxPool2D"], "One output a call."),
  row("f32_avgpool_direct_1x1", ["AveragePool2D"], "One output a call."),
  ...REDUCE_FNS.map((fn) => row(`f32_reduce_${fn}_strided`, ["Reduce"], "Neighbouring axes in one pass: one output a call.")),
  row("f32_softmax_max", ["Softmax"], "First pass: the largest value of each row."),
  row("f32_softmax_sum", ["Softmax"], "Second pass: the sum of exponentials of each row."),
  row("f32_softmax_scale", ["Softmax"], "Third pass: exponentials over their sum."),
  ...BINARY_FNS.map((fn) => row(`f32_binary_${fn}_broadcast`, ["Binary"], "Any broadcast, activation fused: one output a call.")),
  ...UNARY_FNS.map((fn) => row(`f32_unary_${fn}`, ["Unary"], "One output a call.")),
  row("f32_copy_strided", ["Transpose", "Slice", "Expand"], "A box of elements between any strides."),
  row("f32_concat_pair", ["Concat"], "Two tensors side by side; more of them pair by pair."),
  ...["constant", "reflect", "edge"].map((mode) => row(`f32_pad_${mode}`, ["Pad"], "Up to four separate dimensions.")),
  row("any_alias_view", ["Reshape", "Transpose", "Reduce", "Concat"], "No call: the output is the input under another shape."),
];
