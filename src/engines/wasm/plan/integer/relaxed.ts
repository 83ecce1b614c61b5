/**
 * Dense candidates of an integer layer where the relaxed dot product is exact for unsigned × signed bytes: 2.1 times as fast as int16 pairs
 * on Node 24 (V8 13.6, x64 with AVX-VNNI, 2026-11).
 */
import { PANEL } from "../../pack.ts";
import { areSignedBytes, packDot } from "../../pack-dot.ts";
import type { Estimate } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { placePanels, planTiles } from "../layer.ts";
import type { Access } from "../layer.ts";
import { RATE } from "../split.ts";
import { unsignedInput, unsignedZeroPoint } from "../unsigned-input.ts";
import { rowBlock } from "../windows.ts";
import { biasOf, postOf } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

const WHY = "dense weights, 8-bit dot product";
const MATRIX: Estimate = { cost: 0.47, why: WHY };
/** One row: the panels of four at once hide each other's latency (163 against 60 Gop/s at 1024 × 1024). */
const VECTOR: Readonly<Record<"wide" | "narrow", Estimate>> = { wide: { cost: 0.33, why: WHY }, narrow: { cost: 0.48, why: WHY } };
/** Columns from which the kernel of one row computes panels side by side. */
const MIN_WIDE = 16;

/** Rows and columns of a tile. */
const TILE: Readonly<Record<Access, readonly [number, number]>> = { vector: [1, 32], rows: [4, PANEL], windows: [4, PANEL] };

function estimate(access: Access, { windows, weights, n }: IntegerProblem): Estimate | undefined {
  const isMatrix = windows.stride !== undefined;
  if (isMatrix === (access === "windows") || !areSignedBytes(weights)) return undefined;
  if (access !== "vector") return MATRIX;
  return windows.m > 1 ? undefined : VECTOR[n < MIN_WIDE ? "narrow" : "wide"];
}

function dot(kernel: string, access: Access): Candidate<IntegerProblem> {
  return {
    kernel,
    requires: ["relaxed-dot"],
    sparse: false,
    estimate: (problem) => estimate(access, problem),
    plan(context, problem) {
      const { windows, n, k, weights: data, finish } = problem;
      const { m, segments } = windows;
      const bias = biasOf(problem);
      const zeroPoint = unsignedZeroPoint(problem);
      const post = postOf(context, problem);
      return planTiles(context, problem, {
        kernel,
        access,
        tile: TILE[access],
        inputBytes: 1,
        outputBytes: 1,
        lane: 4,
        copy: unsignedInput(context, problem),
        panels: placePanels(context, problem, (first, share) =>
          packDot({ data, offset: first * k, n, k }, segments.length, share(bias), share(finish.scales), zeroPoint),
        ),
        block: rowBlock(m, k),
        finish: () => [post],
        operandBytes: [1, 1],
        rate: RATE.i8 / MATRIX.cost,
      });
    },
  };
}

export const RELAXED_I8: readonly Candidate<IntegerProblem>[] = [
  dot("i8_gemv_dot_1x32__wasm_relaxed", "vector"),
  dot("i8_gemm_dot_4x8__wasm_relaxed", "rows"),
  dot("i8_conv_dot_4x8__wasm_relaxed", "windows"),
];
