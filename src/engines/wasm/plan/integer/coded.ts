/**
 * Candidates of an integer layer whose outputs share up to 16 values each: they keep 4-bit indices, and decode a panel of 8 outputs at a time into
 * scratch for the dense tile, or look weights up in registers where there is one row.
 */
import { invariant } from "../../../../errors.ts";
import type { Int8CodebookCode } from "../../../../graph/ir.ts";
import type { Estimate } from "../../../candidates.ts";
import { keptBits, packCodebookPanels, packCodebookRow } from "../../pack-coded-i8.ts";
import { PANEL } from "../../pack.ts";
import type { NodePlan, PlanContext } from "../../program.ts";
import type { Candidate } from "../candidates.ts";
import { align, placePanels, planTiles } from "../layer.ts";
import type { Access, Panels, Tiles } from "../layer.ts";
import { RATE } from "../split.ts";
import { FLIP, unsignedInput, unsignedZeroPoint } from "../unsigned-input.ts";
import { isPadded, rowBlock } from "../windows.ts";
import { OVERRUN_BYTES, biasOf, biasWithout, postOf, widenArgs, widenedInput } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

type CodedProblem = IntegerProblem & { readonly codebook: Int8CodebookCode };
type Form = "simd" | "relaxed";

/** Inputs that a step of the dense tile multiplies together. */
const LANE = { simd: 2, relaxed: 4 } as const;
/** Rows that share a decoded panel at least, where there are as many: fewer, and decoding shows. */
const LEAST_BLOCK = 128;
/** Of widened rows, as for the dense tile. */
const BLOCK_BYTES = 32768;
/** Decoders write whole groups of 16 inputs. */
const PANEL_SLACK = 15;

/**
 * Time relative to the dense int16-pair tile: of the dense tile that runs on panels, of decoding one in rows of it, of the kernel of one row.
 * Plain SIMD: 1.62 at 4 rows, 1.16 at 16, 1.04 at 64; one row of 1024 × 1024 34 against 58 Gop/s (Node 20.20, Zen 4, 2026-11-30). Relaxed: from the same
 * machine, which lacks AVX-VNNI, where its dense tile is no faster than the pairs: decoding takes twice the rows of one that is.
 */
const COST: Readonly<Record<Form, { readonly dense: number; readonly decode: number; readonly row: number }>> = {
  simd: { dense: 1, decode: 2.6, row: 1.7 },
  relaxed: { dense: 0.47, decode: 5, row: 1 },
};

function accessOf({ windows: { m, stride }, pads }: IntegerProblem, form: Form): Access {
  // The pairs' rows are read from the input itself, so there must be no padding between them.
  const isMatrix = stride !== undefined && (form === "relaxed" || !isPadded(pads));
  return isMatrix ? (m === 1 && !isPadded(pads) ? "vector" : "rows") : "windows";
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

/** Inputs of relaxed kernels are unsigned bytes that keep their zero point. */
function place(context: PlanContext, problem: CodedProblem, form: Form, pack: typeof packCodebookRow): Panels {
  const { codebook: code, n, k, finish } = problem;
  const bias = form === "simd" ? biasOf(problem) : biasWithout(problem, unsignedZeroPoint(problem));
  return placePanels(context, problem, (first, share) => pack({ code, first, n, k, bias: share(bias), scales: share(finish.scales) }));
}

function shared(form: Form): Pick<Tiles, "tile" | "outputBytes" | "operandBytes" | "rate"> {
  // Whoever computes a column decodes it, so columns are what to divide.
  return { tile: [4, PANEL], outputBytes: 1, operandBytes: [0, Infinity], rate: RATE.i8 / COST[form].dense };
}

function planPanels(kernel: string, form: Form, access: "rows" | "windows", context: PlanContext, problem: CodedProblem): NodePlan {
  const { windows, k } = problem;
  const { m, run, segments } = windows;
  const lane = LANE[form];
  const inputs = segments.length * Math.ceil(run / lane) * lane;
  const block = blockRows(m, k * lane);
  /** The pairs' product widens rows itself. */
  const widensRows = form === "simd" && access === "rows";
  const decodedBytes = align(2 * PANEL * 4 + (inputs + PANEL_SLACK) * PANEL * (form === "simd" ? 2 : 1));
  const keep = keptBits(run, lane);
  const post = postOf(context, problem);
  const copy = form === "relaxed" ? unsignedInput(context, problem) : widensRows ? undefined : widenedInput(context, problem);
  return planTiles(context, problem, {
    ...shared(form),
    kernel,
    access,
    inputBytes: form === "simd" && !widensRows ? 2 : 1,
    lane: widensRows ? 1 : lane,
    copy,
    ownBytes: decodedBytes + (widensRows ? align(block * k * 2 + OVERRUN_BYTES) : 0),
    panels: place(context, problem, form, (matrix) => packCodebookPanels(matrix, segments.length, lane)),
    decode: (own) => [own, keep],
    block,
    finish: (own) => (widensRows ? [own + decodedBytes, ...widenArgs(problem), post] : [post]),
  });
}

function planRow(kernel: string, form: Form, context: PlanContext, problem: CodedProblem): NodePlan {
  const post = postOf(context, problem);
  const unsign = form === "simd" ? widenArgs(problem) : [problem.isSigned ? FLIP : 0];
  return planTiles(context, problem, {
    ...shared(form),
    kernel,
    access: "vector",
    inputBytes: 1,
    ownBytes: align(problem.k * (form === "simd" ? 2 : 1) + OVERRUN_BYTES),
    panels: place(context, problem, form, packCodebookRow),
    block: 1,
    finish: (own) => [own, ...unsign, post],
  });
}

const FORMS: readonly Form[] = ["relaxed", "simd"];

export const CODED_I8: readonly Candidate<IntegerProblem>[] = FORMS.flatMap((form) => [
  coded(form, "vector"),
  coded(form, "rows"),
  coded(form, "windows"),
]);
