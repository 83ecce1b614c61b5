/**
 * Writes the integer kernels that execute weights from 4-bit indices into up to 16 int8 values of each output. The values of an output fill one
 * vector, so a swizzle looks 16 weights up at once, in input order.
 *
 * Many rows: each panel of 8 outputs is decoded once into a scratch panel that stays in L1, then the dense tile runs on it. Panel streams, after
 * [bias 8 i32][scales 8 f32][values 8 × 16 i8]: [groups of 16 inputs][8 outputs][8 bytes], low nibbles the first 8 inputs, high nibbles the others;
 * each run of inputs is filled up to whole pairs or fours, whose surplus weights the decoder clears.
 *
 * One row: the looked-up weights go straight into dot products along the inputs, 4 outputs side by side. Row streams, after the same: two
 * halves of 4 outputs, each [K / 32][4 outputs][16 bytes], low nibbles the first 16 inputs, high nibbles the others; surplus inputs are zero.
 * 34 Gop/s at 1024 × 1024 on Node 20.20 and 30 on Node 24.21 (Zen 4, 2026-11-30), where float values of 4-bit indices reach 18 to 20: the values are
 * bytes, of which one swizzle finds 16.
 */
import { I8_IMPORTS } from "./epilogue.ts";
import { range, source } from "./text.ts";

/** What differs between int16 pairs on plain SIMD and the 8-bit dot product of relaxed SIMD. */
interface Form {
  readonly feature: "simd" | "relaxed";
  /** 16-bit or 32-bit lanes go together: the pairs, or fours, of one output. */
  readonly lane: 2 | 4;
  readonly swizzle: string;
  readonly rows: string;
  readonly windows: string;
}

const PAIRS: Form = { feature: "simd", lane: 2, swizzle: "i8x16.swizzle", rows: "gemmPairs", windows: "i8_conv_pairs_4x8__wasm_simd" };
const DOT: Form = {
  feature: "relaxed",
  lane: 4,
  swizzle: "i8x16.relaxed_swizzle",
  rows: "i8_gemm_dot_4x8__wasm_relaxed",
  windows: "i8_conv_dot_4x8__wasm_relaxed",
};

const HEADER_BYTES = 64 + 128;

/** Bytes of two vectors interleaved in lanes of `lane` bytes; low or high half. */
function unpack(a: string, b: string, lane: number, half: number): string {
  const bytes = range(16 / lane / 2).flatMap((i) =>
    [0, 16].flatMap((vector) => range(lane).map((byte) => vector + half * 8 + i * lane + byte)),
  );
  return `i8x16.shuffle(${a}, ${b}, ${bytes.join(", ")})`;
}

/** 16 inputs × 8 outputs: x0 … x7, 16 bytes of one output each. */
function lookUp({ swizzle }: Form): string[] {
  return range(4).flatMap((q) => [
    `const v${q} = v128.load(w, ${q * 16});`,
    `const l${q} = v128.and(v${q}, mask), h${q} = v128.and(i16x8.shr_u(v${q}, 4), mask);`,
    ...range(2).map((i) => `const x${2 * q + i} = ${swizzle}(v128.load(values, ${(2 * q + i) * 16}), ${unpack(`l${q}`, `h${q}`, 8, i)});`),
  ]);
}

/** Lanes of one input pair or four, outputs side by side: two levels of interleaving; pairs are widened as they are stored. */
function transpose({ lane }: Form): string[] {
  const first = range(4).flatMap((q) => range(2).map((h) => `const a${q}${h} = ${unpack(`x${2 * q}`, `x${2 * q + 1}`, lane, h)};`));
  /** Outputs 4g … 4g + 3 of lanes; `h` the half of the first level, `i` that of the second. */
  const four = (g: number, h: number, i: number): string => unpack(`a${2 * g}${h}`, `a${2 * g + 1}${h}`, 2 * lane, i);
  const second = range(2).flatMap((h) =>
    range(2).flatMap((i) =>
      range(2).flatMap((g) => {
        const step = 2 * h + i;
        if (lane === 4) return [`v128.store(to, ${four(g, h, i)}, ${step * 32 + g * 16});`];
        const name = `b${g}${step}`;
        return [
          `const ${name} = ${four(g, h, i)};`,
          `v128.store(to, i16x8.extend_low_i8x16_s(${name}), ${2 * step * 32 + g * 16});`,
          `v128.store(to, i16x8.extend_high_i8x16_s(${name}), ${(2 * step + 1) * 32 + g * 16});`,
        ];
      }),
    ),
  );
  return [...first, ...second];
}

function decoder(form: Form): string[] {
  return source(false, "function decode(w: usize, to: usize, steps: usize, segmentCount: usize, keep: i32): void", [
    ...range(4).map((i) => `v128.store(to, v128.load(w, ${i * 16}), ${i * 16});`),
    "const values = w + 64;",
    `w += ${HEADER_BYTES};`,
    "to += 64;",
    "const panel = to;",
    "const mask = i8x16.splat(15);",
    "const end = to + steps * segmentCount * 32;",
    "do {",
    ...[...lookUp(form), ...transpose(form)].map((line) => `  ${line}`),
    "  w += 64;",
    `  to += ${(16 / form.lane) * 32};`,
    "} while (to < end);",
    "if (keep == -1) return;",
    "const kept = i32x4.splat(keep);",
    "for (let last = panel + steps * 32 - 32; last < end; last += steps * 32) {",
    "  v128.store(last, v128.and(v128.load(last), kept));",
    "  v128.store(last, v128.and(v128.load(last, 16), kept), 16);",
    "}",
  ]);
}

/** Statements for one block of `rows` rows: every panel decoded, then multiplied by `dense`. */
function panels(length: string, segments: string, dense: string): string[] {
  return [
    "let code = w;",
    "for (let j: usize = 0; j < n; j += 8) {",
    `  decode(code, panel, ${length}, ${segments}, keep);`,
    `  ${dense}`,
    "  code += bytes;",
    "}",
  ];
}

function streamBytes(form: Form, length: string): string {
  return `const bytes: usize = ${HEADER_BYTES} + ((${length} * ${form.lane} + 15) >> 4) * 64;`;
}

/** Rows at a stride: as the int16 pairs, widened a block at a time, or unsigned bytes as they are. `k`: inputs, or fours of them. */
function rowsKernel(form: Form): string[] {
  const widens = form.feature === "simd";
  const end = widens ? "wide: usize, zeroPoint: i32, isSigned: i32, post: usize" : "post: usize";
  const length = widens ? "pairs" : "k";
  const from = widens ? "wide, k * 2" : "a, lda";
  return source(
    false,
    `export function i8_gemm_codebook4_4x8__wasm_${form.feature}(a: usize, lda: usize, k: usize, w: usize, panel: usize, keep: i32, c: usize, ldc: usize, m: usize, n: usize, mb: usize, ${end}): void`,
    [
      ...(widens ? ["const zero = i16x8.splat(<i16>zeroPoint);", "const pairs = (k + 1) >> 1;"] : []),
      streamBytes(form, length),
      "for (let m0: usize = 0; m0 < m; m0 += mb) {",
      "  const rows = min(m - m0, mb);",
      ...(widens
        ? [
            "  if (lda == k) widen(a, wide, rows * k, zero, isSigned);",
            "  else for (let i: usize = 0; i < rows; i++) widen(a + i * lda, wide + i * k * 2, k, zero, isSigned);",
          ]
        : []),
      ...panels(length, "1", `${form.rows}(${from}, ${length}, panel, c + j, ldc, rows, min(n - j, 8), rows, post);`).map(
        (line) => `  ${line}`,
      ),
      "  a += rows * lda;",
      "  c += rows * ldc;",
      "}",
    ],
  );
}

/** Windows into a widened or unsigned image; `k`: pairs or fours of a segment. */
function windowsKernel(form: Form): string[] {
  return source(
    false,
    `export function i8_conv_codebook4_4x8__wasm_${form.feature}(a: usize, windows: usize, segments: usize, segmentCount: usize, k: usize, w: usize, panel: usize, keep: i32, c: usize, ldc: usize, m: usize, n: usize, mb: usize, post: usize): void`,
    [
      streamBytes(form, "segmentCount * k"),
      "for (let m0: usize = 0; m0 < m; m0 += mb) {",
      "  const rows = min(m - m0, mb);",
      ...panels(
        "k",
        "segmentCount",
        `${form.windows}(a, windows + m0 * 4, segments, segmentCount, k, panel, c + m0 * ldc + j, ldc, rows, min(n - j, 8), rows, post);`,
      ).map((line) => `  ${line}`),
      "}",
    ],
  );
}

/** Sums of 4 outputs over `steps` times 32 inputs. */
function dots({ feature, swizzle }: Form): string[] {
  const products =
    feature === "simd"
      ? (o: number): string[] => [
          `s${o} = i32x4.add(s${o}, i32x4.dot_i16x8_s(x0, i16x8.extend_low_i8x16_s(l${o})));`,
          `s${o} = i32x4.add(s${o}, i32x4.dot_i16x8_s(x1, i16x8.extend_high_i8x16_s(l${o})));`,
          `s${o} = i32x4.add(s${o}, i32x4.dot_i16x8_s(x2, i16x8.extend_low_i8x16_s(h${o})));`,
          `s${o} = i32x4.add(s${o}, i32x4.dot_i16x8_s(x3, i16x8.extend_high_i8x16_s(h${o})));`,
        ]
      : (o: number): string[] => [
          `s${o} = i32x4.relaxed_dot_i8x16_i7x16_add_s(l${o}, x0, s${o});`,
          `s${o} = i32x4.relaxed_dot_i8x16_i7x16_add_s(h${o}, x1, s${o});`,
        ];
  const inputs = feature === "simd" ? 4 : 2;
  return source(false, "function dots4(x: usize, steps: usize, values: usize, w: usize): v128", [
    "const mask = i8x16.splat(15);",
    ...range(4).map((o) => `const t${o} = v128.load(values, ${o * 16});`),
    ...range(4).map((o) => `let s${o} = i32x4.splat(0);`),
    "do {",
    ...range(inputs).map((i) => `  const x${i} = v128.load(x, ${i * 16});`),
    ...range(4).flatMap((o) =>
      [
        `const v${o} = v128.load(w, ${o * 16});`,
        `const l${o} = ${swizzle}(t${o}, v128.and(v${o}, mask));`,
        `const h${o} = ${swizzle}(t${o}, v128.and(i16x8.shr_u(v${o}, 4), mask));`,
        ...products(o),
      ].map((line) => `  ${line}`),
    ),
    `  x += ${inputs * 16};`,
    "  w += 64;",
    "} while (--steps);",
    ...range(2).map(
      (i) => `const p${i} = i32x4.add(${unpack(`s${2 * i}`, `s${2 * i + 1}`, 4, 0)}, ${unpack(`s${2 * i}`, `s${2 * i + 1}`, 4, 1)});`,
    ),
    `return i32x4.add(${unpack("p0", "p1", 8, 0)}, ${unpack("p0", "p1", 8, 1)});`,
  ]);
}

/** @remarks `copy`: scratch for the inputs as the dot products want them, filled up with zeros to whole steps */
function rowKernel(form: Form): string[] {
  const widens = form.feature === "simd";
  return source(
    false,
    `export function i8_gemv_codebook4_1x8__wasm_${form.feature}(a: usize, k: usize, w: usize, c: usize, n: usize, copy: usize, ${widens ? "zeroPoint: i32, isSigned: i32" : "flip: i32"}, post: usize): void`,
    [
      "const steps = (k + 31) >> 5;",
      ...(widens
        ? [
            "widen(a, copy, k, i16x8.splat(<i16>zeroPoint), isSigned);",
            "for (let i: usize = 0; i < 64; i += 16) v128.store(copy + k * 2 + i, i32x4.splat(0));",
          ]
        : [
            "const bits = i8x16.splat(<i8>flip);",
            "for (let i: usize = 0; i < k; i += 16) v128.store(copy + i, v128.xor(v128.load(a + i), bits));",
            "for (let i: usize = 0; i < 32; i += 16) v128.store(copy + k + i, i32x4.splat(0));",
          ]),
      "const half = steps * 64;",
      "for (let j: usize = 0; j < n; j += 8) {",
      `  const codes = w + ${HEADER_BYTES};`,
      "  const c0 = i32x4.add(v128.load(w), dots4(copy, steps, w + 64, codes));",
      "  const c1 = i32x4.add(v128.load(w, 16), dots4(copy, steps, w + 128, codes + half));",
      "  const y0 = scale4(c0, v128.load(w, 32), post), y1 = scale4(c1, v128.load(w, 48), post);",
      "  storeBytes(c + j, i64x2.extract_lane(pack16(y0, y1, y0, y1, post), 0), n - j);",
      "  w = codes + 2 * half;",
      "}",
    ],
  );
}

function kernels(form: Form): string[] {
  return [...decoder(form), ...rowsKernel(form), ...windowsKernel(form), ...dots(form), ...rowKernel(form)];
}

export function codedI8(): string[] {
  return [
    I8_IMPORTS,
    'import { gemmPairs, i8_conv_pairs_4x8__wasm_simd } from "./dense-i8";',
    'import { widen } from "../layout";',
    "",
    ...kernels(PAIRS),
  ];
}

export function relaxedCodedI8(): string[] {
  return [I8_IMPORTS, 'import { i8_conv_dot_4x8__wasm_relaxed, i8_gemm_dot_4x8__wasm_relaxed } from "./relaxed-i8";', "", ...kernels(DOT)];
}
