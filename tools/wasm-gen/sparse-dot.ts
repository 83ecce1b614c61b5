/**
 * Writes the sparse tiles over the 8-bit dot product, whose step takes four inputs. Non-zero inputs lie anywhere, so a step reads 16
 * neighbouring bytes of an input row and picks up to four of them by a swizzle: one load and one shuffle a row, where the dense tile has
 * a splatted load, and inputs are read where they are. Either the outputs of a list share their picks (1×8 blocks), or each has its own
 * four, at a second shuffle a row, and zeros may lie anywhere.
 *
 * Stream of a list: [steps u32, 3 pad][bias 8 i32][scales 8 f32][fronts, padded to 16][bodies]. A front is the byte offset from a window's
 * start, u32, and the 4 picks, u8, if they are shared; a body the picks of 8 outputs, if they are not, and 8 × 4 i8 weights.
 *
 * Sizes by measurement (Node 24.21, V8 13.6, AVX-VNNI, 768×256×256, picks of every output's own, no zeros, dense byte tile 1): 4 rows × 8
 * outputs 1.31; 4, 6 and 8 rows × 4 outputs 1.77, 1.58, 1.67; shared by 4 outputs 6 × 4 1.63, by 8 outputs 4 × 8 1.08 (2026-11-24).
 */
import { I8_IMPORTS, i8Stores } from "./epilogue.ts";
import type { TileRow } from "./epilogue.ts";
import { range, source } from "./text.ts";

/** Rows of a tile, outputs of a list. */
const ROWS = 4;
const OUTPUTS = 8;
const VECTORS = range(OUTPUTS / 4);
const HEADER_BYTES = 16 + OUTPUTS * 8;

interface Lists {
  readonly name: string;
  /** Start of the tile functions' names. */
  readonly prefix: string;
  /** Bytes of a step in front: its offset, and picks that all outputs share. */
  readonly frontBytes: number;
  /** Bytes of a step in the body: picks of every output, and weights. */
  readonly bodyBytes: number;
  /** Statements that pick the inputs of one row. @param at offset of the step's fronts and bodies, in steps */
  readonly picks: (at: number) => readonly string[];
  /** Offset of the weights in the body. */
  readonly weights: number;
  /** Inputs of a row for one vector of outputs. */
  readonly picked: (x: string, v: number, at: number) => string;
}

const LISTS: readonly Lists[] = [
  {
    name: "i8_spmm_dot1x8_4x8__wasm_relaxed",
    prefix: "i8DotShared",
    frontBytes: 8,
    bodyBytes: OUTPUTS * 4,
    picks: (at) => [`const pick${at} = v128.load32_splat(fronts, ${at * 8 + 4});`],
    weights: 0,
    picked: (x, _, at) => `i8x16.relaxed_swizzle(${x}, pick${at})`,
  },
  {
    name: "i8_spmm_dotcsr_4x8__wasm_relaxed",
    prefix: "i8DotOwn",
    frontBytes: 4,
    bodyBytes: OUTPUTS * 8,
    picks: (at) => VECTORS.map((v) => `const pick${at}${v} = v128.load(bodies, ${at * OUTPUTS * 8 + v * 16});`),
    weights: OUTPUTS * 4,
    picked: (x, v, at) => `i8x16.relaxed_swizzle(${x}, pick${at}${v})`,
  },
];

/** One step, `at` steps from the pointers. @param name of an accumulator */
function step(lists: Lists, rows: number, at: number, name: (r: number, v: number) => string): string[] {
  const { frontBytes, bodyBytes, weights, picked } = lists;
  return [
    `const at${at} = load<u32>(fronts, ${at * frontBytes}) as usize;`,
    ...lists.picks(at),
    ...VECTORS.map((v) => `const b${at}${v} = v128.load(bodies, ${at * bodyBytes + weights + v * 16});`),
    ...range(rows).flatMap((r) => [
      `const x${at}${r} = v128.load(p${r} + at${at});`,
      ...VECTORS.map((v) => {
        const c = name(r, v);
        return `${c} = i32x4.relaxed_dot_i8x16_i7x16_add_s(b${at}${v}, ${picked(`x${at}${r}`, v, at)}, ${c});`;
      }),
    ]),
  ];
}

function start(lists: Lists, rows: number): string[] {
  return [
    ...range(rows).map((r) => `const p${r} = a + load<u32>(table, ${r * 4});`),
    "let count = load<u32>(list) as usize;",
    ...VECTORS.map((v) => `let c0${v} = v128.load(list, ${16 + v * 16});`),
    ...VECTORS.map((v) => `const s${v} = v128.load(list, ${16 + OUTPUTS * 4 + v * 16});`),
    `let fronts = list + ${HEADER_BYTES};`,
    `let bodies = fronts + ((count * ${lists.frontBytes} + 15) & ~15);`,
  ];
}

function tileRows(rows: number): TileRow[] {
  return range(rows).map((r) => ({ accumulators: VECTORS.map((v) => `c${r}${v}`), address: r === 0 ? "c" : `c + ${r} * ldc` }));
}

/** @param isPart fewer rows or columns are stored than computed */
function tile(lists: Lists, isPart: boolean): string[] {
  const { prefix, frontBytes, bodyBytes } = lists;
  return source(
    !isPart,
    `function ${prefix}Tile${isPart ? "Part" : ""}(a: usize, table: usize, list: usize, c: usize, ldc: usize, rows: usize, columns: usize, post: usize): void`,
    [
      ...start(lists, ROWS),
      ...range(ROWS - 1).flatMap((r) => VECTORS.map((v) => `let c${r + 1}${v} = c0${v};`)),
      "for (; count > 0; count--) {",
      ...step(lists, ROWS, 0, (r, v) => `c${r}${v}`).map((line) => `  ${line}`),
      `  fronts += ${frontBytes};`,
      `  bodies += ${bodyBytes};`,
      "}",
      ...(isPart
        ? i8Stores(tileRows(ROWS), "columns").map((line) => line.replace(/^storeBytes\(c \+ (\d) /, "if (rows > $1) storeBytes(c + $1 "))
        : i8Stores(tileRows(ROWS))),
    ],
  );
}

/** A single row would wait for its own sums: steps alternate between two sets of accumulators. */
function row(lists: Lists): string[] {
  const { prefix, frontBytes, bodyBytes } = lists;
  return source(false, `function ${prefix}Row(a: usize, table: usize, list: usize, c: usize, columns: usize, post: usize): void`, [
    ...start(lists, 1),
    ...VECTORS.map((v) => `let d0${v} = i32x4.splat(0);`),
    "for (; count > 1; count -= 2) {",
    ...[0, 1].flatMap((at) => step(lists, 1, at, (r, v) => `${at === 0 ? "c" : "d"}${r}${v}`)).map((line) => `  ${line}`),
    `  fronts += ${2 * frontBytes};`,
    `  bodies += ${2 * bodyBytes};`,
    "}",
    "if (count > 0) {",
    ...step(lists, 1, 0, (r, v) => `c${r}${v}`).map((line) => `  ${line}`),
    "}",
    ...VECTORS.map((v) => `c0${v} = i32x4.add(c0${v}, d0${v});`),
    ...i8Stores(tileRows(1), "columns"),
  ]);
}

function driver({ name, prefix, frontBytes, bodyBytes }: Lists): string[] {
  return source(
    false,
    `export function ${name}(a: usize, table: usize, w: usize, c: usize, ldc: usize, m: usize, n: usize, mb: usize, post: usize): void`,
    [
      "for (let m0: usize = 0; m0 < m; m0 += mb) {",
      "  const m1 = min(m, m0 + mb);",
      "  let list = w;",
      `  for (let j: usize = 0; j < n; j += ${OUTPUTS}) {`,
      "    let i = m0;",
      "    let to = c + j + i * ldc;",
      `    const columns = min(<usize>${OUTPUTS}, n - j);`,
      `    if (columns == ${OUTPUTS}) {`,
      `      for (; i + ${ROWS} <= m1; i += ${ROWS}) {`,
      `        ${prefix}Tile(a, table + i * 4, list, to, ldc, ${ROWS}, ${OUTPUTS}, post);`,
      `        to += ${ROWS} * ldc;`,
      "      }",
      "    }",
      `    for (; i + 1 < m1; i += ${ROWS}) {`,
      `      ${prefix}TilePart(a, table + i * 4, list, to, ldc, m1 - i, columns, post);`,
      `      to += ${ROWS} * ldc;`,
      "    }",
      `    if (i < m1) ${prefix}Row(a, table + i * 4, list, to, columns, post);`,
      "    const count = load<u32>(list) as usize;",
      `    list += ${HEADER_BYTES} + ((count * ${frontBytes} + 15) & ~15) + count * ${bodyBytes};`,
      "  }",
      "}",
    ],
  );
}

export function sparseDot(): string[] {
  return [I8_IMPORTS, "", ...LISTS.flatMap((lists) => [...tile(lists, false), ...tile(lists, true), ...row(lists), ...driver(lists)])];
}
