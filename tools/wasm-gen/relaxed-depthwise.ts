/**
 * Writes the int8 depthwise tiles over the relaxed dot product: `columns` neighbouring outputs × 8 channels, four kernel rows a step. The
 * image is a bordered copy in unsigned bytes; four of its rows are interleaved so that the rows of a channel lie side by side. Weights: a
 * panel per 8 channels, [bias 8 i32][scales 8 f32][ceil(KH / 4) × KW × 8 × 4 i8], missing rows zero.
 */
import { I8_DEPTHWISE_TILES, uses } from "./depthwise.ts";
import type { DepthwiseTile } from "./depthwise.ts";
import { I8_IMPORTS, i8Stores } from "./epilogue.ts";
import { range, source } from "./text.ts";

const BYTES = "0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23";
const LOW = "0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23";
const HIGH = "8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31";

function dot(sum: string, weightOffset: number, x: string): string {
  return `${sum} = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(wk, ${weightOffset}), ${x}, ${sum});`;
}

/** Whole groups of channels, or the last partial one: two functions, since a call in the loop makes V8 spill every accumulator. */
function tileFunction(tile: DepthwiseTile, columns: number, isTail: boolean): string[] {
  const { kw, stride } = tile;
  const sized = { ...tile, columns };
  const span = (columns - 1) * stride + kw;
  const group = [
    "let a0 = v128.load(w), b0 = v128.load(w, 16);",
    ...range(columns - 1).map((i) => `let a${i + 1} = a0, b${i + 1} = b0;`),
    "let wk = w + 64;",
    "let line = x;",
    "let left = kh;",
    "do {",
    "  // Rows that the kernel does not have meet weights of 0: any bytes will do.",
    "  const r1: usize = left > 1 ? rowBytes : 0, r2: usize = left > 2 ? 2 * rowBytes : 0, r3: usize = left > 3 ? 3 * rowBytes : r2;",
    "  let p = line;",
    ...range(span).flatMap((xi) => [
      ...(uses(sized, xi).length === 0
        ? []
        : [
            `  const u${xi} = i8x16.shuffle(v128.load64_zero(p), v128.load64_zero(p + r1), ${BYTES});`,
            `  const v${xi} = i8x16.shuffle(v128.load64_zero(p + r2), v128.load64_zero(p + r3), ${BYTES});`,
            `  const l${xi} = i8x16.shuffle(u${xi}, v${xi}, ${LOW}), h${xi} = i8x16.shuffle(u${xi}, v${xi}, ${HIGH});`,
          ]),
      ...uses(sized, xi).flatMap(({ column, kx }) => [
        `  ${dot(`a${column}`, kx * 32, `l${xi}`)}`,
        `  ${dot(`b${column}`, kx * 32 + 16, `h${xi}`)}`,
      ]),
      ...(xi + 1 < span ? ["  p += channels;"] : []),
    ]),
    `  wk += ${kw * 32};`,
    "  line += 4 * rowBytes;",
    "  left -= 4;",
    "} while (left > 0);",
    "const s0 = v128.load(w, 32), s1 = v128.load(w, 48);",
    ...i8Stores(
      range(columns).map((i) => ({ accumulators: [`a${i}`, `b${i}`], address: i === 0 ? "c" : `c + ${i} * channels` })),
      isTail ? "count" : undefined,
    ),
  ];
  return source(
    false,
    `function ${tileName(tile, columns, isTail)}(x: usize, rowBytes: usize, channels: usize, count: usize, w: usize, panelBytes: usize, kh: i32, c: usize, post: usize): void`,
    isTail
      ? group
      : ["for (; count > 0; count--) {", ...group.map((line) => `  ${line}`), "  w += panelBytes;", "  x += 8;", "  c += 8;", "}"],
  );
}

function tileName({ kw, stride }: DepthwiseTile, columns: number, isTail: boolean): string {
  return `dotDepthwise${kw}s${stride}x${columns}${isTail ? "Tail" : ""}`;
}

function driver(tile: DepthwiseTile): string[] {
  const { kw, stride, columns } = tile;
  const call = (n: number): string[] => [
    `const p = row + ox * ${stride} * channels, to = c + ox * channels;`,
    `${tileName(tile, n, false)}(p, rowBytes, channels, groups, w, panelBytes, kh, to, post);`,
    `if (rest > 0) ${tileName(tile, n, true)}(p + groups * 8, rowBytes, channels, rest, w + groups * panelBytes, panelBytes, kh, to + groups * 8, post);`,
  ];
  return source(
    false,
    `export function i8_depthwise_dot_w${kw}s${stride}_1x${columns}__wasm_relaxed(x: usize, w: usize, c: usize, geometry: usize, post: usize): void`,
    [
      "const height = load<i32>(geometry, 4), width: usize = load<i32>(geometry, 8), channels: usize = load<i32>(geometry, 12);",
      "const outH = load<i32>(geometry, 16), outW: usize = load<i32>(geometry, 20), kh = load<i32>(geometry, 24);",
      "const strideY = load<i32>(geometry, 32);",
      "const rowBytes: usize = width * channels, groups = channels >> 3, rest = channels & 7;",
      `const panelBytes: usize = 64 + ((kh + 3) >> 2) * ${kw * 32};`,
      "for (let image = load<i32>(geometry); image > 0; image--) {",
      "  for (let oy = 0; oy < outH; oy++) {",
      "    const row = x + oy * strideY * rowBytes;",
      "    let ox: usize = 0;",
      `    for (; ox + ${columns} <= outW; ox += ${columns}) {`,
      ...call(columns).map((line) => `      ${line}`),
      "    }",
      "    // Up to two columns are cheaper alone than in a tile that computes others again.",
      `    if (outW - ox > 2 && outW >= ${columns}) {`,
      `      ox = outW - ${columns};`,
      ...call(columns).map((line) => `      ${line}`),
      "      ox = outW;",
      "    }",
      "    for (; ox < outW; ox++) {",
      ...call(1).map((line) => `      ${line}`),
      "    }",
      "    c += outW * channels;",
      "  }",
      "  x += height * rowBytes;",
      "}",
    ],
  );
}

export function relaxedDepthwise(): string[] {
  return [
    I8_IMPORTS,
    "",
    ...I8_DEPTHWISE_TILES.flatMap((tile) => [
      ...[tile.columns, 1].flatMap((columns) => [...tileFunction(tile, columns, false), ...tileFunction(tile, columns, true)]),
      ...driver(tile),
    ]),
  ];
}
