/** Catalogue rows of the WGSL kernels that skip zeros. */
import { DOTS } from "./wgsl-access.ts";
import { wgslRow as row } from "./wgsl-row.ts";
import type { WgslKernel } from "./wgsl-row.ts";

const WAYS = [
  { family: "gemm", access: "rows", ops: ["Dense", "Conv2D", "MatMul"], reads: "gathers from rows of a matrix" },
  { family: "conv", access: "conv", ops: ["Conv2D"], reads: "gathers from an image" },
] as const;

const TILES = [
  { rows: 4, about: "4 × 8 outputs a thread" },
  { rows: 1, about: "1 × 8 outputs a thread, for few rows" },
] as const;

const LISTS = "Weights zero in blocks of 1 × 8: eight output channels share one list of input positions";
const BLOCKS =
  "Weights zero in blocks of 4 × 8, so also of 8 × 8 and 16 × 16: eight output channels share one list of units of four inputs";

function blocks(): WgslKernel[] {
  return WAYS.flatMap(({ family, access, ops, reads }) =>
    TILES.flatMap(({ rows, about }) => [
      ...(["f32", "i8"] as const).map((type) =>
        row(
          `${type}_${family}_block1x8_${rows}x8__wgsl`,
          ops,
          `${type}_gemm_lists_rx8`,
          {
            ROWS: `${rows}`,
            ENTRY: `${type}_single`,
            ACCESS: `${type}_gather_${access}`,
            ...(type === "i8" ? { DOT4: "dot4_unpack" } : {}),
          },
          `${LISTS}; ${about}; ${reads}.`,
        ),
      ),
      ...DOTS.map(({ dot, call, requires, how }) =>
        row(
          `i8_${family}_block1x8_${dot}_${rows}x8__wgsl`,
          ops,
          "i8_gemm_lists_rx8",
          { ROWS: `${rows}`, ENTRY: "i8_four", ACCESS: `i8_gather_${access}`, DOT4: call },
          `${LISTS}, four positions a word, ${how}; ${about}; ${reads}.`,
          requires,
        ),
      ),
      row(
        `f32_${family}_block4x8_${rows}x8__wgsl`,
        ops,
        "f32_gemm_lists_rx8",
        { ROWS: `${rows}`, ENTRY: "f32_unit", ACCESS: `f32_unit_${access}` },
        `${BLOCKS}; ${about}; ${reads}.`,
      ),
      ...DOTS.map(({ dot, call, requires, how }) =>
        row(
          `i8_${family}_block4x8_${dot}_${rows}x8__wgsl`,
          ops,
          "i8_gemm_lists_rx8",
          { ROWS: `${rows}`, ENTRY: "i8_unit", ACCESS: `i8_unit_${access}`, DOT4: call },
          `${BLOCKS}, ${how}; ${about}; ${reads}.`,
          requires,
        ),
      ),
    ]),
  );
}

/** Four threads share what they load of a list. */
function sharedLists(): WgslKernel[] {
  return WAYS.map(({ family, access, ops, reads }) =>
    row(
      `f32_${family}_block1x8_share_16x8__wgsl`,
      ops,
      "f32_gemm_lists_share_16x8",
      { ACCESS: `f32_gather_${access}` },
      `${LISTS}; 16 × 8 outputs by four threads that shuffle what they load of a list; ${reads}.`,
      ["subgroups"],
    ),
  );
}

/** Lists of as many channels as a tile in workgroup memory has. */
function tiledLists(): WgslKernel[] {
  return WAYS.flatMap(({ family, access, ops, reads }) =>
    [
      { outputs: 16, x: 4, y: 16 },
      { outputs: 32, x: 8, y: 8 },
    ].map(({ outputs, x, y }) =>
      row(
        `f32_${family}_block1x${outputs}_tiled_${4 * y}x${outputs}__wgsl`,
        ops,
        "f32_gemm_lists_tiled_rxc",
        { X: `${x}`, Y: `${y}`, LOADS_A: `${y / 2}`, ACCESS: `f32_gather_${access}` },
        `Weights zero in blocks of 1 × ${outputs}, a list each; both operands in workgroup memory, ${x} × ${y} threads of 4 × 4; ${reads}.`,
      ),
    ),
  );
}

function unstructured(): WgslKernel[] {
  return WAYS.flatMap(({ family, access, ops, reads }) =>
    (["8x1", "1x1"] as const).map((tile) =>
      row(
        `f32_${family}_csr_${tile}__wgsl`,
        ops,
        `f32_gemm_csr_${tile}`,
        { ACCESS: `f32_gather_${access}` },
        `Zeros anywhere: every output channel has a list of its own; ${tile === "8x1" ? "8 × 1 outputs a thread" : "one output a thread, for few rows"}; ${reads}.`,
      ),
    ),
  );
}

export const SPARSE_GEMMS: readonly WgslKernel[] = [...blocks(), ...sharedLists(), ...tiledLists(), ...unstructured()];
