/**
 * Writes the kernels that execute weights from their compact code: 16 or 256 shared values (4- or 8-bit indices), int4 blocks, int8, float16.
 * Many rows: each panel of 8 outputs is decoded once into a scratch panel that stays in L1, then the dense 4×8 tile runs on it, so results
 * equal the dense kernel's on the decoded weights to the bit. One row: decoded in registers, in the dense kernel's order.
 *
 * Panel streams, after [bias 8 f32]: codebook4 [K / 4][16 bytes], low nibbles the inputs 0 and 1 of the four, high nibbles 2 and 3;
 * codebook8 [K][8 bytes]; float16 [K][8 u16]; int4 blocks of [scales 8 f32][length / 4][16 bytes] as codebook4; int8 [scales 8 f32][K][8 bytes].
 * Row streams, P = up to 3 panels side by side, after [bias P × 8 f32]: codebook4 [K][P × 4 bytes], a byte two neighbouring outputs;
 * codebook8 [K][P × 8 bytes]; float16 [K][P × 8 u16]; int4 blocks of [scales P × 8 f32][length][P × 4 bytes]; int8 [scales P × 8 f32][K][P × 8 bytes].
 *
 * Decoding 64 rows' worth costs 4 % (16 values), 9 to 11 % (256), 4 % (float16) of the tile's time on Node 20.20, 2026-11-24. Tried for
 * one row of 16 values: swizzles on byte planes as in the panels 13 GFLOP/s, a table of pairs 20, the same by shifts from a register 20. The
 * dense kernel reaches 41 from a cache and 18 from memory. What limits the pairs is the front end: 56 instructions for 48 flops, none to spare,
 * and nearly as much the load ports, at 25 loads. Interleaved in one process with the pairs (then 17.5; 18.6 on Node 24.21): 4 vectors instead of 6
 * the same; a table of the 256 sums of two inputs' products, one load and one addition for two weights, 15.6 (18.4); swizzles for 16 outputs beside
 * pairs for 4, 8, 12 more, 5 to 6 (10 to 12), with relaxed swizzles no better.
 */
import { F32_IMPORTS, f32Stores } from "./epilogue.ts";
import { range, source } from "./text.ts";

/** Interleaves: bytes of two vectors, then 16-bit pairs; low or high half. */
const UNPACK = {
  bytes: ["0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23", "8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31"],
  words: ["0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23", "8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31"],
} as const;

/** Two inputs × 8 outputs from 16 indices below 16: one swizzle per byte of the values, two levels of interleaving. */
function codebookPair(index: string, to: number): string[] {
  return [
    ...range(4).map((b) => `const ${index}b${b} = i8x16.swizzle(t${b}, ${index});`),
    ...range(2).flatMap((h) => [
      `const ${index}l${h} = i8x16.shuffle(${index}b0, ${index}b1, ${UNPACK.bytes[h]!});`,
      `const ${index}h${h} = i8x16.shuffle(${index}b2, ${index}b3, ${UNPACK.bytes[h]!});`,
      ...range(2).map((q) => `v128.store(to, i8x16.shuffle(${index}l${h}, ${index}h${h}, ${UNPACK.words[q]!}), ${to + h * 32 + q * 16});`),
    ]),
  ];
}

/** The same for -8..7, whose float32 values need only their upper two bytes, times the scales s0, s1 of the 8 outputs. */
function int4Pair(index: string, to: number): string[] {
  return [
    ...[2, 3].map((b) => `const ${index}b${b} = i8x16.swizzle(t${b}, ${index});`),
    ...range(2).flatMap((h) => [
      `const ${index}h${h} = i8x16.shuffle(${index}b2, ${index}b3, ${UNPACK.bytes[h]!});`,
      ...range(2).map(
        (q) => `v128.store(to, f32x4.mul(i8x16.shuffle(zero, ${index}h${h}, ${UNPACK.words[q]!}), s${q}), ${to + h * 32 + q * 16});`,
      ),
    ]),
  ];
}

/** Four inputs from 16 bytes. May write up to three inputs more than asked for. */
function nibbleLoop(pair: (index: string, to: number) => string[]): string[] {
  return [
    "const mask = i8x16.splat(15);",
    "for (const end = to + k * 32; to < end; to += 128) {",
    "  const v = v128.load(w);",
    "  const i = v128.and(v, mask);",
    "  const j = v128.and(i16x8.shr_u(v, 4), mask);",
    ...[...pair("i", 0), ...pair("j", 64)].map((line) => `  ${line}`),
    "  w += 16;",
    "}",
  ];
}

/** Bytes of the floats -8..7 in the order of the codes' two's complement 0..7, -8..-1; byte 2 and byte 3. */
function int4Plane(byte: number): string {
  const bits = (x: number): number => new DataView(Float32Array.of(x).buffer).getUint32(0, true);
  return `i8x16(${range(16)
    .map((i) => (((bits(i < 8 ? i : i - 16) >>> (8 * byte)) & 255) << 24) >> 24)
    .join(", ")})`;
}

/** f32 = (half's sign, exponent and mantissa moved into place) × 2^112 is exact for zeros, subnormals and normals. */
const HALF_CONSTANTS = ["const bits = i32x4.splat(0x8fffe000);", "const rebias = f32x4.splat(5192296858534827628530496329220096.0);"];
/** Infinities and NaNs come out as finite 2^16 and more: they get their exponent back. */
const HALF_SPECIAL = ["const limit = f32x4.splat(65536.0);", "const exponent = i32x4.splat(0x7f800000);"];

function half(at: string): string {
  return `f32x4.mul(v128.and(i32x4.shl(v128.load16x4_s(${at}), 13), bits), rebias)`;
}

/** Four floats from the low or high half of eight int16. */
function fromWords(words: string, half: number): string {
  return `f32x4.convert_i32x4_s(i32x4.extend_${half === 0 ? "low" : "high"}_i16x8_s(${words}))`;
}

function gather4(byte: (i: number) => string): string {
  const at = (i: number): string => `table + ((${byte(i)} as usize) << 2)`;
  return `v128.load32_lane(${at(3)}, v128.load32_lane(${at(2)}, v128.load32_lane(${at(1)}, v128.load32_zero(${at(0)}), 1), 2), 3)`;
}

function decoders(): string[] {
  const store = (values: (q: number) => string, bytes: number): string[] => [
    "for (const end = to + k * 32; to < end; to += 32) {",
    ...range(2).map((q) => `  v128.store(to, ${values(q)}${q === 0 ? "" : `, ${q * 16}`});`),
    `  w += ${bytes};`,
    "}",
  ];
  return [
    ...source(false, "function decodeCodebook4(w: usize, table: usize, to: usize, k: usize): void", [
      ...range(4).map((b) => `const t${b} = v128.load(table, ${b * 16});`),
      ...nibbleLoop(codebookPair),
    ]),
    ...source(
      false,
      "function decodeCodebook8(w: usize, table: usize, to: usize, k: usize): void",
      store((q) => gather4((i) => `load<u8>(w, ${q * 4 + i})`), 8),
    ),
    ...source(false, "function decodeInt4Block(w: usize, to: usize, k: usize): void", [
      `const t2 = ${int4Plane(2)};`,
      `const t3 = ${int4Plane(3)};`,
      "const zero = i32x4.splat(0);",
      "const s0 = v128.load(w);",
      "const s1 = v128.load(w, 16);",
      "w += 32;",
      ...nibbleLoop(int4Pair),
    ]),
    ...source(false, "function decodeInt4(w: usize, block: usize, to: usize, k: usize): void", [
      "for (; k > block; k -= block) {",
      "  decodeInt4Block(w, to, block);",
      "  w += 32 + ((block + 3) >> 2) * 16;",
      "  to += block * 32;",
      "}",
      "decodeInt4Block(w, to, k);",
    ]),
    ...source(false, "function decodeInt8(w: usize, to: usize, k: usize): void", [
      "const s0 = v128.load(w);",
      "const s1 = v128.load(w, 16);",
      "w += 32;",
      "for (const end = to + k * 32; to < end; to += 32) {",
      "  const v = v128.load8x8_s(w);",
      ...range(2).map((q) => `  v128.store(to, f32x4.mul(${fromWords("v", q)}, s${q})${q === 0 ? "" : ", 16"});`),
      "  w += 8;",
      "}",
    ]),
    ...source(false, "function decodeFloat16(w: usize, special: usize, to: usize, k: usize): void", [
      ...HALF_CONSTANTS,
      "if (special == 0) {",
      ...store((q) => half(`w, ${q * 8}`), 16).map((line) => `  ${line}`),
      "  return;",
      "}",
      ...HALF_SPECIAL,
      "for (const end = to + k * 32; to < end; to += 16) {",
      `  const x = ${half("w")};`,
      "  v128.store(to, v128.or(x, v128.and(f32x4.ge(f32x4.abs(x), limit), exponent)));",
      "  w += 8;",
      "}",
    ]),
  ];
}

interface Kind {
  readonly name: string;
  /** Second parameter of its panel decoder, which is `decode` and the name. */
  readonly extra?: string;
  /** Bytes of a panel's code for `length` inputs. */
  readonly panelBytes: string;
  /** What the one-row kernel needs beyond the code. */
  readonly rowExtra: readonly string[];
  /** Code bytes of an input and 8 outputs in the one-row kernel. */
  readonly rowStep: number;
  /** There: what the values of panel p come from. */
  readonly rowLoad?: (p: number) => string;
  /** There: values of outputs 4q … 4q + 3 of panel p at the current input. */
  readonly rowValue: (p: number, q: number) => string;
}

/** Two floats for each byte: its low and its high index. */
function fromPairs(p: number, q: number): string {
  const at = (i: number): string => `pairs + ((load<u8>(w, ${p * 4 + q * 2 + i}) as usize) << 3)`;
  return `v128.load64_lane(${at(1)}, v128.load64_zero(${at(0)}), 1)`;
}

const KINDS: readonly Kind[] = [
  {
    name: "codebook4",
    extra: "table",
    panelBytes: "((length + 3) >> 2) * 16",
    rowExtra: ["pairs"],
    rowStep: 4,
    rowValue: fromPairs,
  },
  {
    name: "codebook8",
    extra: "table",
    panelBytes: "length * 8",
    rowExtra: ["table"],
    rowStep: 8,
    rowValue: (p, q) => gather4((i) => `load<u8>(w, ${p * 8 + q * 4 + i})`),
  },
  {
    name: "int4",
    extra: "block",
    panelBytes: "length / block * (32 + ((block + 3) >> 2) * 16) + (length % block == 0 ? 0 : 32 + ((length % block + 3) >> 2) * 16)",
    rowExtra: ["pairs", "block"],
    rowStep: 4,
    rowValue: fromPairs,
  },
  {
    name: "int8",
    panelBytes: "32 + length * 8",
    rowExtra: [],
    rowStep: 8,
    rowLoad: (p) => `const v${p} = v128.load8x8_s(w, ${p * 8});`,
    rowValue: (p, q) => fromWords(`v${p}`, q),
  },
  {
    name: "float16",
    extra: "special",
    panelBytes: "length * 16",
    rowExtra: [],
    rowStep: 16,
    rowValue: (p, q) => half(`w, ${p * 16 + q * 8}`),
  },
];

/** Per block of rows and panel of 8 outputs: decode into `panel`, then the dense driver on that one panel. */
function panelDriver({ name, extra, panelBytes }: Kind, access: "rows" | "windows"): string[] {
  const isMatrix = access === "rows";
  const input = isMatrix ? "lda: usize" : "windows: usize, segments: usize, segmentCount: usize";
  const dense = isMatrix
    ? "f32_gemm_packed_4x8__wasm_simd(a + m0 * lda, lda"
    : "f32_conv_indirect_4x8__wasm_simd(a, windows + m0 * 4, segments, segmentCount";
  return source(
    false,
    `export function f32_${isMatrix ? "gemm" : "conv"}_${name}_4x8__wasm_simd(a: usize, ${input}, k: usize, w: usize, ${parameters(extra === undefined ? [] : [extra])}panel: usize, c: usize, ldc: usize, m: usize, n: usize, mb: usize, act: usize, post: usize): void`,
    [
      `const length = ${isMatrix ? "k" : "k * segmentCount"};`,
      `const bytes: usize = 32 + ${panelBytes};`,
      "for (let m0: usize = 0; m0 < m; m0 += mb) {",
      "  const rows = min(m - m0, mb);",
      "  let code = w;",
      "  for (let j: usize = 0; j < n; j += 8) {",
      "    v128.store(panel, v128.load(code));",
      "    v128.store(panel, v128.load(code, 16), 16);",
      `    decode${capital(name)}(code + 32, ${extra === undefined ? "" : `${extra}, `}panel + 32, length);`,
      `    ${dense}, k, panel, c + m0 * ldc + j * 4, ldc, rows, min(n - j, 8), rows, act, post);`,
      "    code += bytes;",
      "  }",
      "}",
    ],
  );
}

/** int4, int8: each block, or all, into sums of their own, which their scales multiply into the whole. */
function rowTile({ name, rowExtra, rowStep, rowLoad, rowValue }: Kind, panels: number): string[] {
  const sums = range(panels).flatMap((p) => range(2).map((q) => ({ p, q, at: p * 32 + q * 16 })));
  const step = (sum: string): string[] => [
    "do {",
    "  const x = v128.load32_splat(a);",
    ...(rowLoad === undefined ? [] : range(panels).map((p) => `  ${rowLoad(p)}`)),
    ...sums.map(({ p, q }) => `  ${sum}${p}${q} = f32x4.add(${sum}${p}${q}, f32x4.mul(x, ${rowValue(p, q)}));`),
    `  w += ${panels * rowStep};`,
    "  a += 4;",
  ];
  const block = (stop: string): string[] => [
    "const scales = w;",
    `const stop = ${stop};`,
    `w += ${panels * 32};`,
    ...sums.map(({ p, q }) => `let d${p}${q} = f32x4.splat(0);`),
    ...step("d"),
    "} while (a < stop);",
    ...sums.map(({ p, q, at }) => `c${p}${q} = f32x4.add(c${p}${q}, f32x4.mul(d${p}${q}, v128.load(scales, ${at})));`),
  ];
  const loops: Readonly<Record<string, () => string[]>> = {
    int4: () => ["do {", ...block("min(a + block * 4, end)").map((line) => `  ${line}`), "} while (a < end);"],
    int8: () => block("end"),
  };
  return source(
    false,
    `function ${name}Row${panels}(a: usize, k: usize, w: usize, ${parameters(rowExtra)}c: usize, columns: usize, act: usize, post: usize): void`,
    [
      ...sums.map(({ p, q, at }) => `let c${p}${q} = v128.load(w, ${at});`),
      `w += ${panels * 32};`,
      "const end = a + k * 4;",
      ...(name === "float16" ? HALF_CONSTANTS : []),
      ...(loops[name]?.() ?? [...step("c"), "} while (a < end);"]),
      ...f32Stores([{ accumulators: sums.map(({ p, q }) => `c${p}${q}`), address: "c" }], "columns", true),
    ],
  );
}

function rowDriver({ name, rowExtra, rowStep }: Kind): string[] {
  const scales: Readonly<Record<string, string>> = { int4: "(k + block - 1) / block * 32 + ", int8: "32 + " };
  const bytes = `${scales[name] ?? ""}k * ${rowStep}`;
  const call = (panels: number): string =>
    `${name}Row${panels}(a, k, w, ${rowExtra.map((extra) => `${extra}, `).join("")}c, n, act, post);`;
  return source(
    false,
    `export function f32_gemv_${name}_1x24__wasm_simd(a: usize, k: usize, w: usize, ${parameters(rowExtra)}c: usize, n: usize, act: usize, post: usize): void`,
    [
      `const bytes: usize = 3 * (32 + ${bytes});`,
      "while (n > 16) {",
      `  ${call(3)}`,
      "  if (n <= 24) return;",
      "  n -= 24;",
      "  w += bytes;",
      "  c += 96;",
      "}",
      `if (n > 8) ${call(2)}`,
      `else ${call(1)}`,
    ],
  );
}

function parameters(names: readonly string[]): string {
  return names.map((name) => `${name}: usize, `).join("");
}

function capital(name: string): string {
  return name[0]!.toUpperCase() + name.slice(1);
}

export function codedF32(): string[] {
  return [
    F32_IMPORTS,
    'import { f32_conv_indirect_4x8__wasm_simd, f32_gemm_packed_4x8__wasm_simd } from "./dense-f32";',
    "",
    ...decoders(),
    ...KINDS.flatMap((kind) => [
      ...panelDriver(kind, "rows"),
      ...panelDriver(kind, "windows"),
      ...[3, 2, 1].flatMap((panels) => rowTile(kind, panels)),
      ...rowDriver(kind),
    ]),
  ];
}
