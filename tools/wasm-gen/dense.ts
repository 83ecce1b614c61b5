/**
 * Writes the dense register tiles. One tile computes `rows` output rows × 8 (or 4) output columns with all accumulators in
 * registers; weights stream in panels of 8 columns, each input value is loaded as a splat. The K loop is not unrolled: on V8's x64
 * back end an unrolled loop spills accumulators (52 against 34 GFLOP/s on Node 20).
 */
import { range, source } from "./text.ts";

type Access = "rows" | "table";

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

function f32Tile(name: string, rows: number, vectors: number, access: Access): string[] {
  const acc = (r: number, v: number): string => `c${r}${v}`;
  const step = [
    ...range(vectors).map((v) => `const b${v} = v128.load(w, ${v * 16});`),
    ...range(rows).flatMap((r) => [
      `const x${r} = v128.load32_splat(p${r});`,
      ...range(vectors).map((v) => `${acc(r, v)} = f32x4.add(${acc(r, v)}, f32x4.mul(x${r}, b${v}));`),
    ]),
  ];
  const stores = range(rows).flatMap((r) => [
    ...range(vectors).map((v) => `${acc(r, v)} = activate4(${acc(r, v)}, act, post);`),
    ...(vectors === 2 ? [`if (columns >= 8) {`, `  v128.store(c, ${acc(r, 0)});`, `  v128.store(c, ${acc(r, 1)}, 16);`, `} else {`] : []),
    ...(vectors === 2
      ? [`  v128.store(c, ${acc(r, 0)});`, `  storeFloats(c + 16, ${acc(r, 1)}, columns - 4);`, `}`]
      : [`storeFloats(c, ${acc(r, 0)}, columns);`]),
    ...(r + 1 < rows ? ["c += ldc;"] : []),
  ]);
  return source(
    rows === 4 && vectors === 2,
    `function ${name}(${INPUT_PARAMS[access]}, k: usize, w: usize, c: usize, ldc: usize, columns: usize, act: usize, post: usize): void`,
    [
      ...rowPointers(rows, access),
      ...range(vectors).map((v) => `let ${acc(0, v)} = v128.load(w, ${v * 16});`),
      ...range(rows - 1).flatMap((r) => range(vectors).map((v) => `let ${acc(r + 1, v)} = ${acc(0, v)};`)),
      "w += 32;",
      ...reduction(rows, access, step, 4, 32),
      ...stores,
    ],
  );
}

function i8Tile(name: string, rows: number, vectors: number, access: Access): string[] {
  const acc = (r: number, v: number): string => `c${r}${v}`;
  const step = [
    ...range(vectors).map((v) => `const b${v} = v128.load(w, ${v * 16});`),
    ...range(rows).flatMap((r) => [
      `const x${r} = v128.load32_splat(p${r});`,
      ...range(vectors).map((v) => `${acc(r, v)} = i32x4.add(${acc(r, v)}, i32x4.dot_i16x8_s(x${r}, b${v}));`),
    ]),
  ];
  return source(
    rows === 4 && vectors === 2,
    `function ${name}(${INPUT_PARAMS[access]}, k: usize, w: usize, c: usize, ldc: usize, columns: usize, post: usize): void`,
    [
      ...rowPointers(rows, access),
      "const scales = w + 32;",
      ...range(vectors).map((v) => `let ${acc(0, v)} = v128.load(w, ${v * 16});`),
      ...range(rows - 1).flatMap((r) => range(vectors).map((v) => `let ${acc(r + 1, v)} = ${acc(0, v)};`)),
      "w += 64;",
      ...reduction(rows, access, step, 4, 32),
      ...range(vectors).map((v) => `const s${v} = v128.load(scales, ${v * 16});`),
      ...range(rows).flatMap((r) => [
        `storeBytes(c, requantize8(${acc(r, 0)}, ${acc(r, vectors - 1)}, s0, s${vectors - 1}, post), columns);`,
        ...(r + 1 < rows ? ["c += ldc;"] : []),
      ]),
    ],
  );
}

/** Loops over blocks of `mb` rows, panels of 8 columns, and 4 rows at a time, so that a panel stays in L1 and a row block in L2. */
function driver(name: string, dtype: "f32" | "i8", access: Access): string[] {
  const isFloat = dtype === "f32";
  const bytes = isFloat ? 4 : 1;
  const post = isFloat ? "act, post" : "post";
  const panel = isFloat ? "32" : "64";
  const length = access === "rows" ? "k" : "k * segmentCount";
  const call = (rows: number, vectors: number): string =>
    `${tileName(dtype, rows, vectors, access)}(${INPUT_ARGS[access]}, k, w0, c0 + i * ldc, ldc, columns, ${post});`;
  const body = (vectors: number): string[] => [
    `for (; i + 4 <= m1; i += 4) ${call(4, vectors)}`,
    `if (m1 - i == 3) ${call(3, vectors)}`,
    `else if (m1 - i == 2) ${call(2, vectors)}`,
    `else if (m1 - i == 1) ${call(1, vectors)}`,
  ];
  return source(
    false,
    `export function ${name}(${INPUT_PARAMS[access]}, k: usize, w: usize, c: usize, ldc: usize, m: usize, n: usize, mb: usize, ${isFloat ? "act: usize, " : ""}post: usize): void`,
    [
      `const panelBytes: usize = ${panel} + ${length} * 32;`,
      "for (let m0: usize = 0; m0 < m; m0 += mb) {",
      "  const m1 = min(m, m0 + mb);",
      "  let w0 = w;",
      "  for (let j: usize = 0; j < n; j += 8) {",
      "    const columns = min(<usize>8, n - j);",
      `    const c0 = c + j * ${bytes};`,
      "    let i = m0;",
      "    if (columns > 4) {",
      ...body(2).map((line) => `      ${line}`),
      "    } else {",
      ...body(1).map((line) => `      ${line}`),
      "    }",
      "    w0 += panelBytes;",
      "  }",
      "}",
    ],
  );
}

function tileName(dtype: "f32" | "i8", rows: number, vectors: number, access: Access): string {
  return `${dtype}Tile${rows}x${vectors * 4}${access === "rows" ? "" : "Indirect"}`;
}

function family(name: string, dtype: "f32" | "i8", access: Access): string[] {
  const tile = dtype === "f32" ? f32Tile : i8Tile;
  return [
    ...[2, 1].flatMap((vectors) => [4, 3, 2, 1].flatMap((rows) => tile(tileName(dtype, rows, vectors, access), rows, vectors, access))),
    ...driver(name, dtype, access),
  ];
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
        ...range(panels).flatMap((p) => [
          `storeFloats(c + ${p * 32}, activate4(c${p}0, act, post), columns - ${p * 8});`,
          `if (columns > ${p * 8 + 4}) storeFloats(c + ${p * 32 + 16}, activate4(c${p}1, act, post), columns - ${p * 8 + 4});`,
        ]),
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
    'import { activate4, storeFloats } from "../common";',
    "",
    ...family("f32_gemm_packed_4x8__wasm_simd", "f32", "rows"),
    ...family("f32_conv_indirect_4x8__wasm_simd", "f32", "table"),
    ...gemv(),
  ];
}

export function denseI8(): string[] {
  return [
    'import { requantize8, storeBytes } from "../common";',
    "",
    ...family("i8_gemm_pairs_4x8__wasm_simd", "i8", "rows"),
    ...family("i8_conv_pairs_4x8__wasm_simd", "i8", "table"),
  ];
}
