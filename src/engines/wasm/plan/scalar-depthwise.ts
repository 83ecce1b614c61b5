/** Depthwise convolutions without vector instructions, over a bordered copy of the image where there is a border. */
import { elementCount } from "../../../graph/dtype.ts";
import type { Conv2DAttrs, Tensor } from "../../../graph/ir.ts";
import type { IntegerFinish } from "../../cpu/kernels/gemm_i8.ts";
import { packScalarDepthwiseF32, packScalarDepthwiseI8 } from "../pack-scalar.ts";
import type { KernelCall, NodePlan, PlanContext } from "../program.ts";
import { activationCode, floatPost, padRecord, scalarPost, windowRecord } from "../records.ts";
import { SCALAR_RATE, splitWindows } from "./split.ts";
import { isPadded } from "./windows.ts";

/** A border's copy writes 8 bytes at a time. */
const OVERRUN_BYTES = 8;

/** @param w [KH][KW][C] */
export function scalarDepthwiseFloat(
  context: PlanContext,
  attrs: Conv2DAttrs,
  x: Tensor,
  out: Tensor,
  kernelSize: readonly [number, number],
  w: Float32Array,
  bias: Float32Array,
): NodePlan {
  const taps = kernelSize[0] * kernelSize[1];
  const packed = context.weights(packScalarDepthwiseF32(w, taps, x.shape[3]!, bias));
  const copy = (input: number, to: number): KernelCall => ({
    kernel: "any_pad_rows__wasm_scalar",
    args: [input, to, context.table(padRecord(x.shape, attrs.pads, 4)), 0],
  });
  return plan(
    context,
    attrs,
    x,
    out,
    kernelSize,
    "f32_depthwise_direct_4x1__wasm_scalar",
    4,
    packed,
    isPadded(attrs.pads) ? copy : undefined,
    [activationCode(attrs.activation), context.table(floatPost(attrs.activation))],
  );
}

/** @param w [KH][KW][C], zero points taken off */
export function scalarDepthwiseInteger(
  context: PlanContext,
  attrs: Conv2DAttrs,
  x: Tensor,
  out: Tensor,
  kernelSize: readonly [number, number],
  w: Int16Array,
  bias: Int32Array,
  finish: IntegerFinish,
): NodePlan {
  const taps = kernelSize[0] * kernelSize[1];
  const isSigned = x.dtype === "int8";
  const zeroPoint = x.quant!.zeroPoints[0]! + (isSigned ? 128 : 0);
  const packed = context.weights(packScalarDepthwiseI8(w, taps, x.shape[3]!, bias, finish.scales, zeroPoint));
  const copy = (input: number, to: number): KernelCall => ({
    kernel: "i8_unsign_rows__wasm_scalar",
    args: [input, to, context.table(padRecord(x.shape, attrs.pads, 1)), zeroPoint, isSigned ? 0x80 : 0],
  });
  const isCopied = isSigned || isPadded(attrs.pads);
  return plan(context, attrs, x, out, kernelSize, "i8_depthwise_direct_4x1__wasm_scalar", 1, packed, isCopied ? copy : undefined, [
    context.table(scalarPost(finish.zeroPoint, finish.lo, finish.hi)),
  ]);
}

/**
 * @param packed address of the weights
 * @param copy fills the copy that the kernel reads; undefined: it reads the input
 * @param finish last arguments of the kernel
 */
function plan(
  context: PlanContext,
  attrs: Conv2DAttrs,
  x: Tensor,
  out: Tensor,
  [kh, kw]: readonly [number, number],
  kernel: string,
  elementBytes: number,
  packed: number,
  copy: ((input: number, to: number) => KernelCall) | undefined,
  finish: readonly number[],
): NodePlan {
  const [batch = 1, height = 1, width = 1, channels = 1] = x.shape;
  const [top, left, bottom, right] = attrs.pads;
  const padded = [batch, height + top + bottom, width + left + right, channels];
  const record = windowRecord(padded, out.shape, [kh, kw], { ...attrs, pads: [0, 0, 0, 0] });
  const geometry = context.table(record);
  const [from, to] = [context.address(x), context.address(out)];
  const image = {
    input: padded[1]! * padded[2]! * channels * elementBytes,
    output: (elementCount(out.shape) / batch) * elementBytes,
  };
  const cost = (elementCount(out.shape) * kh * kw) / SCALAR_RATE.depthwise;
  return {
    kernel,
    scratchBytes: copy === undefined ? 0 : batch * image.input + OVERRUN_BYTES,
    calls: (scratch) => {
      const base = copy === undefined ? from : scratch;
      const args = (inputOffset: number, outputOffset: number, part: number): readonly number[] => [
        ...[base + inputOffset, packed, to + outputOffset, part],
        ...finish,
      ];
      const call = { kernel, args: args(0, 0, geometry), split: splitWindows(context, record, image, true, cost, args) };
      return copy === undefined ? [call] : [copy(from, scratch), call];
    },
  };
}
