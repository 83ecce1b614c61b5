/**
 * Conv2D and Dense on an input that is quantized at run time: the range of the whole tensor, its grid, its codes in a padded copy, then the 8-bit
 * tiles, whose sums are scaled back to float32. Nothing of it leaves the GPU.
 */
import { dynamicLayer } from "../../../graph/dynamic.ts";
import type { DynamicLayer, DynamicNode } from "../../../graph/dynamic.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { Tensor } from "../../../graph/ir.ts";
import { TILES_I8 } from "../../../kernels/wgsl-integer.ts";
import type { IntegerTile } from "../../../kernels/wgsl-integer.ts";
import { candidateList } from "../../candidates.ts";
import { packIntegerGemm } from "../pack.ts";
import { u } from "../step.ts";
import type { Operand } from "../step.ts";
import { rowWords } from "../storage.ts";
import { lowerBest } from "./candidates.ts";
import type { Candidate } from "./candidates.ts";
import type { Lowering } from "./context.ts";
import { costOf64, gridOf64, weightsOf64, workgroupOf64 } from "./integer/tiled.ts";
import { FEW_ROWS, convProblem, denseProblem, gemmParams, isPointwise } from "./problem.ts";
import type { GemmProblem } from "./problem.ts";

interface DynamicProblem {
  readonly node: DynamicNode;
  readonly layer: DynamicLayer;
  /** Over the padded copy of codes; its output in floats. */
  readonly gemm: GemmProblem;
  readonly codes: Tensor;
  readonly pads: readonly [number, number, number, number];
}

/** Values that one workgroup finds the range of by itself. */
const ONE_GROUP = 4096;
const MOST_GROUPS = 64;
const GRID_WORDS = 4;
const TILES = ["4x4", "1x4", "32x32"] as const;
const WHY = "input quantized at run time, int8 weights";

function dynamic(tile: (typeof TILES)[number], conv: boolean, dot4: "native" | "unpack"): Candidate<DynamicProblem> {
  const tiled = tile === "32x32";
  const kernel = `i8_${conv ? "conv" : "gemm"}_dynamic_${dot4 === "native" ? "dot4" : "unpack"}_${tile}__wgsl`;
  return {
    kernel,
    requires: dot4 === "native" ? ["dot4"] : [],
    ...(tiled ? { workgroup: { invocations: 64, storageBytes: 4096 } } : {}),
    sparse: false,
    algorithm: tiled ? "tiled" : "direct",
    dot4,
    estimate({ gemm }, { software }) {
      const few = gemm.m < FEW_ROWS;
      if (gemm.conv !== conv || (tiled && few)) return undefined;
      // As of the static 8-bit tiles.
      const direct = software ? 1 : 1.5;
      const cost = tiled ? (software ? 10 : 1) : tile === "4x4" ? direct * (few ? 4 / gemm.m : 1) : direct * (few ? 1 : 2);
      return { cost: dot4 === "native" ? cost : cost * 1.5, why: WHY };
    },
    lower(c, problem) {
      const { m, shape } = problem.gemm;
      const weights = c.constant("weights", packIntegerGemm(shape, problem.gemm.weight));
      const base = { kernel, ...dynamicInputs(c, problem, weights) };
      const n4 = Math.ceil(shape.groupOut / 4);
      if (tiled) c.dispatch({ ...base, groups: c.fold(Math.ceil(m / 32) * Math.ceil(n4 / 8), shape.groups) });
      else c.flat({ ...base, threads: Math.ceil(m / (tile === "4x4" ? 4 : 1)) * n4, z: shape.groups });
    },
  };
}

/** As the static tiles of 64 × 64 (lower/integer/tiled.ts). */
function dynamic64(tile: IntegerTile, conv: boolean, dot4: "native" | "unpack"): Candidate<DynamicProblem> {
  const kernel = `i8_${conv ? "conv" : "gemm"}_dynamic_${dot4 === "native" ? "dot4" : "unpack"}_${tile.name}__wgsl`;
  return {
    kernel,
    requires: dot4 === "native" ? ["dot4"] : [],
    workgroup: workgroupOf64(tile),
    sparse: false,
    algorithm: "tiled",
    dot4,
    estimate({ gemm }, facts) {
      const cost = gemm.conv === conv ? costOf64(gemm, dot4, facts) : undefined;
      return cost === undefined ? undefined : { cost, why: WHY };
    },
    lower(c, problem) {
      const { gemm } = problem;
      c.dispatch({ kernel, ...dynamicInputs(c, problem, weightsOf64(c, gemm)), ...gridOf64(c, gemm) });
    },
  };
}

/** Dispatches what finds the grid and writes the codes. */
function dynamicInputs(
  c: Lowering,
  problem: DynamicProblem,
  weights: Operand,
): { readonly params: readonly number[]; readonly inputs: readonly Operand[]; readonly output: Tensor } {
  const { node, gemm, layer } = problem;
  const grid = findGrid(c, layer.x);
  return {
    params: gemmParams(gemm, node.attrs.activation, undefined),
    inputs: [quantize(c, problem, grid), weights, c.constant("columns", packDynamicColumns(gemm, layer)), grid],
    output: layer.out,
  };
}

/** Dispatches what finds the grid of all of x. */
function findGrid(c: Lowering, x: Tensor): Operand {
  const count = elementCount(x.shape);
  const grid = c.scratch("grid", GRID_WORDS);
  let [values, length] = [c.operand(x), count];
  if (count > ONE_GROUP) {
    const groups = Math.min(MOST_GROUPS, Math.ceil(count / ONE_GROUP));
    const partial = c.scratch("ranges", groups * 2);
    c.dispatch({ kernel: "f32_range_partial__wgsl", params: u(count), inputs: [values], output: partial, groups: [groups, 1, 1] });
    [values, length] = [{ kind: "tensor", name: partial }, groups * 2];
  }
  c.dispatch({ kernel: "f32_range_grid__wgsl", params: u(length), inputs: [values], output: grid, groups: [1, 1, 1] });
  return { kind: "tensor", name: grid };
}

/** Dispatches what writes the codes. */
function quantize(c: Lowering, { layer: { x }, codes, pads }: DynamicProblem, grid: Operand): Operand {
  const [, h = 1, w = 1, length = 1] = x.shape.length === 4 ? x.shape : [1, 1, elementCount(x.shape) / x.shape.at(-1)!, x.shape.at(-1)!];
  const words = rowWords(codes.shape);
  const count = (elementCount(codes.shape) / length) * words;
  const name = c.scratch("codes", count);
  const params = u(count, words, length, h, w, h + pads[0] + pads[2], w + pads[1] + pads[3], pads[0], pads[1]);
  c.flat({ kernel: "i8_quantize_grid__wgsl", params, inputs: [c.operand(x), grid], output: name, threads: count });
  return { kind: "tensor", name };
}

/** `Columns` of common/dynamic_store.wgsl. */
function packDynamicColumns({ shape, weight }: GemmProblem, { scales, bias }: DynamicLayer): Uint32Array {
  const { groups, groupOut, segmentsY, segmentsX, run } = shape;
  const padded = Math.ceil(groupOut / 4) * 4;
  const words = new Uint32Array(groups * padded * 4);
  const [ints, floats] = [new Int32Array(words.buffer), new Float32Array(words.buffer)];
  for (let o = 0; o < groups * groupOut; o++) {
    let sum = 0;
    for (let sy = 0; sy < segmentsY; sy++) for (let sx = 0; sx < segmentsX; sx++) for (let i = 0; i < run; i++) sum += weight(o, sy, sx, i);
    const column = Math.floor(o / groupOut) * padded + (o % groupOut);
    const at = (column >> 2) * 16 + (column & 3);
    floats[at + 4] = scales[o]!;
    ints[at + 8] = sum;
    floats[at + 12] = bias[o]!;
  }
  return words;
}

const DYNAMIC_CANDIDATES = candidateList<Candidate<DynamicProblem>>(
  (["native", "unpack"] as const).flatMap((dot4) =>
    [false, true].flatMap((conv) => [
      ...TILES.map((tile) => dynamic(tile, conv, dot4)),
      ...TILES_I8.map((tile) => dynamic64(tile, conv, dot4)),
    ]),
  ),
);

const NO_PADS = [0, 0, 0, 0] as const;

/** @throws UnsupportedError for groups whose channels do not fill words, and for cropping pads */
export function lowerDynamic(c: Lowering, node: DynamicNode): void {
  const layer = dynamicLayer(c.graph, node);
  const { x, w, out } = layer;
  if (node.op === "Dense") {
    const codes: Tensor = { ...x, dtype: "int8" };
    const gemm = { ...denseProblem(codes, w, out, w.data), outStride: w.shape[0]! };
    lowerBest(c, DYNAMIC_CANDIDATES, { node, layer, gemm, codes, pads: NO_PADS });
    return;
  }
  const { attrs } = node;
  const { pads, groups } = attrs;
  if (groups > 1 && w.shape[3]! % 4 !== 0) {
    throw c.unsupported(
      `a layer of ${groups} groups of ${w.shape[3]!} channels that quantizes its input, expected a multiple of 4`,
      "Leave the layer out of int8:dynamic with exclude=, or use the wasm target.",
    );
  }
  if (pads.some((p) => p < 0)) throw c.unsupported(`pads [${pads.join(", ")}] of a layer that quantizes its input, expected none below 0`);
  const [n, h, width, channels] = x.shape as unknown as readonly [number, number, number, number];
  const codes: Tensor = { ...x, dtype: "int8", shape: [n, h + pads[0] + pads[2], width + pads[1] + pads[3], channels] };
  const inside = { ...attrs, pads: NO_PADS };
  const product = isPointwise(inside, w)
    ? denseProblem(codes, { ...w, shape: [w.shape[0]!, w.shape[3]!] }, out, w.data)
    : convProblem(inside, codes, w, out, w.data);
  lowerBest(c, DYNAMIC_CANDIDATES, { node, layer, gemm: { ...product, outStride: w.shape[0]! }, codes, pads });
}
