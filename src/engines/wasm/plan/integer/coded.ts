/**
 * Candidates of an integer layer whose outputs share up to 16 values each: they keep 4-bit indices, and decode a panel of 8 outputs at a time into
 * scratch for the dense tile, or look weights up in registers where there is one row.
 */
import { invariant } from "../../../../errors.ts";
import type { Int8CodebookCode } from "../../../../graph/ir.ts";
import type { Estimate } from "../../../candidates.ts";
import { codebookPanelBytes, codebookRowBytes, keptBits, packCodebookPanels, packCodebookRow } from "../../pack-coded-i8.ts";
import type { CodebookMatrix } from "../../pack-coded-i8.ts";
import { PANEL } from "../../pack.ts";
import type { KernelCall, NodePlan, PlanContext } from "../../program.ts";
import type { Candidate } from "../candidates.ts";
import { RATE, splitProduct } from "../split.ts";
import type { OutputTiles, Range } from "../split.ts";
import { FLIP, unsignedInput, unsignedZeroPoint } from "../unsigned-input.ts";
import { rowBlock } from "../windows.ts";
import { OVERRUN_BYTES, biasOf, biasWithout, postOf, widenedInput } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

type CodedProblem = IntegerProblem & { readonly codebook: Int8CodebookCode };
type Form = "simd" | "relaxed";
type Access = "vector" | "rows" | "windows";

/** Inputs that a step of the dense tile multiplies together. */
const LANE = { simd: 2, relaxed: 4 } as const;
/** Rows that share a decoded panel at least, where there are as many: fewer, and decoding shows. */
const LEAST_BLOCK = 128;
/** Of widened rows, as for the dense tile. */
const BLOCK_BYTES = 32768;
/** Decoders write whole groups of 16 inputs. */
const PANEL_SLACK = 15;
const ALIGNMENT = 64;

/**
 * Time relative to the dense int16-pair tile: of the dense tile that runs on panels, of decoding one in rows of it, of the kernel of one row.
 * Plain SIMD: 1.62 at 4 rows, 1.16 at 16, 1.04 at 64; one row of 1024 × 1024 34 against 58 Gop/s (Node 20.20, Zen 4, 2026-11-30). Relaxed: from the same
 * machine, which lacks AVX-VNNI, where its dense tile is no faster than the pairs: decoding takes twice the rows of one that is.
 */
const COST: Readonly<Record<Form, { readonly dense: number; readonly decode: number; readonly row: number }>> = {
  simd: { dense: 1, decode: 2.6, row: 1.7 },
  relaxed: { dense: 0.47, decode: 5, row: 1 },
};

function accessOf({ windows: { m, stride, padded } }: IntegerProblem, form: Form): Access {
  // The pairs' rows are read from the input itself, so there must be no padding between them.
  const isMatrix = stride !== undefined && (form === "relaxed" || padded === undefined);
  return isMatrix ? (m === 1 && padded === undefined ? "vector" : "rows") : "windows";
}

function blockRows(m: number, rowBytes: number): number {
  return Math.min(Math.ceil(m / 4) * 4, Math.max(LEAST_BLOCK, rowBlock(m, rowBytes, BLOCK_BYTES)));
}

function estimate(form: Form, access: Access, { codebook, windows: { m }, k }: CodedProblem): Estimate {
  const { dense, decode, row } = COST[form];
  const blocks = Math.ceil(m / blockRows(m, k * LANE[form]));
  return {
    cost: access === "vector" ? row : dense * (1 + (decode * blocks) / m),
    why: `${codebook.values} shared values an output, 4-bit indices`,
  };
}

function coded(form: Form, access: Access): Candidate<IntegerProblem> {
  const kernel = `i8_${{ vector: "gemv_codebook4_1x8", rows: "gemm_codebook4_4x8", windows: "conv_codebook4_4x8" }[access]}__wasm_${form}`;
  return {
    kernel,
    requires: form === "relaxed" ? ["relaxed-dot"] : [],
    sparse: false,
    coded: true,
    estimate: (problem) => (isCoded(problem) && accessOf(problem, form) === access ? estimate(form, access, problem) : undefined),
    plan(context, problem) {
      invariant(isCoded(problem), `${kernel} without a codebook`);
      return access === "vector" ? planRow(kernel, form, context, problem) : planPanels(kernel, form, access, context, problem);
    },
  };
}

function isCoded(problem: IntegerProblem): problem is CodedProblem {
  return problem.codebook !== undefined;
}

/** The matrices of all groups; inputs of relaxed kernels are unsigned bytes that keep their zero point. */
function matricesOf(problem: CodedProblem, form: Form): readonly CodebookMatrix[] {
  const { codebook: code, groups, n, k, finish, inputZeroPoint, isSigned } = problem;
  const bias = form === "simd" ? biasOf(problem) : biasWithout(problem, unsignedZeroPoint(inputZeroPoint, isSigned));
  return Array.from({ length: groups }, (_, g) => {
    const rows = [g * n, (g + 1) * n] as const;
    return { code, first: g * n, n, k, bias: bias.subarray(...rows), scales: finish.scales.subarray(...rows) };
  });
}

function tilesOf({ windows: { m }, n, k }: IntegerProblem, form: Form): OutputTiles {
  // Whoever computes a column decodes it, so columns are what to divide.
  return { m, n, tile: [4, PANEL], outputBytes: 1, input: 0, weights: Infinity, cost: ((m * n * k) / RATE.i8) * COST[form].dense };
}

function planPanels(kernel: string, form: Form, access: "rows" | "windows", context: PlanContext, problem: CodedProblem): NodePlan {
  const { windows, groups, n, k, input, output, shape, pads, inputZeroPoint, isSigned } = problem;
  const { m, run, segments } = windows;
  const lane = LANE[form];
  const steps = segments.length * Math.ceil(run / lane);
  const panelBytes = codebookPanelBytes(steps * lane);
  const packed = matricesOf(problem, form).map((matrix) => context.weights(packCodebookPanels(matrix, segments.length, lane)));
  const post = postOf(context, problem);
  const mb = blockRows(m, k * lane);
  /** The pairs' product widens rows itself. */
  const widensRows = form === "simd" && access === "rows";
  const copy =
    form === "relaxed"
      ? unsignedInput(context, input, shape, pads, inputZeroPoint, isSigned)
      : widensRows
        ? undefined
        : widenedInput(context, problem);
  /** Of an element where windows are read; they are planned for int16. */
  const bytes = form === "simd" && !widensRows ? 2 : 1;
  const at = (offset: number): number => (offset * bytes) / 2;
  const [table, shifts] = access === "windows" ? [context.table(windows.rows.map(at)), context.table(segments.map(at))] : [0, 0];
  const copyBytes = align(copy?.bytes ?? 0);
  const decodedBytes = align(2 * PANEL * 4 + (steps * lane + PANEL_SLACK) * PANEL * (form === "simd" ? 2 : 1));
  const wideBytes = widensRows ? align(mb * k * 2 + OVERRUN_BYTES) : 0;
  const keep = keptBits(run, lane);
  const lda = at(windows.stride ?? 0);
  return {
    kernel,
    scratchBytes: copyBytes + (decodedBytes + wideBytes) * context.maxPieces,
    calls: (scratch) => [
      ...(copy === undefined ? [] : [copy.call(scratch)]),
      ...packed.map((w, g): KernelCall => {
        const from = (copy === undefined ? input : scratch) + g * run * bytes;
        const args = (rows: Range, columns: Range, piece: number): readonly number[] => {
          const panel = scratch + copyBytes + piece * (decodedBytes + wideBytes);
          const weights = [w + (columns.from / PANEL) * panelBytes, panel, keep];
          const to = [output + rows.from * groups * n + g * n + columns.from, groups * n];
          const size = [rows.to - rows.from, columns.to - columns.from, mb];
          const end = widensRows ? [panel + decodedBytes, inputZeroPoint, isSigned ? 1 : 0, post] : [post];
          const inputs =
            access === "rows"
              ? [from + rows.from * lda, lda, widensRows ? k : steps]
              : [from, table + rows.from * 4, shifts, segments.length, Math.ceil(run / lane)];
          return [...inputs, ...weights, ...to, ...size, ...end];
        };
        return { kernel, args: args({ from: 0, to: m }, { from: 0, to: n }, 0), split: splitProduct(tilesOf(problem, form), args) };
      }),
    ],
  };
}

function planRow(kernel: string, form: Form, context: PlanContext, problem: CodedProblem): NodePlan {
  const { n, k, input, output, inputZeroPoint, isSigned } = problem;
  const packed = matricesOf(problem, form).map((matrix) => context.weights(packCodebookRow(matrix)));
  const post = postOf(context, problem);
  const copyBytes = align(k * (form === "simd" ? 2 : 1) + OVERRUN_BYTES);
  const unsign = form === "simd" ? [inputZeroPoint, isSigned ? 1 : 0] : [isSigned ? FLIP : 0];
  return {
    kernel,
    scratchBytes: copyBytes * context.maxPieces,
    calls: (scratch) =>
      packed.map((w, g): KernelCall => {
        const args = (_rows: Range, columns: Range, piece: number): readonly number[] => [
          ...[input + g * k, k, w + (columns.from / PANEL) * codebookRowBytes(k), output + g * n + columns.from],
          ...[columns.to - columns.from, scratch + piece * copyBytes, ...unsign, post],
        ];
        return { kernel, args: args({ from: 0, to: 1 }, { from: 0, to: n }, 0), split: splitProduct(tilesOf(problem, form), args) };
      }),
  };
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

const FORMS: readonly Form[] = ["relaxed", "simd"];

export const CODED_I8: readonly Candidate<IntegerProblem>[] = FORMS.flatMap((form) => [
  coded(form, "vector"),
  coded(form, "rows"),
  coded(form, "windows"),
]);
