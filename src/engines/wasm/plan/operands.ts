/** What a weighted op computes with, when the engine's kernels cover its types. */
import { inputTensor, outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { TypedArray } from "../../../graph/dtype.ts";
import type { Node, Tensor } from "../../../graph/ir.ts";
import type { IntegerFinish } from "../../cpu/kernels/gemm_i8.ts";
import { isByte, isQuantized } from "../../cpu/kernels/shared.ts";
import type { PlanContext } from "../program.ts";

/** The tensors of a weighted op, when kernels cover their types and the weights are constant. */
export interface Operands {
  readonly x: Tensor;
  readonly w: Tensor & { readonly data: TypedArray };
  readonly bias: Tensor | undefined;
  readonly out: Tensor;
  readonly isFloat: boolean;
}

export function operandsOf(context: PlanContext, node: Node): Operands | undefined {
  const x = requireInput(context.graph, node, 0);
  const w = requireInput(context.graph, node, 1);
  const bias = inputTensor(context.graph, node, 2);
  const out = outputTensor(context.graph, node);
  if (w.data === undefined || (bias !== undefined && bias.data === undefined)) return undefined;
  if ("pads" in node.attrs && (node.attrs.pads as readonly number[]).some((p) => p < 0)) return undefined;
  if (elementCount(out.shape) === 0 || elementCount(w.shape) === 0) return undefined;
  const isFloat = x.dtype === "float32" && out.dtype === "float32" && (w.dtype === "float32" || isQuantized(w));
  if (!isFloat && !(isByte(x.dtype) && isQuantized(x))) return undefined;
  return { x, w: { ...w, data: w.data }, bias, out, isFloat };
}

/** Integer weights as int16, zero points taken off; channel of element i by `channel`. */
export function centered(w: Tensor & { readonly data: TypedArray }, finish: IntegerFinish, channel: (i: number) => number): Int16Array {
  const shift = w.dtype === "uint8" ? 128 : 0;
  const zeros = finish.weightZeroPoints;
  return Int16Array.from(w.data, (q, i) => q - shift - (zeros === undefined ? 0 : zeros[channel(i)]!));
}
