/** Candidate of an integer layer for zeros anywhere: every output has a list of its own. */
import type { Candidate } from "../candidates.ts";
import { pixelTiledBytes } from "./pixels.ts";
import type { IntegerProblem } from "./problem.ts";

/** 4 outputs × 32 pixels. */
const SUM_BYTES = 128;

export const UNSTRUCTURED_I8: readonly Candidate<IntegerProblem>[] = [
  pixelTiledBytes(
    "i8_spmm_csr_24x1__wasm_simd",
    { outputs: 1, step: 2, stride: 3 },
    { pixels: 24, sumBytes: SUM_BYTES },
    { each: 1.46, input: 1.5, list: 12 },
    [
      { rows: 24, work: 24 },
      { rows: 16, work: 17 },
      { rows: 8, work: 12 },
    ],
  ),
];
