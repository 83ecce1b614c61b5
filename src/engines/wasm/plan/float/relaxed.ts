/**
 * Dense candidates of a float layer with relaxed multiply-add. On Node 24 (V8 13.6, x64 with FMA, 2026-11) the 6×8 tile runs 1.10 times as
 * fast as the plain 4×8 one and the 4×8 madd tile as fast as it; V8 12 spills the accumulators of six rows and takes twice the time.
 */
import type { Feature } from "../../features.ts";
import type { Estimate } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { denseCandidate } from "./dense.ts";
import type { FloatProblem } from "./problem.ts";

const WHY = "dense weights, fused multiply-add";
const SIX_ROWS: Readonly<Record<"kept" | "spilled", Estimate>> = { kept: { cost: 0.91, why: WHY }, spilled: { cost: 2, why: WHY } };
const FOUR_ROWS: Estimate = { cost: 1.01, why: WHY };

function estimateSix({ windows }: FloatProblem, features: ReadonlySet<Feature>): Estimate {
  if (windows.m < 6) return FOUR_ROWS;
  return features.has("wide-tiles") ? SIX_ROWS.kept : SIX_ROWS.spilled;
}

export const RELAXED_F32: readonly Candidate<FloatProblem>[] = [
  denseCandidate("f32_gemm_packed_6x8__wasm_relaxed", "rows", 6, ["relaxed-madd"], estimateSix),
  denseCandidate("f32_conv_indirect_6x8__wasm_relaxed", "windows", 6, ["relaxed-madd"], estimateSix),
  denseCandidate("f32_gemm_packed_4x8__wasm_relaxed", "rows", 4, ["relaxed-madd"], () => FOUR_ROWS),
  denseCandidate("f32_conv_indirect_4x8__wasm_relaxed", "windows", 4, ["relaxed-madd"], () => FOUR_ROWS),
];
