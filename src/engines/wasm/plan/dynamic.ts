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
import { activationCode, floatPost, padRecord } from "../records.ts";
import { planBest } from "./candidates.ts";
import type { Candidate } from "./candidates.ts";
import { OVERRUN_BYTES } from "./integer/problem.ts";
import { RATE, splitPadded, splitProduct } from "./split.ts";
import type { OutputTiles, Range } from "./split.ts";
import { matrixWindows, planWindows, rowBlock } from "./windows.ts";
import type { Windows } from "./windows.ts";

interface DynamicProblem {
  readonly node: DynamicNode;
  readonly layer: DynamicLayer;
  /** For int16 elements. */
  readonly windows: Windows;
  readonly groups: number;
  readonly pads: readonly [number, number, number, number];
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
      const { node, layer, windows, groups } = problem;
      const { m, run, segments } = windows;
      const { w, scales, bias, out } = layer;
      const n = w.shape[0]! / groups;
      const k = segments.length * run;
      const pairs = Math.ceil(run / 2);
      const panelBytes = (2 + segments.length * pairs) * PANEL * 4;
      // The packer's int32 bias holds the bits of the float one.
      const biasBits = new Int32Array(bias.slice().buffer);
      const data = Int16Array.from(w.data);
      const packed = Array.from({ length: groups }, (_, g) => {
        const rows = [g * n, (g + 1) * n] as const;
        const matrix = { data, offset: g * n * k, n, k };
        return context.weights(packDenseI8(matrix, segments.length, biasBits.subarray(...rows), scales.subarray(...rows)));
      });
      const [table, shifts] = access === "windows" ? [context.table(windows.rows), context.table(segments)] : [0, 0];
      const post = [activationCode(node.attrs.activation), context.table(floatPost(node.attrs.activation))];
      const codes = codesOf(context, problem);
      const output = context.address(out);
      const tiles: OutputTiles = {
        m,
        n,
        tile: [4, PANEL],
        outputBytes: 4,
        input: m * k * 2,
        weights: n * k * 2,
        cost: (m * n * k) / RATE.i8,
      };
      const mb = rowBlock(m, k * 2);
      const ldc = groups * n * 4;
      return {
        kernel,
        scratchBytes: GRID_BYTES + codes.bytes,
        calls: (scratch) => {
          const base = scratch + GRID_BYTES;
          const products = packed.map((weights, g): KernelCall => {
            const from = base + g * run * 2;
            const args = (rows: Range, columns: Range): readonly number[] => {
              const input =
                access === "rows"
                  ? [from + rows.from * windows.stride!, windows.stride!, pairs]
                  : [from, table + rows.from * 4, shifts, segments.length, pairs];
              const to = output + rows.from * ldc + (g * n + columns.from) * 4;
              const size = [rows.to - rows.from, columns.to - columns.from, mb];
              return [...input, weights + (columns.from / PANEL) * panelBytes, to, ldc, ...size, ...post, scratch];
            };
            return { kernel, args: args({ from: 0, to: m }, { from: 0, to: n }), split: splitProduct(tiles, args) };
          });
          return [...codes.calls(scratch, base), ...products];
        },
      };
    },
  };
}

/** The int16 copy that windows read: its bytes, and the calls that find the grid and fill it. */
function codesOf(
  context: PlanContext,
  { layer: { x }, pads }: DynamicProblem,
): { readonly bytes: number; readonly calls: (grid: number, to: number) => readonly KernelCall[] } {
  const input = context.address(x);
  const count = elementCount(x.shape);
  const isPadded = pads.some((p) => p !== 0);
  const [n = 1, h = 1, w = 1, c = 1] = isPadded ? x.shape : [1, 1, 1, count];
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
      ? planWindows(x.shape, out.shape, [w.shape[1]!, w.shape[2]!], node.attrs, 2)
      : matrixWindows(elementCount(x.shape) / w.shape[1]!, w.shape[1]!, 2);
  const groups = node.op === "Conv2D" ? node.attrs.groups : 1;
  return planBest(context, DYNAMIC_I8, { node, layer, windows, groups, pads }, node.name);
}
