/** Catalogue rows of the 8-bit WGSL kernels that keep weights as 4-bit indices. */
import { DOTS } from "./wgsl-access.ts";
import { wgslRow as row } from "./wgsl-row.ts";
import type { WgslKernel } from "./wgsl-row.ts";

const ACCESS = [
  { family: "gemm", access: "i8_rows", ops: ["Dense", "Conv2D"], reads: "rows of a matrix" },
  { family: "conv", access: "i8_conv", ops: ["Conv2D"], reads: "an image through im2col" },
] as const;

const TILES = [
  { tile: "32x32", file: "i8_gemm_coded_32x32", sizes: {}, about: "decoded into tiles in workgroup memory" },
  { tile: "4x4", file: "i8_gemm_coded_rx4", sizes: { ROWS: "4" }, about: "decoded in registers; 4 × 4 outputs a thread" },
  { tile: "1x4", file: "i8_gemm_coded_rx4", sizes: { ROWS: "1" }, about: "decoded in registers; 1 × 4 outputs a thread, for few rows" },
] as const;

const WHAT = "4-bit indices of int8 values of each output";

export const CODED_INTEGER_GEMMS: readonly WgslKernel[] = ACCESS.flatMap(({ family, access, ops, reads }) => [
  row(
    `i8_${family}_codebook4_share_16x16__wgsl`,
    ops,
    "i8_gemm_coded_share_16x16",
    { ACCESS: access },
    `${WHAT}; 16 × 16 outputs by four threads that shuffle the weights that they decode, products in float32, exact; reads ${reads}.`,
    ["subgroups"],
  ),
  ...DOTS.flatMap(({ dot, call, requires, how }) =>
    TILES.map(({ tile, file, sizes, about }) =>
      row(
        `i8_${family}_codebook4_${dot}_${tile}__wgsl`,
        ops,
        file,
        { ...sizes, ACCESS: access, DOT4: call },
        `${WHAT}, ${about}, ${how}; reads ${reads}.`,
        requires,
      ),
    ),
  ),
]);
