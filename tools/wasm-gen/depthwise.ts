/**
 * Writes the depthwise tiles: `columns` neighbouring outputs of one row at once, so that each input vector is loaded once and used by
 * every output whose window covers it. They read the image as it is: where a window reaches over its border, an "edge" function reads a
 * vector of padding instead, and only it pays for telling in from out. `geometry` is the record of src/engines/wasm/records.ts.
 * Channels beyond whole vectors are computed in a vector that ends with the last of them: those that it shares with the one before are
 * computed twice, with the same result, and its panel of weights holds them. Only images with less channels than a vector need partial stores.
 * Partial stores in every form, and at width 5 and stride 1 forms for a border of one column, which no usual padding makes, took 118 kB of code
 * instead of 65 and longer: 12 and 20 channels now take 0.97, 10 and 22 in float32 0.94 of their time (Node 20.20, 2026-11-24).
 *
 * f32: 4 channels wide; rows outside the image are left out of the loop. Weights: a panel per 4 channels, [bias 4][KH × KW × 4].
 * i8: 8 channels wide. Kernel rows are taken in pairs, their inputs interleaved for the dot product of int16 pairs; of an odd last row,
 * neighbouring taps are the pairs. Zero points are in the bias, so padding reads as the zero point: of rows, from `zeros`. Weights: a panel
 * per 8 channels, [bias 8 i32][scales 8 f32][floor(KH / 2) × KW × 8 × 2 i16], then of an odd last row [ceil(KW / 2) × 8 × 2 i16].
 */
import { F32_IMPORTS, I8_IMPORTS, f32Stores, i8Stores } from "./epilogue.ts";
import { range, source } from "./text.ts";

export interface DepthwiseTile {
  readonly kw: number;
  readonly stride: number;
  readonly columns: number;
}

/** Columns at once: the most that V8 keeps in registers, measured on Node 20. */
export const F32_DEPTHWISE_TILES: readonly DepthwiseTile[] = [
  { kw: 3, stride: 1, columns: 4 },
  { kw: 3, stride: 2, columns: 3 },
  { kw: 5, stride: 1, columns: 2 },
  { kw: 5, stride: 2, columns: 2 },
];

export const I8_DEPTHWISE_TILES: readonly DepthwiseTile[] = [
  { kw: 3, stride: 1, columns: 4 },
  { kw: 3, stride: 2, columns: 4 },
  { kw: 5, stride: 1, columns: 4 },
  { kw: 5, stride: 2, columns: 4 },
];

export function uses({ kw, stride, columns }: DepthwiseTile, xi: number): { column: number; kx: number }[] {
  return range(columns)
    .map((column) => ({ column, kx: xi - column * stride }))
    .filter(({ kx }) => kx >= 0 && kx < kw);
}

/**
 * A function of a tile. Apart from each other because a call in the loop, even one never reached, makes V8 spill every accumulator, and
 * because to tell inside from outside at every input takes half as long again (a 6 × 6 image, Node 20, 2026-11-24).
 */
interface Form {
  readonly columns: number;
  /** Columns of its inputs that lie left and right of the image; `any`: as many as its arguments say. */
  readonly clip: readonly [left: number, right: number] | "any";
  /** Whether there are less channels than a vector has. */
  readonly isTail: boolean;
}

type Clip = Form["clip"];
const INSIDE: Clip = [0, 0];

/**
 * Half a window beyond one border is what images with padding have, or less at a stride of 2; what else there is goes column by column.
 */
function clipsOf({ kw, stride, columns }: DepthwiseTile, count: number): readonly Clip[] {
  if (count < columns && kw > 3) return [INSIDE, "any"];
  const most = kw >> 1;
  const half = range(most).flatMap((i): Clip[] =>
    stride === 1 && i + 1 < most
      ? []
      : [
          [i + 1, 0],
          [0, i + 1],
        ],
  );
  return [INSIDE, ...half, ...(count === 1 ? (["any"] as const) : [])];
}

/** The forms for less channels than a vector has: one output at a time; of narrow kernels a whole tile where it lies inside the image. */
function tailsOf({ kw, columns }: DepthwiseTile): readonly [alone: Form, inside?: Form] {
  const alone: Form = { columns: 1, clip: "any", isTail: true };
  return kw > 3 ? [alone] : [alone, { columns, clip: INSIDE, isTail: true }];
}

function formsOf(tile: DepthwiseTile): readonly Form[] {
  const whole = [tile.columns, 1].flatMap((columns) => clipsOf(tile, columns).map((clip) => ({ columns, clip, isTail: false })));
  return [...whole, ...tailsOf(tile).filter((form) => form !== undefined)];
}

function formName(type: "f32" | "i8", { kw, stride }: DepthwiseTile, { columns, clip, isTail }: Form): string {
  const edge = clip === "any" ? "Edge" : `${clip[0] === 0 ? "" : `Left${clip[0]}`}${clip[1] === 0 ? "" : `Right${clip[1]}`}`;
  return `${type}Depthwise${kw}s${stride}x${columns}${edge}${isTail ? "Tail" : ""}`;
}

/** Columns of the image from xi 0 on that lie inside it: [first, first + inside). */
const EDGE_PARAMETERS = "first: i32, inside: u32, ";

function isClipped({ clip }: Form, xi: number, span: number): boolean {
  return clip !== "any" && (xi < clip[0] || xi >= span - clip[1]);
}

/** @param padding address of a vector of it */
function inputAt({ clip }: Form, xi: number, address: string, padding: string): string {
  return clip === "any" ? `select<usize>(${address}, ${padding}, <u32>(${xi} - first) < inside)` : address;
}

function f32Tile(tile: DepthwiseTile, form: Form): string[] {
  const { kw, stride } = tile;
  const { columns, clip, isTail } = form;
  const sized = { ...tile, columns };
  const span = (columns - 1) * stride + kw;
  const inputs = range(span).filter((xi) => !isClipped(form, xi, span));
  const group = [
    "let c0 = v128.load(w);",
    ...range(columns - 1).map((i) => `let c${i + 1} = c0;`),
    "let wk = w + 16 + skipBytes;",
    "let row = x;",
    "for (let y = kh; y > 0; y--) {",
    ...range(kw).map((kx) => `  const w${kx} = v128.load(wk, ${kx * 16});`),
    "  let p = row;",
    ...inputs.flatMap((xi) => [
      ...(uses(sized, xi).length === 0 ? [] : [`  const x${xi} = v128.load(${inputAt(form, xi, "p", "zero")});`]),
      ...uses(sized, xi).map(({ column, kx }) => `  c${column} = f32x4.add(c${column}, f32x4.mul(x${xi}, w${kx}));`),
      ...(xi === inputs[inputs.length - 1] ? [] : ["  p += pixelBytes;"]),
    ]),
    `  wk += ${kw * 16};`,
    "  row += rowBytes;",
    "}",
    ...f32Stores(
      range(columns).map((i) => ({ accumulators: [`c${i}`], address: i === 0 ? "c" : `c + ${i} * pixelBytes` })),
      isTail ? "count" : undefined,
    ),
  ];
  return source(
    false,
    `function ${formName("f32", tile, form)}(x: usize, rowBytes: usize, pixelBytes: usize, ${clip === "any" ? `${EDGE_PARAMETERS}zero: usize, ` : ""}count: usize, w: usize, skipBytes: usize, panelBytes: usize, kh: i32, c: usize, act: usize, post: usize): void`,
    isTail
      ? group
      : ["for (; count > 0; count--) {", ...group.map((line) => `  ${line}`), "  w += panelBytes;", "  x += 16;", "  c += 16;", "}"],
  );
}

function f32Driver(tile: DepthwiseTile): string[] {
  const { kw, stride, columns } = tile;
  const call: FormCall = (form, isRest) => {
    const { clip, isTail } = form;
    const name = formName("f32", tile, form);
    const shift = `${clip === "any" ? " + min(left, 0) * pixelBytes" : ""}${isRest ? " + restBytes" : ""}`;
    const to = isRest ? "to + restBytes" : "to";
    const [channels, panel] = isTail ? ["count", "w"] : isRest ? ["1", "w + groups * panelBytes"] : ["groups", "w"];
    return `${name}(p${shift}, rowBytes, pixelBytes, ${clip === "any" ? "-left, width, zero, " : ""}${channels}, ${panel}, skipBytes, panelBytes, rows, ${to}, act, post);`;
  };
  return source(
    false,
    `export function f32_depthwise_w${kw}s${stride}_1x${columns}__wasm_simd(x: usize, w: usize, c: usize, geometry: usize, act: usize, post: usize): void`,
    [
      "const height = load<i32>(geometry, 4), width = load<i32>(geometry, 8), channels = load<i32>(geometry, 12);",
      "const outH = load<i32>(geometry, 16), outW = load<i32>(geometry, 20), kh = load<i32>(geometry, 24);",
      "const strideY = load<i32>(geometry, 32), padTop = load<i32>(geometry, 48), padLeft = load<i32>(geometry, 52);",
      "const count = load<i32>(geometry, 68), zero = geometry + 80;",
      "const pixelBytes: usize = channels * 4, rowBytes: usize = width * pixelBytes;",
      `const panelBytes: usize = 16 + kh * ${kw * 16};`,
      "const groups: usize = count >> 2, rest: usize = count & 3, restBytes: usize = (count - 4) * 4;",
      `for (let image = load<i32>(geometry); image > 0; image--) {`,
      "  for (let oy = 0; oy < outH; oy++) {",
      "    const top = oy * strideY - padTop;",
      "    const ky = max(0, -top), rows = max(0, min(kh, height - top) - ky);",
      `    const row = x + (top + ky) * rowBytes, skipBytes: usize = ky * ${kw * 16};`,
      ...columnLoop(tile, call).map((line) => `    ${line}`),
      "    c += outW * pixelBytes;",
      "  }",
      "  x += height * rowBytes;",
      "}",
    ],
  );
}

/** @param isRest the vector that ends with the last channel, behind the whole ones */
type FormCall = (form: Form, isRest: boolean) => string;

/** A row of outputs in tiles of `columns`. Up to half a tile is cheaper column by column than in a tile that computes others again. */
function columnLoop(tile: DepthwiseTile, call: FormCall): string[] {
  const { columns } = tile;
  const single = dispatch(tile, 1, call, []);
  const oneByOne = [`for (const end = ox + ${columns}; ox < end; ox++) {`, ...single.map((line) => `  ${line}`), "}", "continue;"];
  const overlaps = columns > 3;
  const [alone, inside] = tailsOf(tile);
  const one = [call(alone, false), "ox++;"];
  return [
    "let ox = 0;",
    "while (groups == 0 && ox < outW) {",
    `  const left = ox * ${tile.stride} - padLeft;`,
    "  const p = row + max(left, 0) * pixelBytes, to = c + ox * pixelBytes;",
    ...(inside === undefined
      ? one.map((line) => `  ${line}`)
      : [
          `  if (left >= 0 && left + ${(columns - 1) * tile.stride + tile.kw} <= width && ox + ${columns} <= outW) {`,
          `    ${call(inside, false)}`,
          `    ox += ${columns};`,
          "  } else {",
          ...one.map((line) => `    ${line}`),
          "  }",
        ]),
    "}",
    "while (ox < outW) {",
    overlaps ? `  if (outW - ox > ${columns >> 1} && outW >= ${columns}) {` : `  if (ox + ${columns} <= outW) {`,
    ...(overlaps ? [`    ox = min(ox, outW - ${columns});`] : []),
    ...dispatch(tile, columns, call, oneByOne).map((line) => `    ${line}`),
    `    ox += ${columns};`,
    "  } else {",
    ...single.map((line) => `    ${line}`),
    "    ox++;",
    "  }",
    "}",
  ];
}

/** The form for `count` outputs from column ox on; `otherwise` where their clipping has none. */
function dispatch(tile: DepthwiseTile, count: number, call: FormCall, otherwise: readonly string[]): string[] {
  const span = (count - 1) * tile.stride + tile.kw;
  const clips = clipsOf(tile, count);
  const both = (clip: Clip): string[] => {
    const form = { columns: count, clip, isTail: false };
    return [`  ${call(form, false)}`, `  if (rest > 0) ${call(form, true)}`];
  };
  const condition = (clip: Clip): string => {
    if (clip === "any") return "";
    const [left, right] = clip;
    return `if (left ${left === 0 ? ">= 0" : `== -${left}`} && over ${right === 0 ? "<= 0" : `== ${right}`}) `;
  };
  return [
    `const left = ox * ${tile.stride} - padLeft, over = left + ${span} - width;`,
    "const p = row + max(left, 0) * pixelBytes, to = c + ox * pixelBytes;",
    ...clips.flatMap((clip, i) => [`${i === 0 ? "" : "} else "}${condition(clip)}{`, ...both(clip)]),
    ...(clips.includes("any") ? [] : ["} else {", ...otherwise.map((line) => `  ${line}`)]),
    "}",
  ];
}

const LOW = "0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23";
const HIGH = "8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31";

function interleaved(name: string | number, u: string, v: string): string {
  return `  const l${name} = i8x16.shuffle(${u}, ${v}, ${LOW}), h${name} = i8x16.shuffle(${u}, ${v}, ${HIGH});`;
}

function addPairs(column: number, [low, high]: readonly [string, string], weights: number): string[] {
  return [
    `  a${column} = i32x4.add(a${column}, i32x4.dot_i16x8_s(${low}, v128.load(wk, ${weights})));`,
    `  b${column} = i32x4.add(b${column}, i32x4.dot_i16x8_s(${high}, v128.load(wk, ${weights + 16})));`,
  ];
}

/** Two kernel rows: tap kx of both is a pair. Padding is the same in all rows, and a pair of its own. */
function rowPair(tile: DepthwiseTile, form: Form): string[] {
  const span = (form.columns - 1) * tile.stride + tile.kw;
  return range(span).flatMap((xi) => {
    const users = uses(tile, xi);
    if (isClipped(form, xi, span)) return users.flatMap(({ column, kx }) => addPairs(column, ["zero", "zero"], kx * 32));
    return [
      ...(users.length === 0
        ? []
        : [
            `  const u${xi} = v128.load8x8_s(${inputAt(form, xi, "p", "zeros")}), v${xi} = v128.load8x8_s(${inputAt(form, xi, "q", "zeros")});`,
            interleaved(xi, `u${xi}`, `v${xi}`),
          ]),
      ...users.flatMap(({ column, kx }) => addPairs(column, [`l${xi}`, `h${xi}`], kx * 32)),
      ...(xi + 1 < span ? ["  p += pixelBytes;", "  q += pixelBytes;"] : []),
    ];
  });
}

/** An odd last kernel row: taps kx and kx + 1 are a pair, whose second weight is 0 behind the last. */
function lastRow({ kw, stride }: DepthwiseTile, form: Form): string[] {
  const { columns } = form;
  const span = (columns - 1) * stride + kw;
  const pairs = range(columns).flatMap((column) => range((kw + 1) >> 1).map((pair) => ({ column, pair, xi: column * stride + pair * 2 })));
  const input = (xi: number): string => (isClipped(form, xi, span) ? "zero" : `z${xi}`);
  return range(span).flatMap((xi) => {
    // As soon as the second input of a pair is there; behind the last, the first stands in for it.
    const ready = xi + 1 < span ? [xi - 1] : [xi - 1, xi];
    return [
      ...(isClipped(form, xi, span)
        ? []
        : [`  const z${xi} = v128.load8x8_s(${inputAt(form, xi, "p", "zeros")});`, ...(xi + 1 < span ? ["  p += pixelBytes;"] : [])]),
      ...ready.flatMap((at) => {
        const users = pairs.filter((pair) => pair.xi === at);
        if (users.length === 0) return [];
        const [first, second] = [input(at), input(Math.min(at + 1, span - 1))];
        const isPadding = first === "zero" && second === "zero";
        return [
          ...(isPadding ? [] : [interleaved(`z${at}`, first, second)]),
          ...users.flatMap(({ column, pair }) => addPairs(column, isPadding ? [first, second] : [`lz${at}`, `hz${at}`], pair * 32)),
        ];
      }),
    ];
  });
}

function i8Tile(tile: DepthwiseTile, form: Form): string[] {
  const { kw } = tile;
  const { columns, clip, isTail } = form;
  const sized = { ...tile, columns };
  const hasPadding = clip !== "any" && clip !== INSIDE;
  const group = [
    "let a0 = v128.load(w);",
    "let b0 = v128.load(w, 16);",
    ...range(columns - 1).flatMap((i) => [`let a${i + 1} = a0;`, `let b${i + 1} = b0;`]),
    "let wk = w + 64;",
    "let row = x;",
    "let y = top;",
    "const end = top + kh;",
    "for (; y + 1 < end; y += 2) {",
    "  let p = select<usize>(row, zeros, <u32>y < height), q = select<usize>(row + rowBytes, zeros, <u32>(y + 1) < height);",
    ...rowPair(sized, form),
    `  wk += ${kw * 32};`,
    "  row += rowBytes + rowBytes;",
    "}",
    "if (y < end) {",
    "  let p = select<usize>(row, zeros, <u32>y < height);",
    ...lastRow(tile, form),
    "}",
    "const s0 = v128.load(w, 32), s1 = v128.load(w, 48);",
    ...i8Stores(
      range(columns).map((i) => ({ accumulators: [`a${i}`, `b${i}`], address: i === 0 ? "c" : `c + ${i} * pixelBytes` })),
      isTail ? "count" : undefined,
    ),
  ];
  return source(
    false,
    `function ${formName("i8", tile, form)}(x: usize, rowBytes: usize, pixelBytes: usize, ${clip === "any" ? EDGE_PARAMETERS : ""}zeros: usize, top: i32, height: u32, count: usize, w: usize, panelBytes: usize, kh: i32, c: usize, post: usize): void`,
    [
      ...(hasPadding ? ["const zero = v128.load8x8_s(zeros);"] : []),
      ...(isTail
        ? group
        : ["for (; count > 0; count--) {", ...group.map((line) => `  ${line}`), "  w += panelBytes;", "  x += 8;", "  c += 8;", "}"]),
    ],
  );
}

function i8Driver(tile: DepthwiseTile): string[] {
  const { kw, stride, columns } = tile;
  const call: FormCall = (form, isRest) => {
    const { clip, isTail } = form;
    const name = formName("i8", tile, form);
    const shift = `${clip === "any" ? " + min(left, 0) * pixelBytes" : ""}${isRest ? " + restBytes" : ""}`;
    const to = isRest ? "to + restBytes" : "to";
    const [channels, panel] = isTail ? ["count", "w"] : isRest ? ["1", "w + groups * panelBytes"] : ["groups", "w"];
    return `${name}(p${shift}, rowBytes, pixelBytes, ${clip === "any" ? "-left, width, " : ""}zeros, top, height, ${channels}, ${panel}, panelBytes, kh, ${to}, post);`;
  };
  return source(
    false,
    `export function i8_depthwise_w${kw}s${stride}_1x${columns}__wasm_simd(x: usize, w: usize, c: usize, geometry: usize, zeros: usize, post: usize): void`,
    [
      "const height = load<i32>(geometry, 4), width = load<i32>(geometry, 8), pixelBytes: usize = load<i32>(geometry, 12);",
      "const outH = load<i32>(geometry, 16), outW = load<i32>(geometry, 20), kh = load<i32>(geometry, 24);",
      "const strideY = load<i32>(geometry, 32), padTop = load<i32>(geometry, 48), padLeft = load<i32>(geometry, 52);",
      "const count = load<i32>(geometry, 68), rowBytes: usize = width * pixelBytes;",
      "const groups: usize = count >> 3, rest: usize = count & 7, restBytes: usize = count - 8;",
      `const panelBytes: usize = 64 + (kh >> 1) * ${kw * 32} + (kh & 1) * ${((kw + 1) >> 1) * 32};`,
      "for (let image = load<i32>(geometry); image > 0; image--) {",
      "  for (let oy = 0; oy < outH; oy++) {",
      "    const top = oy * strideY - padTop;",
      "    const row = x + top * rowBytes;",
      ...columnLoop(tile, call).map((line) => `    ${line}`),
      "    c += outW * pixelBytes;",
      "  }",
      "  x += height * rowBytes;",
      "}",
    ],
  );
}

export function depthwiseF32(): string[] {
  return [
    F32_IMPORTS,
    "",
    ...F32_DEPTHWISE_TILES.flatMap((tile) => [...formsOf(tile).flatMap((form) => f32Tile(tile, form)), ...f32Driver(tile)]),
  ];
}

export function depthwiseI8(): string[] {
  return [
    I8_IMPORTS,
    "",
    ...I8_DEPTHWISE_TILES.flatMap((tile) => [...formsOf(tile).flatMap((form) => i8Tile(tile, form)), ...i8Driver(tile)]),
  ];
}
