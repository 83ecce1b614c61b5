/** Candidates of an integer layer for zeros anywhere: every output has a list of its own. */
import type { Candidate } from "../candidates.ts";
import type { Tile } from "../sparse.ts";
import { deltaLists, pixelTiledBytes, rowLists } from "./pixels.ts";
import type { IntegerProblem } from "./problem.ts";

/** 4 outputs × 32 pixels of sums behind the pixels. */
const BLOCK = { pixels: 24, sumBytes: 128 } as const;
const ROW_BYTES = 48;
/** Tiles of the kernels: smaller ones wait for row numbers longer than for distances. */
const TILES: Readonly<Record<"numbers" | "distances", readonly Tile[]>> = {
  numbers: [
    { rows: 24, work: 24 },
    { rows: 16, work: 17 },
    { rows: 8, work: 12 },
  ],
  distances: [
    { rows: 24, work: 24 },
    { rows: 16, work: 16.6 },
    { rows: 8, work: 10.6 },
  ],
};

/** What distances gain over row numbers is beside UNSTRUCTURED_F32. */
export const UNSTRUCTURED_I8: readonly Candidate<IntegerProblem>[] = [
  pixelTiledBytes("i8_spmm_delta_24x1__wasm_simd", deltaLists(ROW_BYTES), BLOCK, { each: 1.42, input: 1.5, list: 12 }, TILES.distances),
  pixelTiledBytes(
    "i8_spmm_csr_24x1__wasm_simd",
    rowLists({ outputs: 1, step: 2, stride: 3 }),
    BLOCK,
    { each: 1.46, input: 1.5, list: 12 },
    TILES.numbers,
  ),
];
