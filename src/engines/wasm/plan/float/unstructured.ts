/** Candidates of a float layer for zeros anywhere: every output has a list of its own. */
import type { Candidate } from "../candidates.ts";
import { deltaLists, pixelTiled, rowLists } from "./pixels.ts";
import type { FloatLists } from "./pixels.ts";
import type { FloatProblem } from "./problem.ts";
import type { SparseCost, Tile } from "../sparse.ts";
import { vectorLists } from "./vector.ts";

const ROW_BYTES = 96;
const TILES: readonly Tile[] = [
  { rows: 24, work: 24 },
  { rows: 16, work: 17.5 },
  { rows: 8, work: 11.6 },
  { rows: 4, work: 9 },
];

const tiled = (kernel: string, lists: FloatLists, cost: SparseCost): Candidate<FloatProblem> => pixelTiled(kernel, lists, 24, cost, TILES);

/**
 * Distances, one stream and two instructions less a step, take 0.98 of the time of row numbers in the median (0.87 to 1.01) on layers of 9 to
 * 3136 pixels and 64 to 512 inputs at 50 to 95 % zeros, though they take 8 bytes a weight in place of 6 (tools/bench-lists.ts, Node 20.20 and
 * 24.21, Zen 4, 2026-11-30). int8: 0.98 on Node 20, 0.95 on Node 24 (0.87 to 1.00). Fewest pixels gain most.
 */
export const UNSTRUCTURED_F32: readonly Candidate<FloatProblem>[] = [
  tiled("f32_spmm_delta_24x1__wasm_simd", deltaLists(ROW_BYTES), { each: 1.25, input: 3.2, list: 4.2 }),
  tiled("f32_spmm_csr_24x1__wasm_simd", rowLists({ outputs: 1, step: 1, stride: 3 }), { each: 1.28, input: 3.2, list: 4.3 }),
  vectorLists("f32_spmv_csr_1x1__wasm_simd", { outputs: 1, step: 4, stride: 1 }, { each: 5, list: 32 }),
];
