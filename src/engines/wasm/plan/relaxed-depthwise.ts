/** int8 depthwise convolutions where the relaxed dot product is exact for unsigned × signed bytes. */
import { elementCount } from "../../../graph/dtype.ts";
import type { Conv2DAttrs, Tensor } from "../../../graph/ir.ts";
import type { IntegerFinish } from "../../cpu/kernels/gemm_i8.ts";
import { areSignedBytes, packDepthwiseDot } from "../pack-dot.ts";
import type { KernelCall, NodePlan, PlanContext } from "../program.ts";
import { tilePost, windowRecord } from "../records.ts";
import { RATE, splitWindows } from "./split.ts";
import { unsignedInput, unsignedZeroPoint } from "./unsigned-input.ts";

/** Kernels by kernel width and horizontal stride. */
const KERNELS: Readonly<Record<string, string>> = {
  w3s1: "i8_depthwise_dot_w3s1_1x4__wasm_relaxed",
  w3s2: "i8_depthwise_dot_w3s2_1x4__wasm_relaxed",
  w5s1: "i8_depthwise_dot_w5s1_1x4__wasm_relaxed",
  w5s2: "i8_depthwise_dot_w5s2_1x4__wasm_relaxed",
};

/**
 * @param w [KH][KW][C], zero points taken off
 * @returns undefined where no kernel covers the window, or the host lacks the instruction
 */
export function relaxedDepthwise(
  context: PlanContext,
  attrs: Conv2DAttrs,
  x: Tensor,
  out: Tensor,
  [kh, kw]: readonly [number, number],
  w: Int16Array,
  bias: Int32Array,
  finish: IntegerFinish,
): NodePlan | undefined {
  const kernel = KERNELS[`w${kw}s${attrs.strides[1]}`];
  const isDilated = attrs.dilations.some((d) => d !== 1);
  if (kernel === undefined || isDilated || !context.selection.features.has("relaxed-dot") || !areSignedBytes(w)) return undefined;
  const [batch = 1, height = 1, width = 1, channels = 1] = x.shape;
  const [top, left, bottom, right] = attrs.pads;
  const isSigned = x.dtype === "int8";
  const zeroPoint = x.quant!.zeroPoints[0]!;
  const weights = context.weights(packDepthwiseDot(w, kh, kw, channels, bias, finish.scales, unsignedZeroPoint(zeroPoint, isSigned)));
  const padded = [batch, height + top + bottom, width + left + right, channels];
  const record = windowRecord(padded, out.shape, [kh, kw], { ...attrs, pads: [0, 0, 0, 0] });
  const geometry = context.table(record);
  const post = context.table(tilePost(finish.zeroPoint, finish.lo, finish.hi, out.dtype === "int8"));
  const [from, to] = [context.address(x), context.address(out)];
  const copy = unsignedInput(context, from, x.shape, attrs.pads, zeroPoint, isSigned);
  const image = { input: padded[1]! * padded[2]! * channels, output: elementCount(out.shape) / batch };
  const cost = (elementCount(out.shape) * kh * kw) / RATE.depthwise;
  return {
    kernel,
    why: "8-bit dot product",
    scratchBytes: copy?.bytes ?? 0,
    calls: (scratch) => {
      const base = copy === undefined ? from : scratch;
      const args = (inputOffset: number, outputOffset: number, part: number): readonly number[] => [
        ...[base + inputOffset, weights, to + outputOffset, part, post],
      ];
      const call: KernelCall = { kernel, args: args(0, 0, geometry), split: splitWindows(context, record, image, true, cost, args) };
      return copy === undefined ? [call] : [copy.call(scratch), call];
    },
  };
}
