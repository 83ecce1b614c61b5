/**
 * Writes the depthwise tiles: `columns` neighbouring outputs of one row at once, so that each input vector is loaded once and used by
 * every output whose window covers it.
 *
 * f32: 4 channels wide, over a copy of the image with columns of padding; rows outside the image are left out of the loop. Weights: a
 * panel per 4 channels, [bias 4][KH × KW × 4], zero beyond C.
 * i8: 8 channels wide over a padded int16 copy of the image; two kernel rows are interleaved into pairs for the dot product. Weights: a
 * panel per 8 channels, [bias 8 i32][scales 8 f32][ceil(KH / 2) × KW × 8 × 2 i16], the missing row of an odd KH zero.
 */
import { F32_IMPORTS, I8_IMPORTS, f32Stores, i8Stores } from "./epilogue.ts";
import { range, source } from "./text.ts";

export interface DepthwiseTile {
  readonly kw: number;
  readonly stride: number;
  readonly columns: number;
}

/** Columns at once: the most that V8 keeps in registers, measured on Node 20. */
export const F32_DEPTHWISE_TILES: readonly DepthwiseTile[] = [
  { kw: 3, stride: 1, columns: 4 },
  { kw: 3, stride: 2, columns: 3 },
  { kw: 5, stride: 1, columns: 2 },
  { kw: 5, stride: 2, columns: 2 },
];

export const I8_DEPTHWISE_TILES: readonly DepthwiseTile[] = [
  { kw: 3, stride: 1, columns: 4 },
  { kw: 3, stride: 2, columns: 4 },
  { kw: 5, stride: 1, columns: 4 },
  { kw: 5, stride: 2, columns: 4 },
];

export function uses({ kw, stride, columns }: DepthwiseTile, xi: number): { column: number; kx: number }[] {
  return range(columns)
    .map((column) => ({ column, kx: xi - column * stride }))
    .filter(({ kx }) => kx >= 0 && kx < kw);
}

/**
 * Whole groups of channels, or the last partial one. They are two functions because a call in the loop, even one never reached, makes V8
 * spill every accumulator.
 */
function f32Tile(tile: DepthwiseTile, isTail: boolean): string[] {
  const { kw, stride, columns } = tile;
  const name = `f32Depthwise${kw}s${stride}x${columns}${isTail ? "Tail" : ""}`;
  const span = (columns - 1) * stride + kw;
  const group = [
    "let c0 = v128.load(w);",
    ...range(columns - 1).map((i) => `let c${i + 1} = c0;`),
    "let wk = w + 16 + skipBytes;",
    "let row = x;",
    "for (let y = kh; y > 0; y--) {",
    ...range(kw).map((kx) => `  const w${kx} = v128.load(wk, ${kx * 16});`),
    "  let p = row;",
    ...range(span).flatMap((xi) => [
      ...(uses(tile, xi).length === 0 ? [] : [`  const x${xi} = v128.load(p);`]),
      ...uses(tile, xi).map(({ column, kx }) => `  c${column} = f32x4.add(c${column}, f32x4.mul(x${xi}, w${kx}));`),
      ...(xi + 1 < span ? ["  p += pixelBytes;"] : []),
    ]),
    `  wk += ${kw * 16};`,
    "  row += rowBytes;",
    "}",
    ...f32Stores(
      range(columns).map((i) => ({ accumulators: [`c${i}`], address: i === 0 ? "c" : `c + ${i} * pixelBytes` })),
      isTail ? "count" : undefined,
    ),
  ];
  return source(
    false,
    `function ${name}(x: usize, rowBytes: usize, pixelBytes: usize, count: usize, w: usize, skipBytes: usize, panelBytes: usize, kh: i32, c: usize, act: usize, post: usize): void`,
    isTail
      ? group
      : ["for (; count > 0; count--) {", ...group.map((line) => `  ${line}`), "  w += panelBytes;", "  x += 16;", "  c += 16;", "}"],
  );
}

function f32Driver({ kw, stride, columns }: DepthwiseTile): string[] {
  const call = (n: number): string[] => [
    `const p = row + ox * ${stride} * pixelBytes, to = c + ox * pixelBytes;`,
    `f32Depthwise${kw}s${stride}x${n}(p, rowBytes, pixelBytes, groups, w, ky * ${kw * 16}, panelBytes, rows, to, act, post);`,
    `if (rest > 0) f32Depthwise${kw}s${stride}x${n}Tail(p + groups * 16, rowBytes, pixelBytes, rest, w + groups * panelBytes, ky * ${kw * 16}, panelBytes, rows, to + groups * 16, act, post);`,
  ];
  return source(
    false,
    `export function f32_depthwise_w${kw}s${stride}_1x${columns}__wasm_simd(x: usize, w: usize, c: usize, geometry: usize, act: usize, post: usize): void`,
    [
      "const height = load<i32>(geometry, 4), width = load<i32>(geometry, 8), channels = load<i32>(geometry, 12);",
      "const outH = load<i32>(geometry, 16), outW: usize = load<i32>(geometry, 20), kh = load<i32>(geometry, 24);",
      "const strideY = load<i32>(geometry, 32), padTop = load<i32>(geometry, 48);",
      "const pixelBytes: usize = channels * 4, rowBytes: usize = width * pixelBytes;",
      `const panelBytes: usize = 16 + kh * ${kw * 16};`,
      "const groups: usize = channels >> 2, rest: usize = channels & 3;",
      `for (let image = load<i32>(geometry); image > 0; image--) {`,
      "  for (let oy = 0; oy < outH; oy++) {",
      "    const top = oy * strideY - padTop;",
      "    const ky = max(0, -top), rows = max(0, min(kh, height - top) - ky);",
      "    const row = x + (top + ky) * rowBytes;",
      ...columnLoop(columns, call).map((line) => `    ${line}`),
      "    c += outW * pixelBytes;",
      "  }",
      "  x += height * rowBytes;",
      "}",
    ],
  );
}

/** A row of outputs in tiles of `columns`. Up to half a tile is cheaper column by column than in a tile that computes others again. */
function columnLoop(columns: number, call: (n: number) => string[]): string[] {
  return [
    "let ox: usize = 0;",
    `for (; ox + ${columns} <= outW; ox += ${columns}) {`,
    ...call(columns).map((line) => `  ${line}`),
    "}",
    ...(columns > 3
      ? [
          `if (outW - ox > ${columns >> 1} && outW >= ${columns}) {`,
          `  ox = outW - ${columns};`,
          ...call(columns).map((line) => `  ${line}`),
          "  ox = outW;",
          "}",
        ]
      : []),
    "for (; ox < outW; ox++) {",
    ...call(1).map((line) => `  ${line}`),
    "}",
  ];
}

/** As f32Tile: whole groups of 8 channels, or the last partial one. */
function i8Tile(tile: DepthwiseTile, columns: number, isTail: boolean): string[] {
  const { kw, stride } = tile;
  const sized = { ...tile, columns };
  const span = (columns - 1) * stride + kw;
  const low = "0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23";
  const high = "8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31";
  const group = [
    "let a0 = v128.load(w);",
    "let b0 = v128.load(w, 16);",
    ...range(columns - 1).flatMap((i) => [`let a${i + 1} = a0;`, `let b${i + 1} = b0;`]),
    "let wk = w + 64 + skipBytes;",
    "let row = x;",
    "for (let y = pairs; y > 0; y--) {",
    "  let p = row;",
    ...range(span).flatMap((xi) => [
      ...(uses(sized, xi).length === 0
        ? []
        : [
            `  const u${xi} = v128.load(p), v${xi} = v128.load(p + rowBytes);`,
            `  const l${xi} = i8x16.shuffle(u${xi}, v${xi}, ${low}), h${xi} = i8x16.shuffle(u${xi}, v${xi}, ${high});`,
          ]),
      ...uses(sized, xi).flatMap(({ column, kx }) => [
        `  a${column} = i32x4.add(a${column}, i32x4.dot_i16x8_s(l${xi}, v128.load(wk, ${kx * 32})));`,
        `  b${column} = i32x4.add(b${column}, i32x4.dot_i16x8_s(h${xi}, v128.load(wk, ${kx * 32 + 16})));`,
      ]),
      ...(xi + 1 < span ? ["  p += pixelBytes;"] : []),
    ]),
    `  wk += ${kw * 32};`,
    "  row += rowBytes + rowBytes;",
    "}",
    "const s0 = v128.load(w, 32), s1 = v128.load(w, 48);",
    ...i8Stores(
      range(columns).map((i) => ({ accumulators: [`a${i}`, `b${i}`], address: i === 0 ? "c" : `c + ${i} * channels` })),
      isTail ? "count" : undefined,
    ),
  ];
  return source(
    false,
    `function i8Depthwise${kw}s${stride}x${columns}${isTail ? "Tail" : ""}(x: usize, rowBytes: usize, channels: usize, count: usize, w: usize, skipBytes: usize, panelBytes: usize, pairs: i32, c: usize, post: usize): void`,
    [
      "const pixelBytes = channels * 2;",
      ...(isTail
        ? group
        : ["for (; count > 0; count--) {", ...group.map((line) => `  ${line}`), "  w += panelBytes;", "  x += 16;", "  c += 8;", "}"]),
    ],
  );
}

function i8Driver({ kw, stride, columns }: DepthwiseTile): string[] {
  const call = (n: number): string[] => [
    `const p = row + ox * ${stride * 2} * channels, to = c + ox * channels;`,
    `i8Depthwise${kw}s${stride}x${n}(p, rowBytes, channels, groups, w, skipBytes, panelBytes, pairs, to, post);`,
    `if (rest > 0) i8Depthwise${kw}s${stride}x${n}Tail(p + groups * 16, rowBytes, channels, rest, w + groups * panelBytes, skipBytes, panelBytes, pairs, to + groups * 8, post);`,
  ];
  return source(
    false,
    `export function i8_depthwise_w${kw}s${stride}_1x${columns}__wasm_simd(x: usize, w: usize, c: usize, geometry: usize, post: usize): void`,
    [
      "const height = load<i32>(geometry, 4), width: usize = load<i32>(geometry, 8), channels: usize = load<i32>(geometry, 12);",
      "const outH = load<i32>(geometry, 16), outW: usize = load<i32>(geometry, 20), kh = load<i32>(geometry, 24);",
      "const strideY = load<i32>(geometry, 32), padTop = load<i32>(geometry, 48), bottom = height - load<i32>(geometry, 60);",
      "const rowBytes: usize = width * channels * 2, groups = channels >> 3, rest = channels & 7;",
      `const panelBytes: usize = 64 + ((kh + 1) >> 1) * ${kw * 32};`,
      "for (let image = load<i32>(geometry); image > 0; image--) {",
      "  for (let oy = 0; oy < outH; oy++) {",
      "    // Pairs of kernel rows that lie wholly in the padding add nothing.",
      "    const top = oy * strideY, first = max(0, padTop - top) >> 1;",
      "    const pairs = ((min(kh, bottom - top) + 1) >> 1) - first;",
      `    const row = x + (top + 2 * first) * rowBytes, skipBytes: usize = first * ${kw * 32};`,
      ...columnLoop(columns, call).map((line) => `    ${line}`),
      "    c += outW * channels;",
      "  }",
      "  x += height * rowBytes;",
      "}",
    ],
  );
}

export function depthwiseF32(): string[] {
  return [
    F32_IMPORTS,
    "",
    ...F32_DEPTHWISE_TILES.flatMap((tile) => [
      ...[tile.columns, 1].flatMap((columns) => [false, true].flatMap((isTail) => f32Tile({ ...tile, columns }, isTail))),
      ...f32Driver(tile),
    ]),
  ];
}

export function depthwiseI8(): string[] {
  return [
    I8_IMPORTS,
    "",
    ...I8_DEPTHWISE_TILES.flatMap((tile) => [
      ...[tile.columns, 1].flatMap((columns) => [...i8Tile(tile, columns, false), ...i8Tile(tile, columns, true)]),
      ...i8Driver(tile),
    ]),
  ];
}
