/**
 * Sparse candidates of an integer layer over the 8-bit dot product: lists of 8 outputs that share their inputs (1×8 blocks, and vector-wise
 * N:M), or of inputs of every output's own (zeros anywhere, 1×4 blocks, N:M). A step takes up to four inputs that lie within 16 bytes, so
 * the further apart they are, and the more the outputs of a list differ, the emptier are the steps.
 */
import type { Estimate } from "../../../candidates.ts";
import { areSignedBytes } from "../../pack-dot.ts";
import { countPlaces, packSparseDot } from "../../pack-sparse-dot.ts";
import type { DotLists } from "../../pack-sparse-dot.ts";
import type { Candidate } from "../candidates.ts";
import { planLists } from "../layer.ts";
import { liveWork, matrixOf, sparseEstimate, tileWaste, zerosOf } from "../sparse.ts";
import type { SparseCost, Tile } from "../sparse.ts";
import { RATE } from "../split.ts";
import { unsignedInput, unsignedZeroPoint } from "../unsigned-input.ts";
import { elementOffset, rowBlock } from "../windows.ts";
import { biasWithout, postOf } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

const TILE_ROWS = 4;
const TILES: readonly Tile[] = [
  { rows: TILE_ROWS, work: TILE_ROWS },
  { rows: 1, work: 1.5 },
];

const fills = new WeakMap<IntegerProblem["weights"], Map<DotLists, number>>();

/** Places in the steps per weight that is not skipped, at least 1. */
function fillOf(problem: IntegerProblem, lists: DotLists): number {
  let known = fills.get(problem.weights);
  if (known === undefined) fills.set(problem.weights, (known = new Map<DotLists, number>()));
  let fill = known.get(lists);
  if (fill === undefined) {
    const { places, live } = countPlaces(matrixOf(problem), lists, (i) => elementOffset(problem.windows, i));
    known.set(lists, (fill = live === 0 ? 1 : places / live));
  }
  return fill;
}

/** @param row cost of a single row, of one multiply-add as elsewhere */
function sparseDot(kernel: string, lists: DotLists, rows: SparseCost, row: SparseCost): Candidate<IntegerProblem> {
  const estimate = (problem: IntegerProblem): Estimate | undefined => {
    if (problem.groups !== 1 || !areSignedBytes(problem.weights)) return undefined;
    const { m } = problem.windows;
    const cost = m === 1 ? row : rows;
    const outputs = lists === "own" ? 1 : 8;
    // Without zeros nothing comes of it, so how full the steps are need not be counted.
    const fill = zerosOf(problem, outputs) === 0 ? 1 : fillOf(problem, lists);
    return sparseEstimate(problem, outputs, { ...cost, each: cost.each * fill }, m === 1 ? 1 : tileWaste(m, TILES));
  };
  return {
    kernel,
    requires: ["relaxed-dot"],
    sparse: true,
    estimate,
    plan(context, problem) {
      const { windows, k, finish } = problem;
      const { m } = windows;
      const bias = biasWithout(problem, unsignedZeroPoint(problem));
      const packed = packSparseDot(matrixOf(problem), lists, bias, finish.scales, (i) => elementOffset(windows, i));
      return planLists(context, problem, {
        kernel,
        rows: TILE_ROWS,
        inputBytes: 1,
        outputBytes: 1,
        copy: unsignedInput(context, problem),
        lists: context.weights(packed),
        finish: [rowBlock(m, k), postOf(context, problem)],
        cost: liveWork(m, problem, estimate(problem)!) / RATE.i8,
      });
    },
  };
}

/**
 * Fits, as those of ../sparse.ts, on Node 24.21 (V8 13.6, x64 with AVX-VNNI, 2026-11-24), where the dense byte tile is at 0.47 and 0.33 (one
 * row). At 768×256×256 1×8 blocks break even at 8 % zeros, unstructured ones at 36 %; at one row of 1024×1024 at 50 % and 70 %.
 */
export const SPARSE_DOT_I8: readonly Candidate<IntegerProblem>[] = [
  sparseDot("i8_spmm_dot1x8_4x8__wasm_relaxed", "shared", { each: 0.5, input: 2.5, list: 3.5 }, { each: 0.66, input: 4, list: 25 }),
  sparseDot("i8_spmm_dotcsr_4x8__wasm_relaxed", "own", { each: 0.61, input: 2.5, list: 4.5 }, { each: 0.84, input: 4, list: 25 }),
];
