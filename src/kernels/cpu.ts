/** Catalogue rows of the cpu kernels. */
import type { KernelRow } from "./names.ts";

function row(name: string, ops: readonly string[], about: string): KernelRow {
  return { name: `${name}__cpu`, engine: "cpu", ops, requires: [], about };
}

/** One row for each name that `name` gives. */
function rows(keys: readonly string[], name: (key: string) => string, ops: readonly string[], about: string): KernelRow[] {
  return keys.map((key) => row(name(key), ops, about));
}

const BYTES = ["i8", "u8"];
const TYPES = ["f32", "i8", "u8"];
const MATRIX_OPS = ["Conv2D", "ConvTranspose2D", "Dense"];

const MATRIX: readonly KernelRow[] = [
  row(
    "f32_gemm_packed_4x4",
    [...MATRIX_OPS, "MatMul"],
    "Matrix product, 4 rows × 4 columns of double sums over weights packed [N/4][K][4]; 1×1 windows and dense layers.",
  ),
  row("f32_conv_im2row_4x4", ["Conv2D"], "The 4×4 tile over patches gathered for four outputs at a time."),
  row(
    "f32_convtranspose_im2row_4x4",
    ["ConvTranspose2D"],
    "One convolution for each stride phase over the taps that reach it; the 4×4 tile.",
  ),
  row(
    "f32_spmm_1x8_4x4",
    MATRIX_OPS,
    "Weights with zeros in blocks of 8 output channels that share one index list; two 4×4 tiles a block.",
  ),
  row("f32_spmm_1x4_4x4", MATRIX_OPS, "Weights with zeros in blocks of 4 output channels that share one index list; the 4×4 tile."),
  row("f32_spmm_csr_4x1", MATRIX_OPS, "Weights with zeros anywhere, one index list an output channel; 4 rows at once."),
  ...rows(
    BYTES,
    (t) => `${t}_gemm_packed_8x4`,
    [...MATRIX_OPS, "MatMul"],
    "Exact integer product, two rows a double: 8 rows × 4 columns over weights packed [N/4][K][4].",
  ),
  ...rows(BYTES, (t) => `${t}_conv_im2row_8x4`, ["Conv2D"], "The 8×4 tile over patches gathered for eight outputs at a time."),
  ...rows(
    BYTES,
    (t) => `${t}_convtranspose_im2row_8x4`,
    ["ConvTranspose2D"],
    "One convolution for each stride phase over the taps that reach it; the 8×4 tile.",
  ),
  ...rows(
    BYTES,
    (t) => `${t}_spmm_1x8_8x4`,
    MATRIX_OPS,
    "Integer weights with zeros in blocks of 8 output channels that share one index list; two 8×4 tiles a block.",
  ),
  ...rows(
    BYTES,
    (t) => `${t}_spmm_1x4_8x4`,
    MATRIX_OPS,
    "Integer weights with zeros in blocks of 4 output channels that share one index list; the 8×4 tile.",
  ),
  ...rows(
    BYTES,
    (t) => `${t}_spmm_csr_8x1`,
    MATRIX_OPS,
    "Integer weights with zeros anywhere, one index list an output channel; 8 rows at once.",
  ),
  ...rows(
    ["codebook4", "codebook8", "int4", "int8", "float16"],
    (kind) => `f32_gemm_${kind}_4x4`,
    ["Conv2D", "Dense"],
    "Weights kept in their compact code; a panel of 4 columns is decoded for many rows, then the 4×4 tile.",
  ),
  ...rows(
    ["codebook4", "codebook8", "int4", "int8", "float16"],
    (kind) => `f32_conv_${kind}_4x4`,
    ["Conv2D"],
    "The same over gathered patches.",
  ),
  ...rows(
    BYTES,
    (t) => `${t}_gemm_codebook4_8x4`,
    ["Conv2D", "Dense"],
    "4-bit indices of int8 values of each output; a panel of 4 columns is decoded for many rows, then the 8×4 tile.",
  ),
  ...rows(BYTES, (t) => `${t}_conv_codebook4_8x4`, ["Conv2D"], "The same over gathered patches."),
  row("i8_gemm_dynamic_8x4", ["Conv2D", "Dense"], "float32 input quantized to its own range, the 8×4 tile, sums scaled back to float32."),
  row("i8_conv_dynamic_8x4", ["Conv2D"], "The same over gathered patches."),
  row("i16_gemm_panel_4x1", ["Conv2D", "Dense"], "int16 × int8: 4 rows × 1 column of exact sums in doubles."),
  row("i16_conv_panel_4x1", ["Conv2D"], "The same over gathered patches."),
  row("any_conv_general", [...MATRIX_OPS, "DepthwiseConv2D"], "Direct loops in doubles, for types without a kernel of their own."),
  row("any_matmul_general", ["MatMul"], "Direct loops in doubles, for types without a kernel of their own."),
  ...rows(
    TYPES,
    (t) => `${t}_depthwise_w3s1_1x4`,
    ["DepthwiseConv2D"],
    "3-wide at stride 1: four output columns share six inputs, channels innermost.",
  ),
  ...rows(
    TYPES,
    (t) => `${t}_depthwise_w3s2_1x2`,
    ["DepthwiseConv2D"],
    "3-wide at stride 2: two output columns share five inputs, channels innermost.",
  ),
  ...rows(
    TYPES,
    (t) => `${t}_depthwise_window_1x4`,
    ["DepthwiseConv2D"],
    "Any window: four output columns share each weight, channels innermost.",
  ),
  row("i16_depthwise_taps", ["DepthwiseConv2D"], "int16 × int8: tap by tap into a row of exact sums in doubles."),
  ...rows(TYPES, (t) => `${t}_depthwise_taps`, ["DepthwiseConv2D"], "Several outputs a channel: tap by tap into a row of accumulators."),
];

const ELEMENTWISE: readonly KernelRow[] = [
  ...rows(
    ["add", "sub", "mul", "div", "pow", "min", "max"],
    (fn) => `f32_binary_${fn}`,
    ["Binary"],
    "Broadcast as merged runs, one loop a function, activation fused.",
  ),
  ...[...BYTES, "i16"].flatMap((t) =>
    rows(["add", "sub", "mul"], (fn) => `${t}_binary_${fn}`, ["Binary"], "Integer arithmetic on the shared parameters of numerics.ts."),
  ),
  row("any_binary_general", ["Binary"], "Numpy's arithmetic of the type, for shapes, indices and doubles."),
  ...rows(
    [
      "relu",
      "leakyrelu",
      "clip",
      "sigmoid",
      "hardsigmoid",
      "hardswish",
      "tanh",
      "sqrt",
      "exp",
      "log",
      "abs",
      "neg",
      "reciprocal",
      "floor",
      "ceil",
      "erf",
    ],
    (fn) => `f32_unary_${fn}`,
    ["Unary"],
    "One loop over the elements, in doubles.",
  ),
  ...rows(BYTES, (t) => `${t}_unary_table`, ["Unary"], "A table of 256 entries."),
  row("i16_unary_table", ["Unary"], "A table of 65,536 entries."),
  row("any_unary_general", ["Unary"], "One loop over the elements of any type."),
  row("f32_softmax_rows", ["Softmax"], "exp(beta (x - max)) over its sum, in doubles."),
  row("any_softmax_rows", ["Softmax"], "The same for doubles."),
  ...rows(BYTES, (t) => `${t}_softmax_table`, ["Softmax"], "Integer exponentials from a table and an integer division."),
  row("i16_softmax_tables", ["Softmax"], "Integer exponentials as products of two tables and an integer division."),
  row("f32_quantize", ["Quantize"], "Multiply by the float32 reciprocal, round half to even, clamp."),
  row("any_quantize", ["Quantize"], "The same for doubles."),
  ...rows([...BYTES, "any"], (t) => `${t}_dequantize`, ["Dequantize"], "(q - zero point) × scale, rounded once."),
  ...rows(BYTES, (t) => `${t}_requantize_table`, ["Requantize"], "A table of 256 entries."),
  row("i16_requantize", ["Requantize"], "To or from int16: × float32 scale, round half to even, clamp."),
  row("any_requantize", ["Requantize"], "Per element in doubles, for per-axis grids and wider types."),
  row("any_cast", ["Cast"], "Truncates and saturates from float, wraps between integers."),
];

const WINDOWS: readonly KernelRow[] = [
  ...["f32", "i8", "u8", "i16", "any"].flatMap((t) => [
    row(`${t}_maxpool_rows`, ["MaxPool2D"], "Window positions outermost, channels innermost."),
    row(`${t}_avgpool_rows`, ["AveragePool2D"], "Window positions outermost, channels innermost."),
  ]),
  ...rows(["mean", "sum", "max", "min", "prod"], (fn) => `f32_reduce_${fn}`, ["Reduce"], "Input order, sums in doubles."),
  ...[...BYTES, "i16"].flatMap((t) =>
    rows(["mean", "sum", "max", "min"], (fn) => `${t}_reduce_${fn}`, ["Reduce"], "Exact sums, one requantization."),
  ),
  row("any_reduce_general", ["Reduce"], "The same for doubles and plain integers."),
];

const MOVES: readonly KernelRow[] = [
  row("any_reshape_alias", ["Reshape"], "No work: output and input share their bytes."),
  row("any_reshape_copy", ["Reshape"], "A copy, where a constant is reshaped or the grid changes."),
  row("any_transpose_strided", ["Transpose"], "Merged runs with one step a dimension."),
  row("any_slice_strided", ["Slice"], "Merged runs with one step a dimension."),
  row("any_expand_strided", ["Expand"], "Merged runs with one step a dimension."),
  row("any_concat_blocks", ["Concat"], "Block copies; a table where an input is on another grid."),
  row("any_gather_blocks", ["Gather"], "Block copies by index."),
  ...rows(["constant", "reflect", "edge"], (mode) => `any_pad_${mode}`, ["Pad"], "One map of source indices an axis."),
  row("any_resize_nearest", ["Resize"], "One map of source indices an axis."),
  ...rows(["linear", "cubic"], (mode) => `any_resize_${mode}`, ["Resize"], "Axis by axis with precomputed taps, in doubles."),
];

const TREES: readonly KernelRow[] = [
  row("f32_trees_walk", ["TreeEnsemble"], "One walk a sample and tree through nodes in preorder, sums in doubles."),
];

export const CPU_KERNELS: readonly KernelRow[] = [...MATRIX, ...ELEMENTWISE, ...WINDOWS, ...MOVES, ...TREES];
