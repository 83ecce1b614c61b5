/** Catalogue rows of the dense 8-bit WGSL kernels. */
import { DOTS } from "./wgsl-access.ts";
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

/** How sums become bytes. */
export const ARITHMETICS = [
  { infix: "", requantize: "requantize", note: "" },
  { infix: "fixed_", requantize: "requantize_fixed", note: ", requantized in fixed point" },
] as const;

export interface IntegerTile {
  /** Rows × columns of a workgroup, and of a thread where that is not 4 × 4. */
  readonly name: string;
  /** Threads of a workgroup. */
  readonly x: number;
  readonly y: number;
  /** Rows and words of columns of a thread. */
  readonly rows: number;
  readonly columns: number;
}

export const TILES_I8: readonly IntegerTile[] = [
  { name: "64x64", x: 16, y: 16, rows: 4, columns: 1 },
  { name: "64x64_8x8", x: 8, y: 8, rows: 8, columns: 2 },
];
/** vec4 of words that a tile's operand has a step. */
const TILE_VEC4 = 256;

/** Substitutions of i8_gemm_tiled_64x64. */
export function tileSizes({ x, y, rows, columns }: IntegerTile): Readonly<Record<string, string>> {
  return { X: `${x}`, Y: `${y}`, ROWS: `${rows}`, COLUMNS: `${columns}`, LOADS: `${TILE_VEC4 / (x * y)}` };
}

export function tileAbout({ x, y, rows, columns }: IntegerTile): string {
  return `Sixteen bytes of both operands at once in workgroup memory, ${x} × ${y} threads of ${rows} × ${4 * columns}`;
}

export const INTEGER_GEMMS: readonly WgslKernel[] = ACCESS.flatMap(({ family, access, ops, reads }) => [
  row(
    `i8_${family}_share_16x16__wgsl`,
    ops,
    "i8_gemm_share_16x16",
    { ACCESS: access },
    `16 × 16 outputs by four threads that shuffle the weights that they load, products in float32, exact; reads ${reads}.`,
    ["subgroups"],
  ),
  ...DOTS.flatMap(({ dot, call, requires, how }) =>
    TILES_I8.map((tile) =>
      row(
        `i8_${family}_${dot}_${tile.name}__wgsl`,
        ops,
        "i8_gemm_tiled_64x64",
        { ...tileSizes(tile), ACCESS: `${access}_vec4`, DOT4: call, STORE: "i8_store" },
        `${tileAbout(tile)}, ${how}; reads ${reads}.`,
        requires,
      ),
    ),
  ),
  ...ARITHMETICS.flatMap(({ infix, requantize, note }) =>
    DOTS.flatMap(({ dot, call, requires, how }) =>
      TILES.map(({ tile, file, sizes, about }) =>
        row(
          `i8_${family}_${infix}${dot}_${tile}__wgsl`,
          ops,
          file,
          { ...sizes, ACCESS: access, DOT4: call, STORE: "i8_store", REQUANTIZE: requantize },
          `${about}, ${how}${note}; reads ${reads}.`,
          requires,
        ),
      ),
    ),
  ),
]);
