/** Sizes of the dense float tiles in workgroup memory, and their catalogue rows. */
import { FLOAT_ACCESS } from "./wgsl-access.ts";
import { wgslRow as row } from "./wgsl-row.ts";
import type { WgslKernel } from "./wgsl-row.ts";

export interface FloatTile {
  /** Rows × columns of a workgroup. */
  readonly name: string;
  /** Threads of a workgroup. */
  readonly x: number;
  readonly y: number;
  /** Rows and vec4 columns of a thread. */
  readonly rows: number;
  readonly columns: number;
  /** Units of four along k a step. */
  readonly depth: number;
}

/** The smallest first: what tfjs and onnxruntime use, then tiles for GPUs with more registers and more to do. */
export const TILES_F32: readonly [FloatTile, ...FloatTile[]] = [
  { name: "32x32", x: 8, y: 8, rows: 4, columns: 1, depth: 8 },
  { name: "64x64", x: 16, y: 16, rows: 4, columns: 1, depth: 4 },
  { name: "64x64_8x8", x: 8, y: 8, rows: 8, columns: 2, depth: 4 },
  { name: "128x64_8x8", x: 8, y: 16, rows: 8, columns: 2, depth: 4 },
];

/** The tile whose workgroups can split k: the smallest, of which a product has most. */
export const [SLICED_TILE] = TILES_F32;

function tileRow(
  tile: FloatTile,
  { family, access, suffix, ops, reads }: (typeof FLOAT_ACCESS)[number],
  part: "whole" | "sliced",
): WgslKernel {
  const { name, x, y, rows, columns, depth } = tile;
  const sizes = {
    X: x,
    Y: y,
    ROWS: rows,
    COLUMNS: columns,
    DEPTH: depth,
    LOADS_A: (y * rows * depth) / (x * y),
    LOADS_W: (4 * depth * x * columns) / (x * y),
  };
  return row(
    `f32_${family}_${part === "whole" ? "tiled" : part}_${name}__wgsl${suffix}`,
    ops,
    "f32_gemm_tiled_rxc",
    { ...Object.fromEntries(Object.entries(sizes).map(([key, value]) => [key, `${value}`])), ACCESS: access, PART: part },
    `Both operands in workgroup memory, ${x} × ${y} threads of ${rows} × ${4 * columns}, ${4 * depth} of k a step${
      part === "whole" ? "" : ", k split over workgroups"
    }; reads ${reads}.`,
  );
}

export const TILED_GEMMS: readonly WgslKernel[] = [
  ...TILES_F32.flatMap((tile, i) =>
    FLOAT_ACCESS.filter(({ suffix }) => suffix === "" || i === 0).map((way) => tileRow(tile, way, "whole")),
  ),
  ...FLOAT_ACCESS.map((way) => tileRow(SLICED_TILE, way, "sliced")),
  row(
    "f32_gemm_sliced_sum_1x4__wgsl",
    ["Dense", "Conv2D", "MatMul"],
    "f32_gemm_sliced_sum_1x4",
    {},
    "Adds what the slices of k of a product gave, in order: one row × four columns a thread.",
  ),
];
