/**
 * Ends of the tiles: activation or requantization, and stores. A tile that may be cut off on the right is a function of its own, since
 * its stores are calls, and a call in a function makes V8 spill the accumulators that live across it.
 */

/** One output row of a tile: its accumulators (4 columns each) and where it goes. */
export interface TileRow {
  readonly accumulators: readonly string[];
  readonly address: string;
}

/**
 * Adds what lies as far from each output as \`post\` says behind its bounds: a residual, laid out as the output. A part's loads may run past
 * its end, as any.
 */
function residuals(rows: readonly TileRow[]): string[] {
  return [
    "if (act & ACT_RESIDUAL) {",
    "  const r = c + (load<i32>(post, 32) as usize);",
    ...rows.flatMap(({ accumulators, address }) =>
      accumulators.map((c, v) => `  ${c} = f32x4.add(${c}, v128.load(${address.replace("c", "r")}, ${v * 16}));`),
    ),
    "}",
  ];
}

/**
 * @param count expression for the number of valid columns; absent: all
 * @param residual whether the kernel can add a residual
 */
export function f32Stores(rows: readonly TileRow[], count?: string, residual = false): string[] {
  const all = rows.flatMap(({ accumulators }) => accumulators);
  return [
    ...(residual ? residuals(rows) : []),
    "if (act & ACT_HARDSWISH) {",
    ...all.map((c) => `  ${c} = hardswish4(${c});`),
    "} else {",
    ...all.map((c) => `  ${c} = clamp4(${c}, post);`),
    "}",
    ...rows.flatMap(({ accumulators, address }) =>
      accumulators.flatMap((c, v) => {
        const at = v === 0 ? address : `${address} + ${v * 16}`;
        if (count === undefined) return [`v128.store(${at}, ${c});`];
        return v === 0
          ? [`storeFloats(${at}, ${c}, ${count});`]
          : [`if (${count} > ${v * 4}) storeFloats(${at}, ${c}, ${count} - ${v * 4});`];
      }),
    ),
  ];
}

/** int32 sums → floats: × (input's scale × weights' scale) + bias, rounded after each; bias [8] and scales [8] lie in front of the panel's weights. */
export function dynamicResults(rows: readonly TileRow[]): string[] {
  const vectors = [...rows[0]!.accumulators.keys()];
  return [
    "const input = v128.load32_splat(grid);",
    ...vectors.flatMap((v) => [
      `const s${v} = f32x4.mul(input, v128.load(scales, ${v * 16}));`,
      `const b${v} = v128.load(scales - 32, ${v * 16});`,
    ]),
    ...rows.flatMap(({ accumulators }) =>
      accumulators.map((c, v) => `${c} = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(${c}), s${v}), b${v});`),
    ),
  ];
}

/** 8 columns a row (or the same 4 twice), requantized with the scales s0 and s1; two rows fill one vector of bytes. */
export function i8Stores(rows: readonly TileRow[], count?: string): string[] {
  return rows.flatMap((row, i) => {
    if (i % 2 === 1) return [];
    const second = rows[i + 1] ?? row;
    const quarters = [row, second].flatMap(({ accumulators }) => [accumulators[0]!, accumulators[accumulators.length - 1]!]);
    const scaled = quarters.map((c, q) => `scale4(${c}, s${q % 2}, post)`);
    const store = (address: string, half: number): string =>
      count === undefined
        ? `v128.store64_lane(${address}, y${i}, ${half});`
        : `storeBytes(${address}, i64x2.extract_lane(y${i}, ${half}), ${count});`;
    return [
      `const y${i} = pack16(${scaled.join(", ")}, post);`,
      store(row.address, 0),
      ...(rows[i + 1] === undefined ? [] : [store(second.address, 1)]),
    ];
  });
}

export const F32_IMPORTS = 'import { ACT_HARDSWISH, ACT_RESIDUAL, clamp4, hardswish4, storeFloats } from "../common";';
export const I8_IMPORTS = 'import { pack16, scale4, storeBytes } from "../common";';
