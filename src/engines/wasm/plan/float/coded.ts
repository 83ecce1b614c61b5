/**
 * Candidates of a float layer whose weights have a compact code: they keep only the code, and decode a panel of 8 outputs at a time into
 * scratch for the dense 4×8 tile, or in registers where there is one row.
 */
import { invariant } from "../../../../errors.ts";
import { isByRows } from "../../../../graph/code.ts";
import type { FloatCode } from "../../../../graph/ir.ts";
import { bytePlanes, hasSpecial, kindOf, nibbleValues, packPanels, packRow, pairTable, panelBytes, rowBytes } from "../../pack-coded.ts";
import type { CodedKind, CodedMatrix } from "../../pack-coded.ts";
import { PANEL } from "../../pack.ts";
import type { KernelCall, NodePlan, PlanContext } from "../../program.ts";
import { activationCode, floatPost } from "../../records.ts";
import type { Estimate } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import { RATE, splitProduct } from "../split.ts";
import type { OutputTiles, Range } from "../split.ts";
import { rowBlock } from "../windows.ts";
import { accessOf } from "./dense.ts";
import type { Access } from "./dense.ts";
import { paddedInput } from "./problem.ts";
import type { FloatProblem } from "./problem.ts";

type CodedProblem = FloatProblem & { readonly code: FloatCode };

const ALIGNMENT = 64;
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

function codeText(code: FloatCode): string {
  switch (code.kind) {
    case "codebook":
      return `${code.table.length} shared values, ${code.table.length <= 16 ? 4 : 8}-bit indices`;
    case "int4":
      return `int4 weights in blocks of ${code.block}`;
    case "int8":
      return "int8 weights with a scale per output";
    case "float16":
      return "float16 weights";
  }
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
      return access === "vector" ? planRow(kernel, context, problem) : planPanels(kernel, access, context, problem);
    },
  };
}

function isCoded(problem: FloatProblem): problem is CodedProblem {
  return problem.code !== undefined && isByRows(problem.code);
}

interface Group {
  readonly matrix: CodedMatrix;
  readonly bias: Float32Array;
}

function groupsOf({ code, groups, n, k, bias }: CodedProblem): readonly Group[] {
  const all = bias ?? new Float32Array(groups * n);
  return Array.from({ length: groups }, (_, g) => ({ matrix: { code, first: g * n, n, k }, bias: all.subarray(g * n, (g + 1) * n) }));
}

function outputTiles({ windows, n, k }: CodedProblem, columns: number): OutputTiles {
  const { m } = windows;
  // Whoever computes a column decodes it, so columns are what to divide.
  return { m, n, tile: [4, columns], outputBytes: 4, input: 0, weights: Infinity, cost: (m * n * k) / RATE.f32 };
}

function planPanels(kernel: string, access: "rows" | "windows", context: PlanContext, problem: CodedProblem): NodePlan {
  const { code, windows, groups, n, k } = problem;
  const { m, run, stride = 0 } = windows;
  const ldc = groups * n * 4;
  const padded = paddedInput(context, problem);
  const packed = groupsOf(problem).map(({ matrix, bias }) => ({
    at: context.weights(packPanels(matrix, bias)),
    bytes: panelBytes(matrix),
  }));
  const extra = panelExtra(context, code);
  const [table, segments] = access === "windows" ? [context.table(windows.rows), context.table(windows.segments)] : [0, 0];
  const finish = [blockRows(m, k), activationCode(problem.activation), context.table(floatPost(problem.activation))];
  const tiles = outputTiles(problem, PANEL);
  const paddedBytes = align(padded?.bytes ?? 0);
  const decodedBytes = align((1 + k + PANEL_SLACK) * PANEL * 4);
  return {
    kernel,
    scratchBytes: paddedBytes + decodedBytes * context.maxPieces,
    calls: (scratch) => {
      const base = padded === undefined ? problem.input : scratch;
      const call = (g: number): KernelCall => {
        const args = (rows: Range, columns: Range, piece: number): readonly number[] => {
          const from = base + g * run * 4;
          const input =
            access === "rows"
              ? [from + rows.from * stride, stride, k]
              : [from, table + rows.from * 4, segments, windows.segments.length, run];
          const w = packed[g]!.at + (columns.from / PANEL) * packed[g]!.bytes;
          const to = problem.output + rows.from * ldc + (g * n + columns.from) * 4;
          const size = [rows.to - rows.from, columns.to - columns.from];
          return [...input, w, ...extra, scratch + paddedBytes + piece * decodedBytes, to, ldc, ...size, ...finish];
        };
        return { kernel, args: args({ from: 0, to: m }, { from: 0, to: n }, 0), split: splitProduct(tiles, args) };
      };
      return [...(padded === undefined ? [] : [padded.call(scratch)]), ...packed.map((_, g) => call(g))];
    },
  };
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

function planRow(kernel: string, context: PlanContext, problem: CodedProblem): NodePlan {
  const { code, windows, n, k } = problem;
  const padded = paddedInput(context, problem);
  const packed = groupsOf(problem).map(({ matrix, bias }) => context.weights(packRow(matrix, bias)));
  const extra = rowExtra(context, code);
  const finish = [activationCode(problem.activation), context.table(floatPost(problem.activation))];
  const tiles = outputTiles(problem, ROW_COLUMNS);
  return {
    kernel,
    scratchBytes: padded?.bytes ?? 0,
    calls: (scratch) => {
      const call = (w: number, g: number): KernelCall => {
        const from = (padded === undefined ? problem.input : scratch) + g * windows.run * 4;
        const args = (_rows: Range, columns: Range): readonly number[] => {
          const part = w + rowBytes({ code, first: 0, n, k }, columns.from / PANEL);
          return [from, k, part, ...extra, problem.output + (g * n + columns.from) * 4, columns.to - columns.from, ...finish];
        };
        return { kernel, args: args({ from: 0, to: 1 }, { from: 0, to: n }), split: splitProduct(tiles, args) };
      };
      return [...(padded === undefined ? [] : [padded.call(scratch)]), ...packed.map(call)];
    },
  };
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

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

const KINDS: readonly CodedKind[] = ["codebook4", "codebook8", "int4", "int8", "float16"];

export const CODED_F32: readonly Candidate<FloatProblem>[] = KINDS.flatMap((kind) => [
  coded(kind, "vector"),
  coded(kind, "rows"),
  coded(kind, "windows"),
]);
