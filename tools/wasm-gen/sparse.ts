/**
 * Writes the block-sparse 1×8 tiles: 8 consecutive outputs share one list of non-zero inputs, so the tile is the dense one with a byte
 * offset in place of the increment. Offsets are relative to a row's start; for k×k convolutions they span the (padded) image, so the
 * same tile serves them without patches.
 *
 * f32 stream of a panel: [count u32, 3 pad][bias 8 f32][offsets u32, padded to 4][values count × 8 f32].
 * i8 stream: [pairs u32, 3 pad][bias 8 i32][scales 8 f32][offsets pairs × 2 u32, padded to 4][values pairs × 8 × 2 i16]. With an
 * int16 row as input, putting pairs together costs more than it saves (40 of the dense tile's 95 Gop/s on Node 20); with 4 pixels
 * interleaved it reaches 80.
 */
import { f32Stores, i8Stores } from "./epilogue.ts";
import type { TileRow } from "./epilogue.ts";
import { range, source } from "./text.ts";

function tileRows(rows: number): TileRow[] {
  return range(rows).map((r) => ({ accumulators: [`c${r}0`, `c${r}1`], address: r === 0 ? "c" : `c + ${r} * ldc` }));
}

function f32Tile(rows: number, isPart: boolean): string[] {
  return source(
    rows === 4 && !isPart,
    `function f32SparseTile${rows}${isPart ? "Part" : ""}(a: usize, table: usize, stream: usize, c: usize, ldc: usize, columns: usize, act: usize, post: usize): void`,
    [
      ...range(rows).map((r) => `const p${r} = a + load<u32>(table, ${r * 4});`),
      "let count = load<u32>(stream) as usize;",
      "let c00 = v128.load(stream, 16);",
      "let c01 = v128.load(stream, 32);",
      ...range(rows - 1).flatMap((r) => [`let c${r + 1}0 = c00;`, `let c${r + 1}1 = c01;`]),
      "let offsets = stream + 48;",
      "let w = offsets + ((count * 4 + 15) & ~15);",
      "for (; count > 0; count--) {",
      "  const offset = load<u32>(offsets) as usize;",
      "  const b0 = v128.load(w);",
      "  const b1 = v128.load(w, 16);",
      ...range(rows).flatMap((r) => [
        `  const x${r} = v128.load32_splat(p${r} + offset);`,
        `  c${r}0 = f32x4.add(c${r}0, f32x4.mul(x${r}, b0));`,
        `  c${r}1 = f32x4.add(c${r}1, f32x4.mul(x${r}, b1));`,
      ]),
      "  offsets += 4;",
      "  w += 32;",
      "}",
      ...f32Stores(tileRows(rows), isPart ? "columns" : undefined, true),
    ],
  );
}

/** Input block [K][4 pixels] int16: the two inputs of a pair for all 4 pixels are two 8-byte loads and one interleave. */
function i8Tile(isPart: boolean): string[] {
  return source(
    !isPart,
    `function i8SparseTile4${isPart ? "Part" : ""}(x: usize, stream: usize, c: usize, ldc: usize, rows: usize, columns: usize, post: usize): void`,
    [
      "let count = load<u32>(stream) as usize;",
      "let c00 = v128.load(stream, 16);",
      "let c01 = v128.load(stream, 32);",
      ...range(3).flatMap((r) => [`let c${r + 1}0 = c00;`, `let c${r + 1}1 = c01;`]),
      "let offsets = stream + 80;",
      "let w = offsets + ((count * 8 + 15) & ~15);",
      "for (; count > 0; count--) {",
      "  const u = v128.load64_zero(x + load<u32>(offsets));",
      "  const v = v128.load64_zero(x + load<u32>(offsets, 4));",
      "  const uv = i8x16.shuffle(u, v, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);",
      "  const b0 = v128.load(w);",
      "  const b1 = v128.load(w, 16);",
      ...range(4).flatMap((r) => [
        `  const x${r} = v128.shuffle<i32>(uv, uv, ${r}, ${r}, ${r}, ${r});`,
        `  c${r}0 = i32x4.add(c${r}0, i32x4.dot_i16x8_s(x${r}, b0));`,
        `  c${r}1 = i32x4.add(c${r}1, i32x4.dot_i16x8_s(x${r}, b1));`,
      ]),
      "  offsets += 8;",
      "  w += 32;",
      "}",
      "const s0 = v128.load(stream, 48);",
      "const s1 = v128.load(stream, 64);",
      ...(isPart
        ? i8Stores(tileRows(4), "columns").map((line) => line.replace(/^storeBytes\(c \+ (\d) /, "if (rows > $1) storeBytes(c + $1 "))
        : i8Stores(tileRows(4))),
    ],
  );
}

/** One row [K] int16: pairs are put together in a scalar register. */
function i8Row(): string[] {
  return source(false, "export function i8_spmv_1x8_1x8__wasm_simd(a: usize, w: usize, c: usize, n: usize, post: usize): void", [
    "let stream = w;",
    "for (let j: usize = 0; j < n; j += 8) {",
    "  let count = load<u32>(stream) as usize;",
    "  let c0 = v128.load(stream, 16);",
    "  let c1 = v128.load(stream, 32);",
    "  let offsets = stream + 80;",
    "  let wp = offsets + ((count * 8 + 15) & ~15);",
    "  for (; count > 0; count--) {",
    "    const x = i32x4.splat(load<u16>(a + load<u32>(offsets)) | (load<u16>(a + load<u32>(offsets, 4)) << 16));",
    "    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x, v128.load(wp)));",
    "    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(x, v128.load(wp, 16)));",
    "    offsets += 8;",
    "    wp += 32;",
    "  }",
    "  const y = pack16(scale4(c0, v128.load(stream, 48), post), scale4(c1, v128.load(stream, 64), post), c0, c1, post);",
    "  storeBytes(c + j, i64x2.extract_lane(y, 0), n - j);",
    "  stream = wp;",
    "}",
  ]);
}

function f32Driver(): string[] {
  const call = (rows: number, part: string): string =>
    `f32SparseTile${rows}${part}(a, table + i * 4, stream, c0 + i * ldc, ldc, n - j, act, post);`;
  const rows = (part: string): string[] => [`for (; i + 4 <= m1; i += 4) ${call(4, part)}`, `for (; i < m1; i++) ${call(1, part)}`];
  return source(
    false,
    "export function f32_spmm_1x8_4x8__wasm_simd(a: usize, table: usize, w: usize, c: usize, ldc: usize, m: usize, n: usize, mb: usize, act: usize, post: usize): void",
    [
      "for (let m0: usize = 0; m0 < m; m0 += mb) {",
      "  const m1 = min(m, m0 + mb);",
      "  let stream = w;",
      "  for (let j: usize = 0; j < n; j += 8) {",
      "    const c0 = c + j * 4;",
      "    let i = m0;",
      "    if (n - j >= 8) {",
      ...rows("").map((line) => `      ${line}`),
      "    } else {",
      ...rows("Part").map((line) => `      ${line}`),
      "    }",
      "    const count = load<u32>(stream) as usize;",
      "    stream += 48 + ((count * 4 + 15) & ~15) + count * 32;",
      "  }",
      "}",
    ],
  );
}

/** Gathers `mb` rows (a multiple of 4) into `scratch` as [mb / 4][K][4] int16, then runs every panel over them. */
function i8Driver(): string[] {
  return source(
    false,
    "export function i8_spmm_1x8_4x8__wasm_simd(a: usize, table: usize, segments: usize, segmentCount: usize, segmentBytes: usize, scratch: usize, w: usize, c: usize, ldc: usize, m: usize, n: usize, mb: usize, zeroPoint: i32, isSigned: i32, post: usize): void",
    [
      "const zero = i16x8.splat(<i16>zeroPoint);",
      "const blockBytes = segmentCount * segmentBytes * 8;",
      "for (let m0: usize = 0; m0 < m; m0 += mb) {",
      "  const m1 = min(m, m0 + mb);",
      "  for (let i = m0; i < m1; i += 4) gatherBlock4(a, table + i * 4, segments, segmentCount, segmentBytes, scratch + ((i - m0) >> 2) * blockBytes, zero, isSigned);",
      "  let stream = w;",
      "  for (let j: usize = 0; j < n; j += 8) {",
      "    const columns = min(<usize>8, n - j);",
      "    let block = scratch;",
      "    let to = c + m0 * ldc + j;",
      "    for (let i = m0; i < m1; i += 4) {",
      "      if (columns == 8 && m1 - i >= 4) i8SparseTile4(block, stream, to, ldc, 4, 8, post);",
      "      else i8SparseTile4Part(block, stream, to, ldc, m1 - i, columns, post);",
      "      block += blockBytes;",
      "      to += 4 * ldc;",
      "    }",
      "    const count = load<u32>(stream) as usize;",
      "    stream += 80 + ((count * 8 + 15) & ~15) + count * 32;",
      "  }",
      "}",
    ],
  );
}

export function sparse(): string[] {
  return [
    'import { ACT_HARDSWISH, ACT_RESIDUAL, clamp4, hardswish4, pack16, scale4, storeBytes, storeFloats } from "../common";',
    'import { gatherBlock4 } from "../layout";',
    "",
    ...[4, 1].flatMap((rows) => [...f32Tile(rows, false), ...f32Tile(rows, true)]),
    ...f32Driver(),
    ...i8Tile(false),
    ...i8Tile(true),
    ...i8Driver(),
    ...i8Row(),
  ];
}
