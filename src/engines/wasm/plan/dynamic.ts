/**
 * Conv2D and Dense on an input that is quantized at run time: find its range, widen its codes to int16 in a padded copy, multiply with int16 pairs of
 * int8 weights, and scale the sums back to float32.
 */
import { dynamicLayer } from "../../../graph/dynamic.ts";
import type { DynamicLayer, DynamicNode } from "../../../graph/dynamic.ts";
import { elementCount } from "../../../graph/dtype.ts";
import { candidateList } from "../../candidates.ts";
import { PANEL, packDenseI8 } from "../pack.ts";
import type { KernelCall, NodePlan, PlanContext } from "../program.ts";
import { padRecord } from "../records.ts";
import { planBest } from "./candidates.ts";
import type { Candidate } from "./candidates.ts";
import { activationArgs } from "./float/problem.ts";
import { OVERRUN_BYTES } from "./integer/problem.ts";
import { placePanels, tileCalls } from "./layer.ts";
import type { LayerProblem } from "./layer.ts";
import { RATE, splitPadded } from "./split.ts";
import { isPadded, matrixWindows, planWindows, rowBlock } from "./windows.ts";

interface DynamicProblem extends LayerProblem {
  readonly node: DynamicNode;
  readonly layer: DynamicLayer;
}

const ESTIMATE = { cost: 1, why: "input quantized at run time, int8 weights" };
/** The grid, in front of the codes in scratch memory. */
const GRID_BYTES = 64;
/** Elements that widening may write behind a row. */
const WIDEN_OVERRUN = 7;

function dynamic(kernel: string, access: "rows" | "windows"): Candidate<DynamicProblem> {
  return {
    kernel,
    requires: [],
    sparse: false,
    estimate: ({ windows }) => ((windows.stride !== undefined) === (access === "rows") ? ESTIMATE : undefined),
    plan(context, problem) {
      const { node, layer, windows, n, k } = problem;
      const { m, segments } = windows;
      // The packer's int32 bias holds the bits of the float one.
      const bias = new Int32Array(layer.bias.slice().buffer);
      const data = Int16Array.from(layer.w.data);
      const panels = placePanels(context, problem, (first, share) =>
        packDenseI8({ data, offset: first * k, n, k }, segments.length, share(bias), share(layer.scales)),
      );
      const post = activationArgs(context, node.attrs.activation);
      const codes = codesOf(context, problem);
      const products = tileCalls(context, problem, {
        kernel,
        access,
        tile: [4, PANEL],
        inputBytes: 2,
        outputBytes: 4,
        lane: 2,
        panels,
        block: rowBlock(m, k * 2),
        finish: (grid) => [...post, grid],
        operandBytes: [2, 2],
        rate: RATE.i8,
      });
      return {
        kernel,
        scratchBytes: GRID_BYTES + codes.bytes,
        calls: (scratch) => [...codes.calls(scratch, scratch + GRID_BYTES), ...products(scratch + GRID_BYTES, () => scratch)],
      };
    },
  };
}

/** The int16 copy that windows read: its bytes, and the calls that find the grid and fill it. */
function codesOf(
  context: PlanContext,
  { shape, pads, input }: DynamicProblem,
): { readonly bytes: number; readonly calls: (grid: number, to: number) => readonly KernelCall[] } {
  const count = elementCount(shape);
  const [n = 1, h = 1, w = 1, c = 1] = isPadded(pads) ? shape : [1, 1, 1, count];
  const record = padRecord([n, h, w, c], pads, 1);
  return {
    bytes: 2 * n * (h + pads[0] + pads[2]) * (w + pads[1] + pads[3]) * c + OVERRUN_BYTES,
    calls: (grid, to) => {
      const args = (from: number, offset: number, geometry: number): readonly number[] => [input + from * 4, to + offset, geometry, grid];
      const split = splitPadded(context, record, 2, WIDEN_OVERRUN, args);
      return [
        { kernel: "f32_range_grid__wasm_simd", args: [input, count, grid] },
        { kernel: "f32_widen_grid__wasm_simd", args: args(0, 0, context.table(record)), ...(split && { split }) },
      ];
    },
  };
}

const DYNAMIC_I8 = candidateList<Candidate<DynamicProblem>>([
  dynamic("i8_gemm_dynamic_4x8__wasm_simd", "rows"),
  dynamic("i8_conv_dynamic_4x8__wasm_simd", "windows"),
]);

const NO_PADS = [0, 0, 0, 0] as const;

/** @returns undefined without vector instructions, for cropping pads and for empty tensors */
export function planDynamic(context: PlanContext, node: DynamicNode): NodePlan | undefined {
  const layer = dynamicLayer(context.graph, node);
  const { x, w, out } = layer;
  const pads = node.op === "Conv2D" ? node.attrs.pads : NO_PADS;
  if (!context.selection.simd || pads.some((p) => p < 0) || [x, w, out].some(({ shape }) => elementCount(shape) === 0)) return undefined;
  const windows =
    node.op === "Conv2D"
      ? planWindows(x.shape, out.shape, [w.shape[1]!, w.shape[2]!], node.attrs)
      : matrixWindows(elementCount(x.shape) / w.shape[1]!, w.shape[1]!);
  const groups = node.op === "Conv2D" ? node.attrs.groups : 1;
  const problem: DynamicProblem = {
    node,
    layer,
    windows,
    shape: x.shape,
    pads,
    groups,
    n: w.shape[0]! / groups,
    k: windows.segments.length * windows.run,
    input: context.address(x),
    output: context.address(out),
  };
  return planBest(context, DYNAMIC_I8, problem, node.name);
}
