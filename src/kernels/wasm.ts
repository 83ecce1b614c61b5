/** Catalogue rows of the wasm kernels: one for each export of the modules in build/wasm. */
import type { KernelRow } from "./names.ts";

function row(name: string, ops: readonly string[], about: string): KernelRow {
  return { name: `${name}__wasm_simd`, engine: "wasm", ops, requires: ["simd"], about };
}

/** @param feature of relaxed SIMD, as probed (src/engines/wasm/features.ts) */
function relaxedRow(name: string, feature: string, ops: readonly string[], about: string): KernelRow {
  return { name: `${name}__wasm_relaxed`, engine: "wasm", ops, requires: ["simd", feature], about };
}

function dotRow(name: string, ops: readonly string[], about: string): KernelRow {
  return relaxedRow(name, "relaxed-dot", ops, about);
}

/** For `simd=off`, and for layers that requantize in fixed point. */
function scalarRow(name: string, ops: readonly string[], about: string): KernelRow {
  return { name: `${name}__wasm_scalar`, engine: "wasm", ops, requires: [], about };
}

const WEIGHTED = ["Conv2D", "Dense", "MatMul"];
/** Compact codes of weights, and what their kernels do. */
const CODED: readonly (readonly [kind: string, about: string])[] = [
  ["codebook4", "Up to 16 shared values by 4-bit indices"],
  ["codebook8", "Up to 256 shared values by 8-bit indices"],
  ["int4", "4-bit weights with a scale per block and output"],
  ["int8", "8-bit weights with a scale per output"],
  ["float16", "float16 weights widened exactly"],
];

export const WASM_KERNELS: readonly KernelRow[] = [
  row("f32_gemm_packed_4x8", [...WEIGHTED], "4 rows × 8 columns in registers, load-splat inputs, weights in panels [N/8][bias 8, K × 8]."),
  row("f32_gemv_packed_1x24", [...WEIGHTED], "One row, three panels of 8 columns side by side."),
  row(
    "f32_conv_indirect_4x8",
    ["Conv2D", "DepthwiseConv2D"],
    "The 4×8 tile over a table of window offsets; padding in a copy of the image.",
  ),
  ...CODED.flatMap(([kind, about]) => [
    row(`f32_gemv_${kind}_1x24`, [...WEIGHTED], `${about}; one row, three panels of 8 columns side by side.`),
    row(`f32_gemm_${kind}_4x8`, [...WEIGHTED], `${about}; a panel of 8 columns at a time for the dense tile.`),
    row(`f32_conv_${kind}_4x8`, ["Conv2D", "DepthwiseConv2D"], `${about}; a panel of 8 columns at a time for the indirect tile.`),
  ]),
  ...[row, dotRow].flatMap((of) => [
    of(
      "i8_gemv_codebook4_1x8",
      [...WEIGHTED],
      "Up to 16 int8 values of each output by 4-bit indices; one row, swizzles into dot products along the inputs.",
    ),
    of("i8_gemm_codebook4_4x8", [...WEIGHTED], "The same, a panel of 8 columns at a time for the dense tile."),
    of("i8_conv_codebook4_4x8", ["Conv2D"], "The same for the tile over a table of window offsets."),
  ]),
  row("f32_spmm_1x8_4x8", [...WEIGHTED], "The 4×8 tile over a list of non-zero inputs per 8 outputs (1×8 blocks), byte offsets."),
  row("f32_spmm_1x4_8x4", [...WEIGHTED], "Blocks of 8 pixels, transposed; 4 outputs share a list of non-zero inputs (1×4 blocks)."),
  row("f32_spmm_csr_24x1", [...WEIGHTED], "Blocks of 24 pixels, transposed; every output has its own list: zeros anywhere."),
  row("f32_spmm_delta_24x1", [...WEIGHTED], "The same with distances between inputs in place of their numbers."),
  row("f32_spmv_1x8_1x8", [...WEIGHTED], "One row times 1×8-sparse weights, two entries a step."),
  row("f32_spmv_1x4_1x4", [...WEIGHTED], "One row times 1×4-sparse weights, four entries a step."),
  row("f32_spmv_csr_1x1", [...WEIGHTED], "One row times weights with zeros anywhere, four inputs put together in a vector."),
  row("i8_gemm_pairs_4x8", [...WEIGHTED], "int16 pairs through the dot product, 4×8, int32 accumulators, float32 requantization."),
  row(
    "i8_conv_pairs_4x8",
    ["Conv2D", "DepthwiseConv2D"],
    "The int16-pair tile over a table of window offsets into a widened, padded copy.",
  ),
  row(
    "f32_range_grid",
    ["Conv2D", "Dense"],
    "Smallest and largest value of a tensor as the int8 grid of a layer that quantizes its input at run time.",
  ),
  row("f32_widen_grid", ["Conv2D", "Dense"], "Floats onto that grid as int16 with the zero point taken off, padded."),
  row("i8_gemm_dynamic_4x8", ["Conv2D", "Dense"], "int16 pairs through the dot product, 4×8, int32 sums scaled to float32."),
  row("i8_conv_dynamic_4x8", ["Conv2D"], "The same over a table of window offsets into the padded copy."),
  row(
    "i16_conv_pairs_4x8",
    ["Conv2D", "Dense", "DepthwiseConv2D"],
    "int16 inputs in pairs with int8 weights through the dot product, int32 sums spilled to doubles, 4 windows × 8 outputs.",
  ),
  row("i16_depthwise_direct_4x8", ["DepthwiseConv2D"], "int16, any window up to 511 taps: four outputs × 8 channels in int32."),
  row(
    "i16_pool_direct_1x8",
    ["MaxPool2D", "AveragePool2D", "Reduce"],
    "int16 maximum, or int32 sum and one requantization, 8 channels at a time.",
  ),
  row("i16_scale_map_1x8", ["Requantize", "MaxPool2D"], "int16 to another grid."),
  row("i16_table_map_1x1", ["Unary"], "Any int16 function through 65,536 entries."),
  row("i16_quantize_map_1x8", ["Quantize"], "float32 to int16, half to even."),
  row("i16_dequantize_map_1x4", ["Dequantize"], "int16 to float32."),
  row("i16_binary_broadcast_1x1", ["Binary"], "int16 add and subtract in int64, multiply in int32, with broadcasting."),
  row("i16_softmax_rows_1x1", ["Softmax"], "Integer exponentials as products of two tables and one 64-bit division an element."),
  row("i8_spmm_1x8_4x8", [...WEIGHTED], "Non-zero inputs per 8 outputs, two a step, over blocks of 4 interleaved pixels."),
  row("i8_spmm_1x4_8x4", [...WEIGHTED], "As f32_spmm_1x4_8x4 in int16, two inputs a step through the dot product."),
  row("i8_spmm_csr_24x1", [...WEIGHTED], "As f32_spmm_csr_24x1 in int16, two inputs a step through the dot product."),
  row("i8_spmm_delta_24x1", [...WEIGHTED], "The same with distances between inputs in place of their numbers."),
  row("i8_spmv_1x8_1x8", [...WEIGHTED], "One row times 1×8-sparse weights, two inputs a step."),
  row("f32_depthwise_w3s1_1x4", ["DepthwiseConv2D"], "Kernel width 3, stride 1: 4 neighbouring outputs × 4 channels, inputs shared."),
  row("f32_depthwise_w3s2_1x3", ["DepthwiseConv2D"], "Kernel width 3, stride 2: 3 neighbouring outputs × 4 channels, inputs shared."),
  row("f32_depthwise_w5s1_1x2", ["DepthwiseConv2D"], "Kernel width 5, stride 1: 2 neighbouring outputs × 4 channels, inputs shared."),
  row("f32_depthwise_w5s2_1x2", ["DepthwiseConv2D"], "Kernel width 5, stride 2: 2 neighbouring outputs × 4 channels, inputs shared."),
  row("f32_depthwise_direct_1x1", ["DepthwiseConv2D"], "Any kernel, stride and dilation: one output × 4 channels."),
  row("i8_depthwise_w3s1_1x4", ["DepthwiseConv2D"], "Kernel width 3, stride 1: 4 outputs × 8 channels, kernel rows in int16 pairs."),
  row("i8_depthwise_w3s2_1x4", ["DepthwiseConv2D"], "Kernel width 3, stride 2: 4 outputs × 8 channels, kernel rows in int16 pairs."),
  row("i8_depthwise_w5s1_1x4", ["DepthwiseConv2D"], "Kernel width 5, stride 1: 4 outputs × 8 channels, kernel rows in int16 pairs."),
  row("i8_depthwise_w5s2_1x4", ["DepthwiseConv2D"], "Kernel width 5, stride 2: 4 outputs × 8 channels, kernel rows in int16 pairs."),
  row("i8_depthwise_direct_1x1", ["DepthwiseConv2D"], "Any kernel, stride and dilation: one output × 8 channels."),
  row("f32_pool_direct_1x4", ["MaxPool2D", "AveragePool2D"], "Windows clipped to the image, 4 channels at a time."),
  row(
    "i8_pool_direct_1x8",
    ["MaxPool2D", "AveragePool2D", "Reduce"],
    "8-bit maximum, or int32 sum and one requantization, 8 channels at a time.",
  ),
  row("f32_reduce_middle_1x4", ["Reduce"], "Sum, mean, maximum or minimum over neighbouring axes."),
  row("f32_softmax_rows_1x4", ["Softmax"], "Along the last axis, polynomial exponential on 4 lanes."),
  row("f32_softmax_strided_1x4", ["Softmax"], "Along another axis, 4 inner positions at a time."),
  row("i8_softmax_rows_1x1", ["Softmax"], "Integer exponentials from a table and one integer division an element."),
  row(
    "f32_binary_broadcast_1x4",
    ["Binary"],
    "Add, subtract, multiply, divide, minimum, maximum with broadcasting over 4 merged dimensions.",
  ),
  row("i8_binary_broadcast_1x8", ["Binary"], "8-bit add, subtract and multiply with broadcasting, in int32."),
  row("f32_unary_map_1x4", ["Unary"], "Activations and elementary functions; exponentials and logarithms by polynomials."),
  row("i8_table_map_1x8", ["Unary", "Requantize", "MaxPool2D", "Concat", "Transpose", "Slice"], "Any 8-bit function through 256 entries."),
  row("f32_quantize_map_1x8", ["Quantize"], "float32 to 8 bits, half to even."),
  row("f32_dequantize_map_1x4", ["Dequantize"], "8 bits to float32."),
  row("f32_resize_linear_1x4", ["Resize"], "Bilinear over height and width, 4 channels at a time."),
  row(
    "f32_trees_walk_1x4",
    ["TreeEnsemble"],
    "Four trees side by side down their branches, one sample at a time; no jumps but the loop's.",
  ),
  row("f32_trees_walk_4x1", ["TreeEnsemble"], "The same, four samples side by side down one tree."),
  row("f32_pack_panels", ["MatMul"], "Packs the right operand of a product of two activations at run time."),
  row(
    "i8_widen_rows",
    ["Conv2D", "DepthwiseConv2D", "Dense", "MatMul"],
    "8 bits to int16 with the zero point taken off, padded with zeros.",
  ),
  row("any_pad_rows", ["Conv2D"], "Copy of an image with a border."),
  row("any_fill_bytes", ["Pad"], "Fills bytes."),
  row("any_copy_rows", ["Concat", "Slice", "Pad", "Reshape", "Expand"], "Rows of bytes between two strides."),
  row("any_copy_strided", ["Transpose", "Slice", "Pad", "Expand"], "Five loops over any strides, elements of 1 to 8 bytes."),
  row("any_gather_rows", ["Gather", "Resize"], "Rows picked by a table of byte offsets."),
  row("any_transpose_4x4", ["Transpose", "MatMul"], "Batches of 32-bit matrices, 4×4 at a time in registers."),
  row("any_reshape_alias", ["Reshape"], "No code: the output shares the input's bytes."),
  relaxedRow("f32_gemm_packed_6x8", "relaxed-madd", [...WEIGHTED], "6 rows × 8 columns in registers, fused multiply-add; V8 13 and newer."),
  relaxedRow("f32_conv_indirect_6x8", "relaxed-madd", ["Conv2D", "DepthwiseConv2D"], "The 6×8 tile over a table of window offsets."),
  relaxedRow("f32_gemm_packed_4x8", "relaxed-madd", [...WEIGHTED], "The 4×8 tile with fused multiply-add."),
  relaxedRow("f32_conv_indirect_4x8", "relaxed-madd", ["Conv2D", "DepthwiseConv2D"], "The 4×8 tile with fused multiply-add over windows."),
  relaxedRow(
    "i8_gemm_dot_4x8",
    "relaxed-dot",
    [...WEIGHTED],
    "Unsigned × signed bytes, four inputs a step, 4×8; int8 inputs as x xor 0x80.",
  ),
  relaxedRow("i8_conv_dot_4x8", "relaxed-dot", ["Conv2D", "DepthwiseConv2D"], "The byte tile over a table of window offsets."),
  relaxedRow("i8_gemv_dot_1x32", "relaxed-dot", [...WEIGHTED], "One row in bytes, four panels of 8 columns side by side."),
  relaxedRow(
    "i8_spmm_dot1x8_4x8",
    "relaxed-dot",
    [...WEIGHTED],
    "Non-zero inputs per 8 outputs, up to four a step picked out of 16 bytes by a swizzle, 4 rows.",
  ),
  relaxedRow("i8_spmm_dotcsr_4x8", "relaxed-dot", [...WEIGHTED], "As i8_spmm_dot1x8_4x8, every output with picks of its own."),
  relaxedRow("i8_unsign_rows", "relaxed-dot", [...WEIGHTED, "DepthwiseConv2D"], "8 bits to unsigned form, bordered with the zero point."),
  relaxedRow(
    "i8_depthwise_dot_w3s1_1x4",
    "relaxed-dot",
    ["DepthwiseConv2D"],
    "Kernel width 3, stride 1: 4 outputs × 8 channels, kernel rows in fours.",
  ),
  relaxedRow(
    "i8_depthwise_dot_w3s2_1x4",
    "relaxed-dot",
    ["DepthwiseConv2D"],
    "Kernel width 3, stride 2: 4 outputs × 8 channels, kernel rows in fours.",
  ),
  relaxedRow(
    "i8_depthwise_dot_w5s1_1x4",
    "relaxed-dot",
    ["DepthwiseConv2D"],
    "Kernel width 5, stride 1: 4 outputs × 8 channels, kernel rows in fours.",
  ),
  relaxedRow(
    "i8_depthwise_dot_w5s2_1x4",
    "relaxed-dot",
    ["DepthwiseConv2D"],
    "Kernel width 5, stride 2: 4 outputs × 8 channels, kernel rows in fours.",
  ),
  scalarRow("f32_conv_indirect_2x4", [...WEIGHTED, "DepthwiseConv2D"], "2 windows × 4 outputs in scalar registers, windows by a table."),
  scalarRow(
    "i8_conv_doubles_2x8",
    [...WEIGHTED, "DepthwiseConv2D"],
    "Exact sums in doubles that carry two outputs each, 2 windows × 8 outputs.",
  ),
  scalarRow("f32_depthwise_direct_4x1", ["DepthwiseConv2D"], "4 neighbouring outputs of one channel, any kernel, stride and dilation."),
  scalarRow("i8_depthwise_direct_4x1", ["DepthwiseConv2D"], "4 neighbouring outputs of one channel in int32, inputs in unsigned form."),
  scalarRow(
    "i8_conv_fixed_2x8",
    ["Conv2D", "Dense", "DepthwiseConv2D"],
    "As i8_conv_doubles_2x8, requantized in fixed point as TFLite does, rounded twice or once.",
  ),
  scalarRow("i8_depthwise_fixed_4x1", ["DepthwiseConv2D"], "As i8_depthwise_direct_4x1, requantized in fixed point."),
  scalarRow("any_pad_rows", ["Conv2D", "DepthwiseConv2D"], "Copy of an image with a border."),
  scalarRow("i8_unsign_rows", ["DepthwiseConv2D"], "8 bits to unsigned form, bordered with the zero point."),
  scalarRow("f64_widen_rows", [...WEIGHTED, "DepthwiseConv2D"], "8 bits to doubles with the zero point taken off, bordered with zeros."),
  scalarRow("any_reshape_alias", ["Reshape"], "No code: the output shares the input's bytes."),
];
