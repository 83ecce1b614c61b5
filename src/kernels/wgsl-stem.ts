/** First convolutions of three channels: their sizes, and their catalogue rows. */
import { wgslRow as row } from "./wgsl-row.ts";
import type { WgslKernel } from "./wgsl-row.ts";

export interface StemTile {
  /** Side of the square window. */
  readonly size: 3;
  readonly stride: 1 | 2;
  /** vec4 columns of a thread. */
  readonly columns: 2 | 4;
}

export const STEM_TILES: readonly StemTile[] = ([1, 2] as const).flatMap((stride) =>
  ([4, 2] as const).map((columns) => ({ size: 3, stride, columns }) as const),
);

export function stemName(type: "f32" | "i8", { size, stride, columns }: StemTile): string {
  return `${type}_conv_stem_${size}x${size}_s${stride}_4x${4 * columns}__wgsl`;
}

export const STEMS: readonly WgslKernel[] = (["f32", "i8"] as const).flatMap((type) =>
  STEM_TILES.map((tile) => {
    const { size, stride, columns } = tile;
    return row(
      stemName(type, tile),
      ["Conv2D"],
      "conv_stem_4xc",
      { TYPE: type, KERNEL: `${size}`, STRIDE: `${stride}`, COLUMNS: `${columns}` },
      `Windows of ${size} × ${size} of three channels in steps of ${stride}: four neighbouring pixels × ${4 * columns} columns a thread${
        type === "f32" ? "" : ", products in float32, exact"
      }.`,
    );
  }),
);
