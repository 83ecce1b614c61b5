/**
 * Writes the pixel-tiled sparse kernels. Neighbouring output pixels are transposed into a block [K][pixels] first, so that an index
 * reaches one input of all pixels in whole vectors, and lists may belong to 4 outputs (1×4 blocks) or to one (any zeros).
 *
 * Sizes by measurement (Node 20.20, V8 11.3, 768×256×256, no zeros, against the dense tile's 1): 4 outputs × 8 pixels 1.05, where 4×8
 * straight from NHWC rows has 0.65; one output × 24 pixels 0.80, × 16 0.73 (waits for its additions), × 32 0.39 (spills), two lists
 * side by side × 16 0.40. Offsets are 16-bit row numbers: a quarter less to stream than 32-bit ones, and nothing slower. A list with a
 * fixed number of entries, as N:M sparsity has, gains nothing from unrolling by two: 0.61 against 1.0 on Node 20 (spills), 1.03 against
 * 1.05 on Node 24.
 *
 * Streams. f32 1×4: [count u32, 3 pad][bias 4][rows count u16, padded to 16 bytes][values count × 4]. f32 csr: [count u32][bias][rows
 * count u16, padded to 4 bytes][values count]; f32 delta: [count u32][bias][count × (delta i32, value)]. i8 takes two inputs a step through the int16 dot product. i8 1×4: [pairs u32, 3 pad]
 * [bias 4 i32][scales 4 f32][rows pairs × 2 u16, padded to 16 bytes][values pairs × 4 × 2 i16]; i8 csr: [pairs u32][bias i32][scale f32]
 * [rows pairs × 2 u16][values pairs × 2 i16]; i8 delta: [pairs u32][bias i32][scale f32][pairs × (2 deltas i32, 2 values i16)]. A row
 * number counts steps of 32 bytes (f32) or 16 (i8); a delta is in bytes, from the row before, the first from the start of the block.
 */
import { range, source } from "./text.ts";

const TRANSPOSED = (c: (o: number) => string): string[] => [
  `const t0 = v128.shuffle<i32>(${c(0)}, ${c(1)}, 0, 4, 1, 5);`,
  `const t1 = v128.shuffle<i32>(${c(0)}, ${c(1)}, 2, 6, 3, 7);`,
  `const t2 = v128.shuffle<i32>(${c(2)}, ${c(3)}, 0, 4, 1, 5);`,
  `const t3 = v128.shuffle<i32>(${c(2)}, ${c(3)}, 2, 6, 3, 7);`,
];
const TRANSPOSED_ROWS = [
  "v128.shuffle<i64>(t0, t2, 0, 2)",
  "v128.shuffle<i64>(t0, t2, 1, 3)",
  "v128.shuffle<i64>(t1, t3, 0, 2)",
  "v128.shuffle<i64>(t1, t3, 1, 3)",
];

function activate(accumulators: readonly string[]): string[] {
  return [
    "if (act == ACT_HARDSWISH) {",
    ...accumulators.map((c) => `  ${c} = hardswish4(${c});`),
    "} else {",
    ...accumulators.map((c) => `  ${c} = clamp4(${c}, post);`),
    "}",
  ];
}

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

/** The whole panels of 4 outputs, or all of them where `isPart`: fewer than 4 × vectors pixels, or fewer than 4 outputs in the last. */
function f32Panels4(vectors: number, isPart: boolean): string[] {
  const all = range(4).flatMap((o) => range(vectors).map((v) => `c${o}${v}`));
  const stores = range(vectors).flatMap((v) => [
    "{",
    ...indented(TRANSPOSED((o) => `c${o}${v}`)),
    ...TRANSPOSED_ROWS.map((row, r) => {
      const pixel = v * 4 + r;
      const at = pixel === 0 ? "c" : `c + ${pixel} * ldc`;
      return isPart ? `  if (pixels > ${pixel}) storeFloats(${at}, ${row}, n);` : `  v128.store(${at}, ${row});`;
    }),
    "}",
  ]);
  return source(
    false,
    `function f32Panels4x${vectors * 4}${isPart ? "Part" : ""}(x: usize, w: usize, c: usize, ldc: usize, ${isPart ? "pixels: usize, " : ""}n: usize, act: usize, post: usize): ${isPart ? "void" : "usize"}`,
    [
      `for (; ${isPart ? "n > 0" : "n >= 4"}; n -= ${isPart ? "min(<usize>4, n)" : "4"}) {`,
      ...indented([
        "const count = load<u32>(w) as usize;",
        ...range(4).flatMap((o) =>
          range(vectors).map((v) => `let c${o}${v} = ${v === 0 ? `v128.load32_splat(w, ${16 + o * 4})` : `c${o}0`};`),
        ),
        "let rows = w + 32;",
        "w = rows + ((count * 2 + 15) & ~15);",
        "const end = w + count * 16;",
        "for (; w < end; w += 16) {",
        "  const p = x + ((load<u16>(rows) as usize) << 5);",
        ...range(vectors).map((v) => `  const x${v} = v128.load(p, ${v * 16});`),
        ...range(4).flatMap((o) => [
          `  const w${o} = v128.load32_splat(w, ${o * 4});`,
          ...range(vectors).map((v) => `  c${o}${v} = f32x4.add(c${o}${v}, f32x4.mul(x${v}, w${o}));`),
        ]),
        "  rows += 2;",
        "}",
        ...activate(all),
        ...stores,
        "c += 16;",
      ]),
      "}",
      ...(isPart ? [] : ["return w;"]),
    ],
  );
}

function f32Driver4(): string[] {
  return source(
    false,
    "export function f32_spmm_1x4_8x4__wasm_simd(a: usize, table: usize, segments: usize, segmentCount: usize, run: usize, block: usize, w: usize, c: usize, ldc: usize, m: usize, n: usize, act: usize, post: usize): void",
    [
      "for (let i: usize = 0; i < m; i += 8) {",
      "  gatherPixels4(a, table, segments, segmentCount, run, block, 32);",
      "  if (m - i > 4) gatherPixels4(a, table + 16, segments, segmentCount, run, block + 16, 32);",
      "  if (m - i >= 8) {",
      "    const last = f32Panels4x8(block, w, c, ldc, n, act, post);",
      "    if (n & 3) f32Panels4x8Part(block, last, c + (n & ~3) * 4, ldc, 8, n & 3, act, post);",
      "  } else if (m - i > 4) {",
      "    f32Panels4x8Part(block, w, c, ldc, m - i, n, act, post);",
      "  } else {",
      "    f32Panels4x4Part(block, w, c, ldc, m - i, n, act, post);",
      "  }",
      "  table += 32;",
      "  c += 8 * ldc;",
      "}",
    ],
  );
}

/** How a list of one output says which inputs it takes, and in which order its stream lies. */
interface Coding {
  /** In the names of functions. */
  readonly name: "Rows" | "Deltas";
  readonly kernel: "csr" | "delta";
  /** From `w` behind the list's head to the first entry, `end` behind the last. */
  readonly start: readonly string[];
  readonly entryBytes: number;
  /** `p`, and `q` of two inputs a step: their rows of pixels. */
  readonly row: readonly string[];
  readonly weightAt: number;
  readonly next: readonly string[];
}

const F32_ROWS: Coding = {
  name: "Rows",
  kernel: "csr",
  start: ["let rows = w;", "w = rows + ((count * 2 + 3) & ~3);", "const end = w + count * 4;"],
  entryBytes: 4,
  row: ["const p = x + ((load<u16>(rows) as usize) << 5);"],
  weightAt: 0,
  next: ["rows += 2;"],
};

const F32_DELTAS: Coding = {
  name: "Deltas",
  kernel: "delta",
  start: ["let p = x;", "const end = w + count * 8;"],
  entryBytes: 8,
  row: ["p += load<i32>(w) as usize;"],
  weightAt: 4,
  next: [],
};

/** Every output on its own over `vectors` × 4 pixels. */
function f32Outputs(vectors: number, isPart: boolean, coding: Coding): string[] {
  const all = range(vectors).map((v) => `c${v}`);
  return source(
    false,
    `function f32${coding.name}1x${vectors * 4}${isPart ? "Part" : ""}(x: usize, w: usize, c: usize, ldc: usize, ${isPart ? "pixels: usize, " : ""}n: usize, act: usize, post: usize): void`,
    [
      "for (; n > 0; n--) {",
      ...indented([
        "const count = load<u32>(w) as usize;",
        ...all.map((c, v) => `let ${c} = ${v === 0 ? "v128.load32_splat(w, 4)" : "c0"};`),
        "w += 8;",
        ...coding.start,
        `for (; w < end; w += ${coding.entryBytes}) {`,
        ...indented([
          ...coding.row,
          ...all.map((_, v) => `const x${v} = v128.load(p, ${v * 16});`),
          `const w0 = v128.load32_splat(w, ${coding.weightAt});`,
          ...all.map((c, v) => `${c} = f32x4.add(${c}, f32x4.mul(x${v}, w0));`),
          ...coding.next,
        ]),
        "}",
        ...activate(all),
        "let to = c;",
        ...range(vectors * 4).flatMap((pixel) => {
          const store = `v128.store32_lane(to, c${pixel >> 2}, ${pixel & 3});`;
          return [...(pixel === 0 ? [] : ["to += ldc;"]), isPart && pixel > 0 ? `if (pixels > ${pixel}) ${store}` : store];
        }),
        "c += 4;",
      ]),
      "}",
    ],
  );
}

/** Blocks of 24 pixels while there are as many, then of 16, 8 and 4, then a part of 4. */
function f32DriverSingle({ name, kernel }: Coding): string[] {
  const step = (vectors: number): string[] => [
    `for (; m >= ${vectors * 4}; m -= ${vectors * 4}) {`,
    ...range(vectors).map((v) => `  gatherPixels4(a, table + ${v * 16}, segments, segmentCount, run, block + ${v * 16}, 96);`),
    `  f32${name}1x${vectors * 4}(block, w, c, ldc, n, act, post);`,
    `  table += ${vectors * 16};`,
    `  c += ${vectors * 4} * ldc;`,
    "}",
  ];
  return source(
    false,
    `export function f32_spmm_${kernel}_24x1__wasm_simd(a: usize, table: usize, segments: usize, segmentCount: usize, run: usize, block: usize, w: usize, c: usize, ldc: usize, m: usize, n: usize, act: usize, post: usize): void`,
    [
      ...[6, 4, 2, 1].flatMap(step),
      "if (m > 0) {",
      "  gatherPixels4(a, table, segments, segmentCount, run, block, 96);",
      `  f32${name}1x4Part(block, w, c, ldc, m, n, act, post);`,
      "}",
    ],
  );
}

const LOW_PAIRS = "0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23";
const HIGH_PAIRS = "8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31";

const I8_ROWS: Coding = {
  name: "Rows",
  kernel: "csr",
  start: ["let rows = w;", "w = rows + count * 4;", "const end = w + count * 4;"],
  entryBytes: 4,
  row: ["const p = x + ((load<u16>(rows) as usize) << 4);", "const q = x + ((load<u16>(rows, 2) as usize) << 4);"],
  weightAt: 0,
  next: ["rows += 4;"],
};

const I8_DELTAS: Coding = {
  name: "Deltas",
  kernel: "delta",
  start: ["let q = x;", "const end = w + count * 12;"],
  entryBytes: 12,
  row: ["const p = q + (load<i32>(w) as usize);", "q = p + (load<i32>(w, 4) as usize);"],
  weightAt: 8,
  next: [],
};

/** One step: two inputs of `eights` × 8 pixels, interleaved, times the pairs of `outputs` outputs. */
function i8Step(outputs: number, eights: number, { row, weightAt, next }: Coding): string[] {
  return [
    ...row,
    ...range(eights).flatMap((v) => [
      `const u${v} = v128.load(p, ${v * 16});`,
      `const v${v} = v128.load(q, ${v * 16});`,
      `const x${2 * v} = i8x16.shuffle(u${v}, v${v}, ${LOW_PAIRS});`,
      `const x${2 * v + 1} = i8x16.shuffle(u${v}, v${v}, ${HIGH_PAIRS});`,
    ]),
    ...range(outputs).flatMap((o) => [
      `const w${o} = v128.load32_splat(w, ${weightAt + o * 4});`,
      ...range(eights * 2).map((v) => `c${o}${v} = i32x4.add(c${o}${v}, i32x4.dot_i16x8_s(x${v}, w${o}));`),
    ]),
    ...next,
  ];
}

/** Bytes of 4 outputs, 8 pixels each, in y0 (outputs 0, 1) and y1 (2, 3) → 4 bytes a pixel. */
function i8Stores4(isPart: boolean): string[] {
  const lanes = (from: number): string =>
    range(4)
      .flatMap((p) => [0, 8, 16, 24].map((o) => o + from + p))
      .join(", ");
  return [
    `const z0 = i8x16.shuffle(y0, y1, ${lanes(0)});`,
    `const z1 = i8x16.shuffle(y0, y1, ${lanes(4)});`,
    ...range(8).map((pixel) => {
      const at = pixel === 0 ? "c" : `c + ${pixel} * ldc`;
      const z = `z${pixel >> 2}`;
      if (!isPart) return `v128.store32_lane(${at}, ${z}, ${pixel & 3});`;
      return `if (pixels > ${pixel}) storeBytes(${at}, <u64>(<u32>i32x4.extract_lane(${z}, ${pixel & 3})), min(<usize>4, n));`;
    }),
  ];
}

function i8Panels4(isPart: boolean): string[] {
  return source(
    false,
    `function i8Panels4x8${isPart ? "Part" : ""}(x: usize, w: usize, c: usize, ldc: usize, ${isPart ? "pixels: usize, " : ""}n: usize, post: usize): ${isPart ? "void" : "usize"}`,
    [
      `for (; ${isPart ? "n > 0" : "n >= 4"}; n -= ${isPart ? "min(<usize>4, n)" : "4"}) {`,
      ...indented([
        "const count = load<u32>(w) as usize;",
        ...range(4).flatMap((o) => [`let c${o}0 = v128.load32_splat(w, ${16 + o * 4});`, `let c${o}1 = c${o}0;`]),
        "const scales = w + 32;",
        "let rows = w + 48;",
        "w = rows + ((count * 4 + 15) & ~15);",
        "const end = w + count * 16;",
        "for (; w < end; w += 16) {",
        ...indented(i8Step(4, 1, I8_ROWS)),
        "}",
        ...range(4).map((o) => `const s${o} = v128.load32_splat(scales, ${o * 4});`),
        ...[0, 1].map((half) => {
          const [a, b] = [2 * half, 2 * half + 1];
          return `const y${half} = pack16(scale4(c${a}0, s${a}, post), scale4(c${a}1, s${a}, post), scale4(c${b}0, s${b}, post), scale4(c${b}1, s${b}, post), post);`;
        }),
        ...i8Stores4(isPart),
        "c += 4;",
      ]),
      "}",
      ...(isPart ? [] : ["return w;"]),
    ],
  );
}

function i8Driver4(): string[] {
  return source(
    false,
    "export function i8_spmm_1x4_8x4__wasm_simd(a: usize, table: usize, segments: usize, segmentCount: usize, run: usize, block: usize, w: usize, c: usize, ldc: usize, m: usize, n: usize, isSigned: i32, post: usize): void",
    [
      "for (let i: usize = 0; i < m; i += 8) {",
      "  gatherBytes8(a, table, segments, segmentCount, run, block, 16, isSigned);",
      "  if (m - i >= 8) {",
      "    const last = i8Panels4x8(block, w, c, ldc, n, post);",
      "    if (n & 3) i8Panels4x8Part(block, last, c + (n & ~3), ldc, 8, n & 3, post);",
      "  } else {",
      "    i8Panels4x8Part(block, w, c, ldc, m - i, n, post);",
      "  }",
      "  table += 32;",
      "  c += 8 * ldc;",
      "}",
    ],
  );
}

/**
 * Every output on its own over `eights` × 8 pixels. A store a byte would cost more than the sums at high sparsity, so 4 outputs are
 * collected at `t` ([4][32] bytes) and stored together.
 */
function i8Outputs(eights: number, coding: Coding): string[] {
  const all = range(eights * 2).map((v) => `c0${v}`);
  const scaled = [...all, ...all].slice(0, eights <= 2 ? 4 : 8).map((c) => `scale4(${c}, s, post)`);
  return source(
    false,
    `function i8${coding.name}1x${eights * 8}(x: usize, w: usize, c: usize, ldc: usize, pixels: usize, n: usize, t: usize, post: usize): void`,
    [
      "for (; n > 0; n -= min(<usize>4, n)) {",
      "  const outputs = min(<usize>4, n);",
      "  for (let to = t, last = t + outputs * 32; to < last; to += 32) {",
      ...indented(
        indented([
          "const count = load<u32>(w) as usize;",
          ...all.map((c, v) => `let ${c} = ${v === 0 ? "v128.load32_splat(w, 4)" : "c00"};`),
          "const s = v128.load32_splat(w, 8);",
          "w += 12;",
          ...coding.start,
          `for (; w < end; w += ${coding.entryBytes}) {`,
          ...indented(i8Step(1, eights, coding)),
          "}",
          `v128.store(to, pack16(${scaled.slice(0, 4).join(", ")}, post));`,
          ...(eights <= 2 ? [] : [`v128.store(to, pack16(${scaled.slice(4).join(", ")}, post), 16);`]),
        ]),
      ),
      "  }",
      "  storeOutputs4(t, c, ldc, pixels, outputs);",
      "  c += 4;",
      "}",
    ],
  );
}

function i8StoreOutputs(): string[] {
  return source(false, "function storeOutputs4(t: usize, c: usize, ldc: usize, pixels: usize, n: usize): void", [
    "for (; pixels >= 8 && n == 4; pixels -= 8) {",
    "  const y0 = v128.load64_lane(t + 32, v128.load64_zero(t), 1);",
    "  const y1 = v128.load64_lane(t + 96, v128.load64_zero(t + 64), 1);",
    ...indented(i8Stores4(false)),
    "  t += 8;",
    "  c += 8 * ldc;",
    "}",
    "for (; pixels > 0; pixels--) {",
    "  for (let o: usize = 0; o < n; o++) store<u8>(c + o, load<u8>(t + o * 32));",
    "  t++;",
    "  c += ldc;",
    "}",
  ]);
}

/** Blocks of 24 pixels while there are as many, then 16 and 8, the last of which may be part. `block` ends in 128 bytes for sums. */
function i8DriverSingle({ name, kernel }: Coding): string[] {
  const step = (eights: number): string[] => [
    `${eights === 1 ? "while (m > 0)" : `for (; m >= ${eights * 8}; m -= ${eights * 8})`} {`,
    ...range(eights).map((v) => `  gatherBytes8(a, table + ${v * 32}, segments, segmentCount, run, block + ${v * 16}, 48, isSigned);`),
    `  i8${name}1x${eights * 8}(block, w, c, ldc, ${eights === 1 ? "min(<usize>8, m)" : String(eights * 8)}, n, t, post);`,
    `  table += ${eights * 32};`,
    `  c += ${eights * 8} * ldc;`,
    ...(eights === 1 ? ["  m -= min(<usize>8, m);"] : []),
    "}",
  ];
  return source(
    false,
    `export function i8_spmm_${kernel}_24x1__wasm_simd(a: usize, table: usize, segments: usize, segmentCount: usize, run: usize, t: usize, block: usize, w: usize, c: usize, ldc: usize, m: usize, n: usize, isSigned: i32, post: usize): void`,
    [3, 2, 1].flatMap(step),
  );
}

export function sparsePixelsF32(): string[] {
  return [
    'import { ACT_HARDSWISH, clamp4, hardswish4, storeFloats } from "../common";',
    'import { gatherPixels4 } from "../pixels";',
    "",
    ...f32Panels4(2, false),
    ...f32Panels4(2, true),
    ...f32Panels4(1, true),
    ...f32Driver4(),
    ...[F32_ROWS, F32_DELTAS].flatMap((coding) => [
      ...[6, 4, 2, 1].flatMap((vectors) => f32Outputs(vectors, false, coding)),
      ...f32Outputs(1, true, coding),
      ...f32DriverSingle(coding),
    ]),
  ];
}

export function sparsePixelsI8(): string[] {
  return [
    'import { pack16, scale4, storeBytes } from "../common";',
    'import { gatherBytes8 } from "../pixels";',
    "",
    ...i8Panels4(false),
    ...i8Panels4(true),
    ...i8Driver4(),
    ...i8StoreOutputs(),
    ...[I8_ROWS, I8_DELTAS].flatMap((coding) => [...[3, 2, 1].flatMap((eights) => i8Outputs(eights, coding)), ...i8DriverSingle(coding)]),
  ];
}
