/** Resize of NHWC images over height and width: nearest as a row gather, linear with two taps an axis. Other cases run on the CPU engine. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import { axisTaps, nearestMap } from "../../cpu/kernels/resize.ts";
import type { AxisTaps } from "../../cpu/kernels/resize.ts";
import { sameQuantization } from "../../cpu/kernels/shared.ts";
import type { PlanContext, Planner } from "../program.ts";
import { planPixelMap } from "./move.ts";
import { RATE, splitRows } from "./split.ts";
import type { Range } from "./split.ts";

export const planResize: Planner<"Resize"> = (context, node) => {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  const { attrs } = node;
  if (x.shape.length !== 4 || x.shape[0] !== out.shape[0] || x.shape[3] !== out.shape[3]) return undefined;
  if (x.dtype !== out.dtype || !sameQuantization(x.quant, out.quant) || elementCount(out.shape) === 0) return undefined;
  const [n, h, w, c] = x.shape as [number, number, number, number];
  const [, oh, ow] = out.shape as [number, number, number, number];
  if (attrs.mode === "nearest") return planPixelMap(context, node, nearestMap(attrs, 1, h, oh), nearestMap(attrs, 2, w, ow));
  if (attrs.mode !== "linear" || x.dtype !== "float32") return undefined;
  const kernel = "f32_resize_linear_1x4__wasm_simd";
  const rows = tapRecord(context, axisTaps(attrs, 1, h, oh));
  const columns = tapRecord(context, axisTaps(attrs, 2, w, ow));
  if (rows === undefined || columns === undefined) return undefined;
  const [from, to] = [context.address(x), context.address(out)];
  const args = ({ from: y0, to: y1 }: Range): readonly number[] => [
    ...[from, to + y0 * ow * c * 4, n, h * w * c * 4, w * c * 4, c],
    ...[y1 - y0, ow, rows + y0 * TAP_BYTES, columns],
  ];
  const split = n === 1 ? splitRows(oh, elementCount(out.shape) / RATE.resize, args) : undefined;
  return { kernel, calls: () => [{ kernel, args: args({ from: 0, to: oh }), ...(split && { split }) }] };
};

/** Of one entry of `tapRecord`. */
const TAP_BYTES = 12;

/** [low index, high index, weight of high] per output; undefined when the weights don't sum to 1 (outside pixels excluded). */
function tapRecord(context: PlanContext, { indices, weights }: AxisTaps): number | undefined {
  const words = new Int32Array((indices.length / 2) * 3);
  const floats = new Float32Array(words.buffer);
  for (let i = 0; i < indices.length / 2; i++) {
    if (Math.abs(weights[2 * i]! + weights[2 * i + 1]! - 1) > 1e-6) return undefined;
    words[3 * i] = indices[2 * i]!;
    words[3 * i + 1] = indices[2 * i + 1]!;
    floats[3 * i + 2] = weights[2 * i + 1]!;
  }
  return context.table(words);
}
