/** Candidates of a float layer for zeros anywhere: every output has a list of its own. */
import type { Candidate } from "../candidates.ts";
import { pixelTiled } from "./pixels.ts";
import type { FloatProblem } from "./problem.ts";
import { vectorLists } from "./vector.ts";

export const UNSTRUCTURED_F32: readonly Candidate<FloatProblem>[] = [
  pixelTiled("f32_spmm_csr_24x1__wasm_simd", { outputs: 1, step: 1, stride: 3 }, 24, { each: 1.28, input: 3.2, list: 4.3 }, [
    { rows: 24, work: 24 },
    { rows: 16, work: 17.5 },
    { rows: 8, work: 11.6 },
    { rows: 4, work: 9 },
  ]),
  vectorLists("f32_spmv_csr_1x1__wasm_simd", { outputs: 1, step: 4, stride: 1 }, { each: 5, list: 32 }),
];
