/**
 * Candidates of a float layer whose weights have a compact code: they keep only the code, and decode a panel of 8 outputs at a time into
 * scratch for the dense 4×8 tile, or in registers where there is one row.
 */
import { invariant } from "../../../../errors.ts";
import { codeText, isByRows } from "../../../../graph/code.ts";
import type { FloatCode } from "../../../../graph/ir.ts";
import { bytePlanes, hasSpecial, kindOf, nibbleValues, packPanels, packRow, pairTable } from "../../pack-coded.ts";
import type { CodedKind } from "../../pack-coded.ts";
import { PANEL } from "../../pack.ts";
import type { NodePlan, PlanContext } from "../../program.ts";
import type { Estimate } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { align, placePanels, planTiles } from "../layer.ts";
import type { Access } from "../layer.ts";
import { RATE } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { accessOf } from "./dense.ts";
import { biasOf, finishArgs, paddedInput } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

type CodedProblem = FloatProblem & { readonly code: FloatCode };

/** Decoders write whole groups of four inputs. */
const PANEL_SLACK = 3;
/** Rows that share a decoded panel at least, where there are as many: fewer, and decoding shows. */
const LEAST_BLOCK = 128;
const ROW_COLUMNS = 3 * PANEL;

/**
 * Time relative to the dense kernel's (Node 20.20, 2026-11-24). `decode`: of a panel, in rows of the tile. `row`: of the one-row kernel
 * while a cache holds the dense weights, and where they come from memory.
 */
const COST: Readonly<Record<CodedKind, { readonly decode: number; readonly row: readonly [near: number, far: number] }>> = {
  codebook4: { decode: 2.5, row: [2, 1.1] },
  codebook8: { decode: 5.5, row: [3.8, 2.2] },
  int4: { decode: 2.6, row: [2.1, 1.1] },
  int8: { decode: 1.9, row: [1.9, 1.05] },
  float16: { decode: 2.3, row: [2.3, 1.1] },
};
/** Dense weights beyond this run at the speed of memory. */
const CACHE_BYTES = 8 * 2 ** 20;

function estimate(kind: CodedKind, access: Access, { code, windows, n, k, groups }: CodedProblem): Estimate {
  const { m } = windows;
  const { decode, row } = COST[kind];
  const blocks = Math.ceil(m / blockRows(m, k));
  const cost = access === "vector" ? row[n * k * groups * 4 <= CACHE_BYTES ? 0 : 1] : 1 + (decode * blocks) / m;
  return { cost, why: codeText(code) };
}

function blockRows(m: number, k: number): number {
  return Math.min(Math.ceil(m / 4) * 4, Math.max(LEAST_BLOCK, rowBlock(m, k * 4)));
}

function coded(kind: CodedKind, access: Access): Candidate<FloatProblem> {
  const family = { vector: `gemv_${kind}_1x24`, rows: `gemm_${kind}_4x8`, windows: `conv_${kind}_4x8` }[access];
  const kernel = `f32_${family}__wasm_simd`;
  return {
    kernel,
    requires: [],
    addsResidual: true,
    sparse: false,
    coded: true,
    estimate(problem) {
      if (!isCoded(problem) || kindOf(problem.code) !== kind || accessOf(problem) !== access) return undefined;
      // The one-row kernel does not tell infinities and NaNs apart from numbers.
      if (access === "vector" && problem.code.kind === "float16" && hasSpecial(problem.code.bits)) return undefined;
      return estimate(kind, access, problem);
    },
    plan(context, problem) {
      invariant(isCoded(problem), `${kernel} without a code`);
      return planCoded(kernel, access, context, problem);
    },
  };
}

function isCoded(problem: FloatProblem): problem is CodedProblem {
  return problem.code !== undefined && isByRows(problem.code);
}

function planCoded(kernel: string, access: Access, context: PlanContext, problem: CodedProblem): NodePlan {
  const { code, windows, n, k } = problem;
  const isVector = access === "vector";
  const pack = isVector ? packRow : packPanels;
  const bias = biasOf(problem);
  const panels = placePanels(context, problem, (first, share) => pack({ code, first, n, k }, share(bias)));
  const extra = isVector ? rowExtra(context, code) : panelExtra(context, code);
  const finish = finishArgs(context, problem);
  return planTiles(context, problem, {
    kernel,
    access,
    tile: [4, isVector ? ROW_COLUMNS : PANEL],
    inputBytes: 4,
    outputBytes: 4,
    copy: paddedInput(context, problem),
    ownBytes: isVector ? 0 : align((1 + k + PANEL_SLACK) * PANEL * 4),
    panels,
    decode: (own) => (isVector ? extra : [...extra, own]),
    block: blockRows(windows.m, k),
    finish: () => finish,
    // Whoever computes a column decodes it, so columns are what to divide.
    operandBytes: [0, Infinity],
    rate: RATE.f32,
  });
}

/** What a panel decoder needs beyond the code: an address, the length of blocks, or whether to expect infinities and NaNs. */
function panelExtra(context: PlanContext, code: FloatCode): readonly number[] {
  switch (code.kind) {
    case "codebook":
      return [context.weights(kindOf(code) === "codebook4" ? bytePlanes(nibbleValues(code)) : code.table)];
    case "int4":
      return [code.block];
    case "int8":
      return [];
    case "float16":
      return [hasSpecial(code.bits) ? 1 : 0];
  }
}

function rowExtra(context: PlanContext, code: FloatCode): readonly number[] {
  switch (code.kind) {
    case "codebook":
      return [context.weights(kindOf(code) === "codebook4" ? pairTable(nibbleValues(code)) : code.table)];
    case "int4":
      // The same for all layers.
      return [context.table(pairTable(nibbleValues(code))), code.block];
    case "int8":
    case "float16":
      return [];
  }
}

const KINDS: readonly CodedKind[] = ["codebook4", "codebook8", "int4", "int8", "float16"];

export const CODED_F32: readonly Candidate<FloatProblem>[] = KINDS.flatMap((kind) => [
  coded(kind, "vector"),
  coded(kind, "rows"),
  coded(kind, "windows"),
]);
