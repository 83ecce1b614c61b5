/**
 * Writes the register tiles for int16 activations (src/engines/wasm/assembly/int16/), 8 outputs a row. Panels begin with the biases as 8
 * doubles and 8 scales.
 */
import { range, source } from "./text.ts";

/** Rows of a whole tile, and of the one for what is left. */
const HEIGHTS = [4, 1] as const;
/** Biases and scales. */
const HEADER_BYTES = 96;
/** Of the 8 doubles that hold what int32 cannot, of one row. */
const SUM_BYTES = 64;

/** Address of a row. */
function at(base: string, row: number, distance: string | number): string {
  return row === 0 ? base : row === 1 ? `${base} + ${distance}` : `${base} + ${row} * ${distance}`;
}

function params(names: readonly string[]): string {
  return names.map((name) => `${name}: usize`).join(", ");
}

function accumulators(rows: number): string[] {
  return range(rows).flatMap((r) => [`let c${r}0 = i32x4.splat(0);`, `let c${r}1 = i32x4.splat(0);`]);
}

/** From int32 sums. */
function finish(rows: number, distance: string, count: string): string[] {
  return range(rows).map((r) => `finishChannels(${at("c", r, distance)}, c${r}0, c${r}1, panel, ${count}, post);`);
}

/** Windows at `q0`, `q1`, … as in i16_conv_pairs_4x8__wasm_simd; `room` is how many more pairs int32 holds for sure. */
function convolution(rows: number): string[] {
  const windows = range(rows).map((r) => `q${r}`);
  const others = ["segments", "end", "pairs", "panel", "sums", "c", "ldc", "columns", "post"];
  const sums = range(rows).map((r) => at("sums", r, SUM_BYTES));
  const spill = sums.map((to, r) => `spill(${to}, c${r}0, c${r}1);`);
  return source(false, `export function pairs${rows}x8(${params([...windows, ...others])}): void`, [
    `let w = panel + ${HEADER_BYTES};`,
    ...accumulators(rows),
    "let room = MOST_PAIRS;",
    "let isLong = false;",
    "do {",
    "  const shift = load<u32>(segments);",
    ...range(rows).map((r) => `  let p${r} = q${r} + shift;`),
    "  let left = pairs;",
    "  do {",
    "    let i = min(left, room);",
    "    left -= i;",
    "    room -= i;",
    "    do {",
    "      const w0 = v128.load(w);",
    "      const w1 = v128.load(w, 16);",
    ...range(rows).flatMap((r) => [
      `      const x${r} = v128.load32_splat(p${r});`,
      `      c${r}0 = i32x4.add(c${r}0, i32x4.dot_i16x8_s(x${r}, w0));`,
      `      c${r}1 = i32x4.add(c${r}1, i32x4.dot_i16x8_s(x${r}, w1));`,
    ]),
    ...range(rows).map((r) => `      p${r} += 4;`),
    "      w += 32;",
    "    } while (--i);",
    "    if (room == 0) {",
    "      if (!isLong) {",
    ...sums.map((to) => `        begin(${to}, panel);`),
    "      }",
    "      isLong = true;",
    ...spill.map((line) => `      ${line}`),
    ...range(rows).map((r) => `      c${r}0 = c${r}1 = i32x4.splat(0);`),
    "      room = MOST_PAIRS;",
    "    }",
    "  } while (left);",
    "  segments += 4;",
    "} while (segments < end);",
    "if (!isLong) {",
    ...finish(rows, "ldc", "columns").map((line) => `  ${line}`),
    "  return;",
    "}",
    ...spill,
    ...sums.map((from, r) => `requantizeRow(${at("c", r, "ldc")}, ${from}, panel + 64, columns, post);`),
  ]);
}

/** Eight channels of neighbouring columns, which share their weights: `step` bytes apart, their outputs `next`. */
function depthwise(columns: number): string[] {
  const image = params(["x", "stepY", "stepX", "step"]);
  return source(
    false,
    `export function columns${columns}(${image}, kh: i32, kw: i32, ${params(["panel", "c", "next", "count", "post"])}): void`,
    [
      ...accumulators(columns),
      `let w = panel + ${HEADER_BYTES};`,
      "for (let ky = kh; ky > 0; ky--) {",
      "  let p = x;",
      "  for (let kx = kw; kx > 0; kx--) {",
      "    const t = v128.load(w);",
      ...range(columns).flatMap((r) => [
        `    const u${r} = v128.load(${at("p", r, "step")});`,
        `    c${r}0 = i32x4.add(c${r}0, i32x4.extmul_low_i16x8_s(u${r}, t));`,
        `    c${r}1 = i32x4.add(c${r}1, i32x4.extmul_high_i16x8_s(u${r}, t));`,
      ]),
      "    p += stepX;",
      "    w += 16;",
      "  }",
      "  x += stepY;",
      "}",
      ...finish(columns, "next", "count"),
    ],
  );
}

export function int16Layers(): string[] {
  return [
    `import { MOST_PAIRS, begin, finishChannels, requantizeRow, spill } from "../int16/common";`,
    "",
    ...HEIGHTS.flatMap(convolution),
    ...HEIGHTS.flatMap(depthwise),
  ];
}
