/** Catalogue rows of the WGSL kernels, and which file of shaders/ with which substitutions each one is. */
import type { BinaryFn, OpName, UnaryFn } from "../graph/ir.ts";
import { CODED_GEMMS } from "./wgsl-coded.ts";
import { CODED_INTEGER_GEMMS } from "./wgsl-coded-i8.ts";
import { DYNAMIC_KERNELS } from "./wgsl-dynamic.ts";
import { INT16_KERNELS } from "./wgsl-int16.ts";
import { ARITHMETICS, INTEGER_GEMMS } from "./wgsl-integer.ts";
import { FLOAT_ACCESS } from "./wgsl-access.ts";
import { wgslRow as row } from "./wgsl-row.ts";
import { PROBES } from "./wgsl-probes.ts";
import type { WgslKernel } from "./wgsl-row.ts";
import { SPARSE_GEMMS } from "./wgsl-sparse.ts";
import { STEMS } from "./wgsl-stem.ts";
import { TILED_GEMMS } from "./wgsl-tiles.ts";

export type { WgslKernel } from "./wgsl-row.ts";

const SPLITS = [
  { rows: "1", lanes: "16" },
  { rows: "4", lanes: "32" },
  { rows: "8", lanes: "32" },
] as const;

function floatGemms(): WgslKernel[] {
  return FLOAT_ACCESS.flatMap(({ family, access, suffix, ops, reads }) => [
    row(
      `f32_${family}_direct_4x4__wgsl${suffix}`,
      ops,
      "f32_gemm_direct_rx4",
      { ROWS: "4", ACCESS: access },
      `4 × 4 outputs a thread, no workgroup memory; reads ${reads}.`,
    ),
    row(
      `f32_${family}_direct_1x4__wgsl${suffix}`,
      ops,
      "f32_gemm_direct_rx4",
      { ROWS: "1", ACCESS: access },
      `1 × 4 outputs a thread, for few rows; reads ${reads}.`,
    ),
    row(
      `f32_${family}_share_16x8__wgsl${suffix}`,
      ops,
      "f32_gemm_share_16x8",
      { ACCESS: access },
      `16 × 8 outputs by four threads that shuffle the weights that they load; reads ${reads}.`,
      ["subgroups"],
    ),
    ...(family === "gemm"
      ? SPLITS.map(({ rows, lanes }) =>
          row(
            `f32_gemm_split_${rows}x4__wgsl${suffix}`,
            ops,
            "f32_gemm_split_rx4",
            { ROWS: rows, LANES: lanes, ACCESS: access },
            `k split over ${lanes} threads of a workgroup, for few rows, ${rows} at once; reads ${reads}.`,
          ),
        )
      : []),
  ]);
}

/** Four threads share what they load of A. */
function quadGemms(): WgslKernel[] {
  return ([4, 8, 12, 16] as const).flatMap((rows) =>
    (["gemm", "conv"] as const).map((family) =>
      row(
        `f32_${family}_quad_${rows}x4__wgsl`,
        family === "gemm" ? ["Dense", "Conv2D", "MatMul"] : ["Conv2D"],
        `f32_${family}_quad_rx4`,
        { ROWS: `${rows}` },
        `${rows} × 16 outputs by four threads that shuffle what they load; reads ${family === "gemm" ? "rows of a matrix" : "an image through im2col"}.`,
        ["subgroups"],
      ),
    ),
  );
}

export const UNARY_FNS: readonly UnaryFn[] = [
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
];
const FLOAT_BINARY_FNS: readonly BinaryFn[] = ["add", "sub", "mul", "div", "pow", "min", "max"];
const INT_BINARY_FNS: readonly BinaryFn[] = ["add", "sub", "mul", "div", "min", "max"];

function elementwise(): WgslKernel[] {
  return [
    ...UNARY_FNS.map((fn) => row(`f32_unary_${fn}__wgsl`, ["Unary"], "f32_unary", { FN: fn }, "Four values a thread.")),
    ...FLOAT_BINARY_FNS.flatMap((fn) => [
      row(
        `f32_binary_${fn}_flat__wgsl`,
        ["Binary"],
        "f32_binary_flat",
        { FN: fn },
        "One shape, or one operand repeating along the last axes: four values a thread.",
      ),
      row(`f32_binary_${fn}_broadcast__wgsl`, ["Binary"], "f32_binary_broadcast", { FN: fn }, "Any broadcast: one value a thread."),
    ]),
    ...INT_BINARY_FNS.map((fn) =>
      row(
        `i32_binary_${fn}_broadcast__wgsl`,
        ["Binary"],
        "i32_binary_broadcast",
        { FN: fn },
        "Plain int32, any broadcast: one value a thread.",
      ),
    ),
    row(
      "i8_binary_add__wgsl",
      ["Binary"],
      "i8_binary",
      { FN: "add" },
      "int32 multipliers and one rounding shift, any broadcast: four bytes a thread.",
    ),
    row(
      "i8_binary_mul__wgsl",
      ["Binary"],
      "i8_binary",
      { FN: "mul" },
      "int32 product and one requantization, any broadcast: four bytes a thread.",
    ),
    row("i8_unary_table__wgsl", ["Unary", "Requantize"], "i8_unary_table", {}, "Every byte through a table of 256."),
    row("i8_quantize_rows__wgsl", ["Quantize"], "i8_quantize_rows", {}, "float32 to bytes: four a thread."),
    row("f32_dequantize_bytes__wgsl", ["Dequantize", "Cast"], "f32_dequantize", { FROM: "bytes" }, "Bytes to float32: one value a thread."),
    row("f32_dequantize_words__wgsl", ["Dequantize"], "f32_dequantize", { FROM: "words" }, "int32 to float32: one value a thread."),
    ...(["f32", "i32"] as const).flatMap((from) =>
      (["f32", "i32", "bool"] as const).map((to) =>
        row(`any_cast_${from}_${to}__wgsl`, ["Cast"], "any_cast_flat", { FROM: from, TO: to }, "One value a thread."),
      ),
    ),
  ];
}

/** Square windows: lines of the image stay in registers from row to row. */
function rollingDepthwise(): WgslKernel[] {
  return (["f32", "i8"] as const).flatMap((type) =>
    [3, 5].flatMap((size) =>
      [1, 2].map((stride) =>
        row(
          `${type}_depthwise_rolling_${size}x${size}_s${stride}__wgsl`,
          ["DepthwiseConv2D"],
          "depthwise_rolling_rx4",
          { TYPE: type, KERNEL: `${size}`, STRIDE: `${stride}` },
          `Windows of ${size} × ${size} in steps of ${stride}: four channels × four columns a thread, down a strip of rows.`,
        ),
      ),
    ),
  );
}

const MOVES: readonly OpName[] = ["Transpose", "Slice", "Expand", "Concat"];

const OTHERS: readonly WgslKernel[] = [
  row(
    "f32_depthwise_4x4__wgsl",
    ["DepthwiseConv2D"],
    "f32_depthwise_4x4",
    {},
    "Four channels × four columns a thread; channels a multiple of four.",
  ),
  ...ARITHMETICS.flatMap(({ infix, requantize, note }) => [
    row(
      `i8_depthwise_${infix}4x4__wgsl`,
      ["DepthwiseConv2D"],
      "i8_depthwise_4x4",
      { REQUANTIZE: requantize },
      `Four channels (one word) × four columns a thread, products in int32${note}.`,
    ),
    row(
      `i8_conv_general_${infix}1x4__wgsl`,
      ["Conv2D", "DepthwiseConv2D", "ConvTranspose2D", "Dense"],
      "i8_conv_general_1x4",
      { REQUANTIZE: requantize },
      `Any groups and weight zero points, forward or transposed: four outputs a thread${note}.`,
    ),
  ]),
  ...rollingDepthwise(),
  row(
    "f32_conv_general_1x1__wgsl",
    ["Conv2D", "DepthwiseConv2D", "ConvTranspose2D"],
    "f32_conv_general_1x1",
    {},
    "Any groups, forward or transposed: one output a thread.",
  ),
  row(
    "i8_im2col_rows__wgsl",
    ["Conv2D"],
    "i8_im2col_rows",
    {},
    "Patches of an image of one or two channels as rows of a matrix: four bytes a thread.",
  ),
  row("f32_matmul_direct_2x4__wgsl", ["MatMul"], "f32_matmul_direct_2x4", {}, "Two activations, any strides: 2 × 4 outputs a thread."),
  row(
    "i8_matmul_general_1x4__wgsl",
    ["MatMul"],
    "i8_matmul_general_1x4",
    {},
    "Two operands of bytes, any strides: 1 × 4 outputs a thread.",
  ),
  row("f32_maxpool__wgsl", ["MaxPool2D"], "f32_pool", { FN: "max" }, "One output a thread."),
  row("f32_avgpool__wgsl", ["AveragePool2D"], "f32_pool", { FN: "avg" }, "One output a thread."),
  row("i8_maxpool__wgsl", ["MaxPool2D"], "i8_pool", { FN: "max" }, "Four channels a thread."),
  row("i8_avgpool__wgsl", ["AveragePool2D"], "i8_pool", { FN: "avg" }, "Four channels a thread, scale by the number of positions."),
  ...(["sum", "mean", "max", "min", "prod"] as const).map((fn) =>
    row(`f32_reduce_${fn}_strided__wgsl`, ["Reduce"], "f32_reduce_strided", { FN: fn }, "Any axes: one output a thread."),
  ),
  ...(["sum", "max", "min"] as const).map((fn) =>
    row(
      `i8_reduce_${fn}_strided__wgsl`,
      ["Reduce"],
      "i8_reduce_strided",
      { FN: fn },
      "Any axes: four outputs a thread; a mean is a sum with another scale.",
    ),
  ),
  row("f32_softmax_row__wgsl", ["Softmax"], "f32_softmax_row", {}, "One row a thread, any axis."),
  row("i8_softmax_row__wgsl", ["Softmax"], "i8_softmax_row", {}, "Integer exponentials from a table, one row a thread."),
  row("i8_softmax_column__wgsl", ["Softmax"], "i8_softmax_column", {}, "Integer exponentials from a table, four columns a thread."),
  row(
    "any_copy_strided__wgsl",
    [...MOVES, "Reshape", "Cast"],
    "any_copy_strided",
    {},
    "A box of words between any strides: one word a thread.",
  ),
  row(
    "i8_copy_strided__wgsl",
    MOVES,
    "i8_copy_strided",
    {},
    "A box of bytes between any strides, through a table where grids differ: one output word a thread.",
  ),
  row("any_copy_mapped__wgsl", ["Pad", "Resize"], "any_copy_mapped", {}, "One index map an axis: one word a thread."),
  row("i8_copy_mapped__wgsl", ["Pad", "Resize"], "i8_copy_mapped", {}, "One index map an axis: one output word a thread."),
  row("f32_trees_single_1x1__wgsl", ["TreeEnsemble"], "f32_trees_single_1x1", {}, "One tree: a thread an output."),
  row(
    "f32_trees_leaves_1x1__wgsl",
    ["TreeEnsemble"],
    "f32_trees_leaves_1x1",
    {},
    "Several trees: a thread a sample and tree finds the leaf.",
  ),
  row("f32_trees_sum_1x1__wgsl", ["TreeEnsemble"], "f32_trees_sum_1x1", {}, "Several trees: a thread an output adds the leaves in order."),
  row("any_gather_axis__wgsl", ["Gather"], "any_gather_axis", {}, "One word a thread."),
  row("i8_gather_last__wgsl", ["Gather"], "i8_gather_last", {}, "Bytes along the last axis: one output word a thread."),
  row(
    "i8_reshape_rows__wgsl",
    ["Reshape", "Transpose"],
    "i8_reshape_rows",
    {},
    "Bytes to rows of another length: one output word a thread.",
  ),
  row("f32_resize_taps__wgsl", ["Resize"], "f32_resize_taps", {}, "One axis a pass, indices and weights from tables: one value a thread."),
  {
    name: "any_alias_view__wgsl",
    engine: "wgsl",
    ops: ["Reshape", "Transpose", "Expand", "Slice", "Cast"],
    requires: [],
    about: "No dispatch: the output is the input's buffer under another shape.",
    params: {},
  },
];

export const WGSL_KERNELS: readonly WgslKernel[] = [
  ...PROBES,
  ...TILED_GEMMS,
  ...floatGemms(),
  ...quadGemms(),
  ...STEMS,
  ...INTEGER_GEMMS,
  ...DYNAMIC_KERNELS,
  ...INT16_KERNELS,
  ...CODED_GEMMS,
  ...CODED_INTEGER_GEMMS,
  ...SPARSE_GEMMS,
  ...elementwise(),
  ...OTHERS,
];

const BY_NAME: ReadonlyMap<string, WgslKernel> = new Map(WGSL_KERNELS.map((kernel) => [kernel.name, kernel]));

/** @throws Error when the catalogue has no such row: a bug of ours */
export function wgslKernel(name: string): WgslKernel {
  const kernel = BY_NAME.get(name);
  if (kernel === undefined) throw new Error(`internal: no kernel "${name}" in the WGSL catalogue`);
  return kernel;
}
