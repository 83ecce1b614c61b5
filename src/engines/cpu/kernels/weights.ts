/** Weights as kernels want them: floats dequantized once when weights are stored as integers, and the constants of a requantization. */
import type { TypedArray } from "../../../graph/dtype.ts";
import { fixedScalesOf } from "../../../graph/fixed-point.ts";
import type { Activation, Node, Tensor } from "../../../graph/ir.ts";
import { quantizedClamp, requantizationScales } from "../../../graph/numerics.ts";
import { NARROW_SCALE } from "./finish.ts";
import type { IntegerFinish } from "./gemm_i8.ts";
import { isByte, isQuantized, unsupported } from "./shared.ts";

/** float32 data as it is; integers on a grid become fround((q - zp) * scale). */
export function floatWeights(node: Node, tensor: Tensor, data: TypedArray): Float32Array {
  if (data instanceof Float32Array) return data;
  if (!isQuantized(tensor)) throw unsupported(node, `weights "${tensor.name}" of type ${tensor.dtype} without a scale, expected float32`);
  const { scales, zeroPoints, axis } = tensor.quant;
  const values = new Float32Array(data.length);
  const channels = scales.length;
  let inner = 1;
  if (channels > 1) for (let d = axis! + 1; d < tensor.shape.length; d++) inner *= tensor.shape[d]!;
  for (let i = 0; i < data.length; i++) {
    const c = channels === 1 ? 0 : Math.floor(i / inner) % channels;
    values[i] = (data[i]! - zeroPoints[c]!) * scales[c]!;
  }
  return values;
}

/**
 * Requantization constants of an 8-bit Conv2D, DepthwiseConv2D, Dense or MatMul.
 * @param axis the weights' output-channel axis
 * @throws UnsupportedError for types and grids that 8-bit kernels do not take
 */
export function integerFinish(
  node: Node,
  x: Tensor,
  w: Tensor,
  bias: Tensor | undefined,
  out: Tensor,
  axis: number,
  channels: number,
  activation: Activation | undefined,
): IntegerFinish {
  if (!isByte(w.dtype) || !isQuantized(w))
    throw unsupported(node, `weights of type ${w.dtype} under ${x.dtype} activations, expected int8 with a scale`);
  if (!isByte(out.dtype) || !isQuantized(out))
    throw unsupported(node, `output of type ${out.dtype} from ${x.dtype} activations, expected int8 or uint8 with a scale`);
  if (bias !== undefined && bias.dtype !== "int32")
    throw unsupported(node, `bias of type ${bias.dtype} under ${x.dtype} activations, expected int32`);
  if (x.quant?.scales.length !== 1 || out.quant.scales.length !== 1)
    throw unsupported(node, "per-axis quantization of activations, expected one scale a tensor");
  const count = w.quant.scales.length;
  if (count !== 1 && (count !== channels || w.quant.axis !== axis)) {
    throw unsupported(node, `${count} weight scales on axis ${w.quant.axis ?? 0}, expected 1 or ${channels} on axis ${axis}`);
  }
  if (activation?.kind === "hardswish") throw unsupported(node, "hardswish fused into an integer op", "Leave it as a separate Unary node.");
  const [lo, hi] = quantizedClamp(activation, out.quant, out.dtype);
  const shift = w.dtype === "uint8" ? 128 : 0;
  const zeroPoints = Int32Array.from({ length: channels }, (_, c) => w.quant.zeroPoints[count === 1 ? 0 : c]! - shift);
  const scales = requantizationScales(x.quant, w.quant, out.quant, channels);
  const fixed = fixedScalesOf(node, x.quant, x.dtype, w.quant, out.quant, channels);
  return {
    scales,
    zeroPoint: out.quant.zeroPoints[0]!,
    lo,
    hi,
    narrow: fixed === undefined && scales.every((s) => s <= NARROW_SCALE),
    ...(fixed && { fixed }),
    ...(zeroPoints.some((z) => z !== 0) ? { weightZeroPoints: zeroPoints } : {}),
  };
}
