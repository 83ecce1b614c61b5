/**
 * Writes the dense register tiles. One tile computes `rows` output rows × 8 (or 4) output columns with all accumulators in
 * registers; weights stream in panels of 8 columns, each input value is loaded as a splat. The K loop is not unrolled: on V8's x64
 * back end an unrolled loop spills accumulators (52 against 34 GFLOP/s on Node 20).
 */
import { F32_IMPORTS, I8_IMPORTS, dynamicResults, f32Stores, i8Stores } from "./epilogue.ts";
import type { TileRow } from "./epilogue.ts";
import { range, source } from "./text.ts";

export type Access = "rows" | "table";

/** A register tile, and the names of what is made of it. */
export interface Tile {
  /** Start of the tile functions' names, unique within a file. */
  readonly prefix: string;
  /** `dynamic`: integer sums that become floats by the scale at `grid`, times the weights', plus a float bias. */
  readonly dtype: "f32" | "i8" | "dynamic";
  /** Rows of a whole tile. */
  readonly rows: number;
  /** Statement that adds one step's products of the splatted input x and the weights b to the accumulator c. */
  readonly accumulate: (c: string, x: string, b: string) => string;
}

const F32_TILE: Tile = {
  prefix: "f32",
  dtype: "f32",
  rows: 4,
  accumulate: (c, x, b) => `${c} = f32x4.add(${c}, f32x4.mul(${x}, ${b}));`,
};

const I8_TILE: Tile = {
  prefix: "i8",
  dtype: "i8",
  rows: 4,
  accumulate: (c, x, b) => `${c} = i32x4.add(${c}, i32x4.dot_i16x8_s(${x}, ${b}));`,
};

const DYNAMIC_TILE: Tile = { ...I8_TILE, prefix: "dynamic", dtype: "dynamic" };

/** What ends a tile, beyond the number of columns. */
const END: Readonly<Record<Tile["dtype"], readonly string[]>> = { f32: ["act", "post"], i8: ["post"], dynamic: ["act", "post", "grid"] };

function endParams({ dtype }: Tile): string {
  return END[dtype].map((name) => `${name}: usize`).join(", ");
}

/** How a tile finds its input rows: at a fixed stride, or through a table of byte offsets plus segment offsets (convolution). */
function rowPointers(rows: number, access: Access): string[] {
  if (access === "rows") return range(rows).map((r) => `let p${r} = ${r === 0 ? "a" : `p${r - 1} + lda`};`);
  return range(rows).map((r) => `const q${r} = a + load<u32>(table, ${r * 4});`);
}

function reduction(rows: number, access: Access, step: string[], advance: number, panelBytes: number): string[] {
  const loop = [
    "do {",
    ...step.map((line) => `  ${line}`),
    ...range(rows).map((r) => `  p${r} += ${advance};`),
    `  w += ${panelBytes};`,
    "} while (--i);",
  ];
  if (access === "rows") return ["let i = k;", ...loop];
  return [
    "let segment = segments;",
    "const end = segments + segmentCount * 4;",
    "do {",
    "  const shift = load<u32>(segment);",
    ...range(rows).map((r) => `  let p${r} = q${r} + shift;`),
    "  let i = k;",
    ...loop.map((line) => `  ${line}`),
    "  segment += 4;",
    "} while (segment < end);",
  ];
}

const INPUT_PARAMS: Record<Access, string> = {
  rows: "a: usize, lda: usize",
  table: "a: usize, table: usize, segments: usize, segmentCount: usize",
};
const INPUT_ARGS: Record<Access, string> = {
  rows: "a + i * lda, lda",
  table: "a, table + i * 4, segments, segmentCount",
};

/** `x8`: whole panel; `x8part`: 5 to 7 valid columns; `x4part`: up to 4. */
type Width = "x8" | "x8part" | "x4part";

function tileRows(rows: number, vectors: number): TileRow[] {
  return range(rows).map((r) => ({
    accumulators: range(vectors).map((v) => `c${r}${v}`),
    address: r === 0 ? "c" : r === 1 ? "c + ldc" : `c + ${r} * ldc`,
  }));
}

function tileFunction(tile: Tile, rows: number, width: Width, access: Access): string[] {
  const { dtype } = tile;
  const vectors = width === "x4part" ? 1 : 2;
  const outputs = tileRows(rows, vectors);
  const step = [
    ...range(vectors).map((v) => `const b${v} = v128.load(w, ${v * 16});`),
    ...outputs.flatMap(({ accumulators }, r) => [
      `const x${r} = v128.load32_splat(p${r});`,
      ...accumulators.map((c, v) => tile.accumulate(c, `x${r}`, `b${v}`)),
    ]),
  ];
  const count = width === "x8" ? undefined : "columns";
  const params = `k: usize, w: usize, c: usize, ldc: usize${count === undefined ? "" : ", columns: usize"}, ${endParams(tile)}`;
  return source(
    rows === tile.rows && width === "x8",
    `function ${tileName(tile, rows, width, access)}(${INPUT_PARAMS[access]}, ${params}): void`,
    [
      ...rowPointers(rows, access),
      ...(dtype === "f32" ? [] : ["const scales = w + 32;"]),
      ...range(vectors).map((v) => `let c0${v} = ${dtype === "dynamic" ? "i32x4.splat(0)" : `v128.load(w, ${v * 16})`};`),
      ...range(rows - 1).flatMap((r) => range(vectors).map((v) => `let c${r + 1}${v} = c0${v};`)),
      `w += ${dtype === "f32" ? 32 : 64};`,
      ...reduction(rows, access, step, 4, 32),
      ...(dtype === "f32"
        ? f32Stores(outputs, count, true)
        : dtype === "dynamic"
          ? [...dynamicResults(outputs), ...f32Stores(outputs, count)]
          : [`const s0 = v128.load(scales), s1 = v128.load(scales${vectors === 2 ? ", 16" : ""});`, ...i8Stores(outputs, count)]),
    ],
  );
}

/** Loops over blocks of `mb` rows, panels of 8 columns, and a tile's rows at a time, so that a panel stays in L1 and a row block in L2. */
function driver(name: string, tile: Tile, access: Access): string[] {
  const bytes = tile.dtype === "i8" ? 1 : 4;
  const post = END[tile.dtype].join(", ");
  const header = tile.dtype === "f32" ? "32" : "64";
  const length = access === "rows" ? "k" : "k * segmentCount";
  const call = (rows: number, width: Width): string =>
    `${tileName(tile, rows, width, access)}(${INPUT_ARGS[access]}, k, w0, c0 + i * ldc, ldc${width === "x8" ? "" : ", n - j"}, ${post});`;
  const panel = (width: Width): string[] => [
    `const c0 = c + j * ${bytes};`,
    "let i = m0;",
    `for (; i + ${tile.rows} <= m1; i += ${tile.rows}) ${call(tile.rows, width)}`,
    ...partialRows(tile).map((rows, i) => `${i === 0 ? "" : "else "}if (m1 - i == ${rows}) ${call(rows, width)}`),
  ];
  return source(
    false,
    `export function ${name}(${INPUT_PARAMS[access]}, k: usize, w: usize, c: usize, ldc: usize, m: usize, n: usize, mb: usize, ${endParams(tile)}): void`,
    [
      `const panelBytes: usize = ${header} + ${length} * 32;`,
      "for (let m0: usize = 0; m0 < m; m0 += mb) {",
      "  const m1 = min(m, m0 + mb);",
      "  let w0 = w;",
      "  let j: usize = 0;",
      "  for (; j + 8 <= n; j += 8) {",
      ...panel("x8").map((line) => `    ${line}`),
      "    w0 += panelBytes;",
      "  }",
      "  if (n - j > 4) {",
      ...panel("x8part").map((line) => `    ${line}`),
      "  } else if (n - j > 0) {",
      ...panel("x4part").map((line) => `    ${line}`),
      "  }",
      "}",
    ],
  );
}

/** Rows of the tiles that end a block: one fewer than a whole one, down to 1. */
function partialRows({ rows }: Tile): number[] {
  return range(rows - 1).map((i) => rows - 1 - i);
}

function tileName({ prefix }: Tile, rows: number, width: Width, access: Access): string {
  return `${prefix}Tile${rows}${width}${access === "rows" ? "" : "Indirect"}`;
}

/** The tile at every width and height, and the kernel `name` that covers a product with them. */
export function family(name: string, tile: Tile, access: Access): string[] {
  const widths: readonly Width[] = ["x8", "x8part", "x4part"];
  const heights = [tile.rows, ...partialRows(tile)];
  return [...widths.flatMap((width) => heights.flatMap((rows) => tileFunction(tile, rows, width, access))), ...driver(name, tile, access)];
}

/**
 * Matrix × vector: one row × one panel would wait for its own additions, so three panels go side by side (six accumulators; four panels
 * spill, and splitting K over accumulators is slower: 41, 32 and 37 GFLOP/s on Node 20).
 */
function gemv(): string[] {
  const tile = (panels: number): string[] =>
    source(
      panels === 3,
      `function f32GemvTile${panels}(a: usize, k: usize, w: usize, panelBytes: usize, c: usize, columns: usize, act: usize, post: usize): void`,
      [
        ...range(panels).flatMap((p) => [
          `let w${p} = ${p === 0 ? "w" : `w + ${p} * panelBytes`};`,
          `let c${p}0 = v128.load(w${p});`,
          `let c${p}1 = v128.load(w${p}, 16);`,
          `w${p} += 32;`,
        ]),
        "do {",
        "  const x = v128.load32_splat(a);",
        ...range(panels).flatMap((p) => [
          `  c${p}0 = f32x4.add(c${p}0, f32x4.mul(x, v128.load(w${p})));`,
          `  c${p}1 = f32x4.add(c${p}1, f32x4.mul(x, v128.load(w${p}, 16)));`,
          `  w${p} += 32;`,
        ]),
        "  a += 4;",
        "} while (--k);",
        ...f32Stores([{ accumulators: range(panels).flatMap((p) => [`c${p}0`, `c${p}1`]), address: "c" }], "columns", true),
      ],
    );
  return [
    ...[3, 2, 1].flatMap(tile),
    ...source(
      false,
      "export function f32_gemv_packed_1x24__wasm_simd(a: usize, k: usize, w: usize, c: usize, n: usize, act: usize, post: usize): void",
      [
        "const panelBytes: usize = 32 + k * 32;",
        "while (n > 16) {",
        "  f32GemvTile3(a, k, w, panelBytes, c, n, act, post);",
        "  if (n <= 24) return;",
        "  n -= 24;",
        "  w += 3 * panelBytes;",
        "  c += 96;",
        "}",
        "if (n > 8) f32GemvTile2(a, k, w, panelBytes, c, n, act, post);",
        "else f32GemvTile1(a, k, w, panelBytes, c, n, act, post);",
      ],
    ),
  ];
}

export function denseF32(): string[] {
  return [
    F32_IMPORTS,
    "",
    ...family("f32_gemm_packed_4x8__wasm_simd", F32_TILE, "rows"),
    ...family("f32_conv_indirect_4x8__wasm_simd", F32_TILE, "table"),
    ...gemv(),
  ];
}

/** Layers that quantize their input at run time: it comes as int16, its zero point taken off. */
export function dynamicI8(): string[] {
  return [
    F32_IMPORTS,
    "",
    ...family("i8_gemm_dynamic_4x8__wasm_simd", DYNAMIC_TILE, "rows"),
    ...family("i8_conv_dynamic_4x8__wasm_simd", DYNAMIC_TILE, "table"),
  ];
}

/** The product over rows that are int16 already: ../pairs.ts widens them, a block at a time. */
export function denseI8(): string[] {
  return [I8_IMPORTS, "", ...family("gemmPairs", I8_TILE, "rows"), ...family("i8_conv_pairs_4x8__wasm_simd", I8_TILE, "table")];
}
