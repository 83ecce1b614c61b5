/** Resize of NHWC images over height and width: nearest as a row gather, linear with two taps an axis. Other cases run on the CPU engine. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import { axisTaps, nearestMap } from "../../cpu/kernels/resize.ts";
import type { AxisTaps } from "../../cpu/kernels/resize.ts";
import { sameQuantization } from "../../cpu/kernels/shared.ts";
import type { PlanContext, Planner } from "../program.ts";
import { planPixelMap } from "./move.ts";

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
  const args = [context.address(x), context.address(out), n, h * w * c * 4, w * c * 4, c, oh, ow, rows, columns];
  return { kernel, calls: () => [{ kernel, args }] };
};

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
