/** Catalogue rows of the WGSL kernels for int16 activations. */
import { wgslRow as row } from "./wgsl-row.ts";
import type { WgslKernel } from "./wgsl-row.ts";

export const INT16_KERNELS: readonly WgslKernel[] = [
  ...(["1", "4"] as const).flatMap((pixels) => [
    row(
      `i16_conv_general_${pixels}x4__wgsl`,
      ["Conv2D", "DepthwiseConv2D", "Dense"],
      "i16_conv_general_px4",
      { PIXELS: pixels, CHANNELS: "shared" },
      `int16 × int8 in two int32 sums, any groups: ${pixels} × 4 outputs a thread.`,
    ),
    row(
      `i16_depthwise_${pixels}x4__wgsl`,
      ["DepthwiseConv2D"],
      "i16_conv_general_px4",
      { PIXELS: pixels, CHANNELS: "own" },
      `int16 × int8 in two int32 sums: ${pixels} positions × four channels a thread.`,
    ),
  ]),
  ...(["add", "mul"] as const).map((fn) =>
    row(`i16_binary_${fn}__wgsl`, ["Binary"], "i16_binary", { FN: fn }, "int16 in halves, any broadcast: one value a thread."),
  ),
  row("i16_unary_table__wgsl", ["Unary"], "i16_map", { FN: "table" }, "int16 through a table of 65,536: one value a thread."),
  row("i16_requantize__wgsl", ["Requantize", "Concat"], "i16_map", { FN: "scale" }, "int16 to another grid: one value a thread."),
  row("i16_quantize__wgsl", ["Quantize"], "i16_map", { FN: "quantize" }, "float32 to int16: one value a thread."),
  row("i16_maxpool__wgsl", ["MaxPool2D"], "i16_pool", { FN: "max" }, "One output a thread."),
  row("i16_avgpool__wgsl", ["AveragePool2D"], "i16_pool", { FN: "avg" }, "One output a thread, scale by the number of positions."),
  ...(["sum", "max", "min"] as const).map((fn) =>
    row(
      `i16_reduce_${fn}_strided__wgsl`,
      ["Reduce"],
      "i16_reduce_strided",
      { FN: fn },
      "Any axes: one output a thread; a mean is a sum with another scale.",
    ),
  ),
  row(
    "i16_softmax_row__wgsl",
    ["Softmax"],
    "i16_softmax_row",
    {},
    "Exponentials from two tables, divided bit by bit: one row a thread, any axis.",
  ),
];
