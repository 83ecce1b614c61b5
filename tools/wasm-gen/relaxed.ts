/**
 * Writes the tiles of the relaxed-SIMD module: the shapes of dense.ts with one instruction a step, fused multiply-add for float32, the
 * 8-bit dot product with unsigned inputs for integers (four inputs a step, weights in fours: [N / 8][K / 4][8][4]).
 */
import { family } from "./dense.ts";
import type { Tile } from "./dense.ts";
import { F32_IMPORTS, I8_IMPORTS } from "./epilogue.ts";

function maddTile(rows: number): Tile {
  return { prefix: `f32Madd${rows}`, dtype: "f32", rows, accumulate: (c, x, b) => `${c} = f32x4.relaxed_madd(${x}, ${b}, ${c});` };
}

const DOT_TILE: Tile = {
  prefix: "i8Dot",
  dtype: "i8",
  rows: 4,
  accumulate: (c, x, b) => `${c} = i32x4.relaxed_dot_i8x16_i7x16_add_s(${b}, ${x}, ${c});`,
};

export function relaxedF32(): string[] {
  return [
    F32_IMPORTS,
    "",
    ...[4, 6].flatMap((rows) => [
      ...family(`f32_gemm_packed_${rows}x8__wasm_relaxed`, maddTile(rows), "rows"),
      ...family(`f32_conv_indirect_${rows}x8__wasm_relaxed`, maddTile(rows), "table"),
    ]),
  ];
}

export function relaxedI8(): string[] {
  return [
    I8_IMPORTS,
    "",
    ...family("i8_gemm_dot_4x8__wasm_relaxed", DOT_TILE, "rows"),
    ...family("i8_conv_dot_4x8__wasm_relaxed", DOT_TILE, "table"),
  ];
}
