/**
 * Writes the tiles of the relaxed-SIMD module: the shapes of dense.ts with one instruction a step, fused multiply-add for float32, the
 * 8-bit dot product with unsigned inputs for integers (four inputs a step, weights in fours: [N / 8][K / 4][8][4]).
 */
import { family } from "./dense.ts";
import type { Tile } from "./dense.ts";
import { F32_IMPORTS, I8_IMPORTS } from "./epilogue.ts";
import { range, source } from "./text.ts";

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
    ...[4, 2, 1].flatMap(gemvDot),
    ...gemvDotDriver(),
  ];
}

/** Row × matrix: one panel would wait for its own sums, so four go side by side (eight accumulators), a last one alone. */
function gemvDot(panels: number): string[] {
  const ends = range(panels).map((p) => `scale4(c${p}0, v128.load(s${p}), post), scale4(c${p}1, v128.load(s${p}, 16), post)`);
  return source(
    false,
    `function i8GemvDot${panels}(a: usize, k: usize, w: usize, panelBytes: usize, c: usize, columns: usize, post: usize): void`,
    [
      ...range(panels).flatMap((p) => [
        `let w${p} = ${p === 0 ? "w" : `w + ${p} * panelBytes`};`,
        `let c${p}0 = v128.load(w${p}), c${p}1 = v128.load(w${p}, 16);`,
        `const s${p} = w${p} + 32;`,
        `w${p} += 64;`,
      ]),
      "do {",
      "  const x = v128.load32_splat(a);",
      ...range(panels).flatMap((p) => [
        ...[0, 1].map((v) => `  c${p}${v} = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(w${p}, ${v * 16}), x, c${p}${v});`),
        `  w${p} += 32;`,
      ]),
      "  a += 4;",
      "} while (--k);",
      ...(panels === 1
        ? [`storeBytes(c, i64x2.extract_lane(pack16(${ends[0]!}, ${ends[0]!}, post), 0), columns);`]
        : range(panels / 2).map((p) => `v128.store(c, pack16(${ends[2 * p]!}, ${ends[2 * p + 1]!}, post), ${p * 16});`)),
    ],
  );
}

function gemvDotDriver(): string[] {
  return source(
    false,
    "export function i8_gemv_dot_1x32__wasm_relaxed(a: usize, k: usize, w: usize, c: usize, n: usize, post: usize): void",
    [
      "const panelBytes: usize = 64 + k * 32;",
      "for (; n >= 32; n -= 32) {",
      "  i8GemvDot4(a, k, w, panelBytes, c, n, post);",
      "  w += 4 * panelBytes;",
      "  c += 32;",
      "}",
      "if (n >= 16) {",
      "  i8GemvDot2(a, k, w, panelBytes, c, n, post);",
      "  w += 2 * panelBytes;",
      "  c += 16;",
      "  n -= 16;",
      "}",
      "if (n > 8) {",
      "  i8GemvDot1(a, k, w, panelBytes, c, 8, post);",
      "  w += panelBytes;",
      "  c += 8;",
      "  n -= 8;",
      "}",
      "if (n > 0) i8GemvDot1(a, k, w, panelBytes, c, n, post);",
    ],
  );
}
