/**
 * Writes the kernels for one row times sparse weights. Several entries of a list go side by side, each into its own accumulators, since
 * additions to one would wait for each other; lists are padded to whole steps with zero weights. Measured on Node 20.20 at 128×256,
 * against the dense kernel's 1: 1×8 in steps of two 0.77 (one: 0.66, four: 0.51, spills); 1×4 in steps of four 0.52; single weights 0.20
 * with four inputs put together in a vector (as scalars: 0.13).
 *
 * Streams. 1×8 and 1×4: [count u32, 3 pad][bias 8 or 4][rows count u16, padded to 16 bytes][values count × 8 or 4]. csr: [count u32]
 * [bias][rows count u16][values count], count a multiple of 4. A row number is an index into the row.
 */
import { range, source } from "./text.ts";

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

function blocks(outputs: number, entries: number): string[] {
  const vectors = outputs / 4;
  const store = (v: number): string =>
    vectors === 1
      ? `storeFloats(c, c00, n);`
      : v === 0
        ? "storeFloats(c, c00, n);"
        : `if (n > ${v * 4}) storeFloats(c + ${v * 16}, c0${v}, n - ${v * 4});`;
  const activation = (fn: string): string[] => range(vectors).map((v) => `  c0${v} = ${fn};`.replaceAll("C", `c0${v}`));
  return source(
    false,
    `export function f32_spmv_1x${outputs}_1x${outputs}__wasm_simd(a: usize, w: usize, c: usize, n: usize, act: usize, post: usize): void`,
    [
      `for (; n > 0; n -= min(<usize>${outputs}, n)) {`,
      ...indented([
        "const count = load<u32>(w) as usize;",
        ...range(vectors).map((v) => `let c0${v} = v128.load(w, ${16 + v * 16});`),
        ...range(entries - 1).flatMap((e) => range(vectors).map((v) => `let c${e + 1}${v} = i32x4.splat(0);`)),
        `let rows = w + ${16 + outputs * 4};`,
        "w = rows + ((count * 2 + 15) & ~15);",
        `const end = w + count * ${outputs * 4};`,
        `for (; w < end; w += ${outputs * 4 * entries}) {`,
        ...range(entries).flatMap((e) => [
          `  const x${e} = v128.load32_splat(a + ((load<u16>(rows, ${e * 2}) as usize) << 2));`,
          ...range(vectors).map((v) => `  c${e}${v} = f32x4.add(c${e}${v}, f32x4.mul(x${e}, v128.load(w, ${(e * vectors + v) * 16})));`),
        ]),
        `  rows += ${entries * 2};`,
        "}",
        ...range(vectors).flatMap((v) => range(entries - 1).map((e) => `c0${v} = f32x4.add(c0${v}, c${e + 1}${v});`)),
        "if (act == ACT_HARDSWISH) {",
        ...activation("hardswish4(C)"),
        "} else {",
        ...activation("clamp4(C, post)"),
        "}",
        ...range(vectors).map(store),
        `c += ${outputs * 4};`,
      ]),
      "}",
    ],
  );
}

function csr(): string[] {
  return source(
    false,
    "export function f32_spmv_csr_1x1__wasm_simd(a: usize, w: usize, c: usize, n: usize, act: usize, post: usize): void",
    [
      "for (; n > 0; n--) {",
      ...indented([
        "const count = load<u32>(w) as usize;",
        "let y = v128.load32_zero(w, 4);",
        "let rows = w + 8;",
        "w = rows + count * 2;",
        "const end = w + count * 4;",
        "for (; w < end; w += 16) {",
        "  let x = v128.load32_zero(a + ((load<u16>(rows) as usize) << 2));",
        ...range(3).map((i) => `  x = v128.load32_lane(a + ((load<u16>(rows, ${(i + 1) * 2}) as usize) << 2), x, ${i + 1});`),
        "  y = f32x4.add(y, f32x4.mul(x, v128.load(w)));",
        "  rows += 8;",
        "}",
        "y = f32x4.add(y, v128.shuffle<i32>(y, y, 2, 3, 0, 1));",
        "y = f32x4.add(y, v128.shuffle<i32>(y, y, 1, 0, 3, 2));",
        "v128.store32_lane(c, activate4(y, act, post), 0);",
        "c += 4;",
      ]),
      "}",
    ],
  );
}

export function sparseVector(): string[] {
  return [
    'import { ACT_HARDSWISH, activate4, clamp4, hardswish4, storeFloats } from "../common";',
    "",
    ...blocks(8, 2),
    ...blocks(4, 4),
    ...csr(),
  ];
}
