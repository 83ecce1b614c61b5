/** Catalogue rows of the WGSL kernels that quantize a layer's input at run time. */
import { DOTS } from "./wgsl-access.ts";
import { TILES_I8, tileAbout, tileSizes } from "./wgsl-integer.ts";
import { wgslRow as row } from "./wgsl-row.ts";
import type { WgslKernel } from "./wgsl-row.ts";

const ACCESS = [
  { family: "gemm", access: "i8_rows", ops: ["Dense", "Conv2D"], reads: "rows of a matrix" },
  { family: "conv", access: "i8_conv", ops: ["Conv2D"], reads: "an image through im2col" },
] as const;

const TILES = [
  { tile: "32x32", file: "i8_gemm_tiled_32x32", sizes: {}, about: "Tiles in workgroup memory, 4 × 4 a thread" },
  { tile: "4x4", file: "i8_gemm_direct_rx4", sizes: { ROWS: "4" }, about: "4 × 4 outputs a thread" },
  { tile: "1x4", file: "i8_gemm_direct_rx4", sizes: { ROWS: "1" }, about: "1 × 4 outputs a thread, for few rows" },
] as const;

const OPS = ["Dense", "Conv2D"] as const;

export const DYNAMIC_KERNELS: readonly WgslKernel[] = [
  row("f32_range_partial__wgsl", OPS, "f32_range_partial", {}, "Smallest and largest value of every share of a tensor."),
  row("f32_range_grid__wgsl", OPS, "f32_range_grid", {}, "A range as the int8 grid of a layer's input, divided bit by bit."),
  row("i8_quantize_grid__wgsl", OPS, "i8_quantize_grid", {}, "Floats onto that grid, padded, one word a thread."),
  ...ACCESS.flatMap(({ family, access, ops, reads }) =>
    DOTS.flatMap(({ dot, call, requires, how }) =>
      [
        ...TILES.map((one) => ({ ...one, sizes: { ...one.sizes, REQUANTIZE: "requantize" }, access })),
        ...TILES_I8.map((tile) => ({
          tile: tile.name,
          file: "i8_gemm_tiled_64x64",
          sizes: tileSizes(tile),
          about: tileAbout(tile),
          access: `${access}_vec4`,
        })),
      ].map(({ tile, file, sizes, about, access: from }) =>
        row(
          `i8_${family}_dynamic_${dot}_${tile}__wgsl`,
          ops,
          file,
          { ...sizes, ACCESS: from, DOT4: call, STORE: "dynamic_store" },
          `${about}, ${how}, sums scaled to float32; reads ${reads}.`,
          requires,
        ),
      ),
    ),
  ),
];
