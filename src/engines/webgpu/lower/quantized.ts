/** Integer constants of convolutions and matrix products in the form of stored (signed) bytes. */
import { fixedScalesOf } from "../../../graph/fixed-point.ts";
import type { FixedScales } from "../../../graph/fixed-point.ts";
import type { Activation, Tensor } from "../../../graph/ir.ts";
import { quantizedClamp, requantizationScales } from "../../../graph/numerics.ts";
import { storedShift } from "../storage.ts";
import { isQuantized, isQuantizedByte } from "./context.ts";
import type { Lowering, QuantizedTensor } from "./context.ts";

export interface IntegerFinish {
  /** float32 scale of each output channel. */
  readonly scales: Float32Array;
  /** In place of the scales: the layer requantizes in fixed point. */
  readonly fixed?: FixedScales;
  /** Stored zero points and clamp. */
  readonly inZero: number;
  readonly outZero: number;
  readonly lo: number;
  readonly hi: number;
  /** Stored zero point of the weights by output channel; undefined when all are zero. */
  readonly weightZeros: Int32Array | undefined;
}

/** Zero point of an 8-bit tensor as stored. */
export function storedZero(tensor: QuantizedTensor, channel = 0): number {
  return tensor.quant.zeroPoints[channel]! - storedShift(tensor.dtype);
}

/** Clamp of a fused activation on a quantized output, as stored. */
export function storedClamp(c: Lowering, activation: Activation | undefined, out: QuantizedTensor): readonly [number, number] {
  if (activation?.kind === "hardswish") throw c.unsupported("hardswish fused into an integer op", "Leave it as a separate Unary node.");
  const [lo, hi] = quantizedClamp(activation, out.quant, out.dtype);
  const shift = storedShift(out.dtype);
  return [lo - shift, hi - shift];
}

/**
 * @param axis the weights' output-channel axis
 * @throws UnsupportedError for types and grids that 8-bit kernels do not take
 */
export function integerFinish(
  c: Lowering,
  x: Tensor,
  w: Tensor,
  bias: Tensor | undefined,
  out: Tensor,
  axis: number,
  channels: number,
  activation: Activation | undefined,
): IntegerFinish {
  if (!isQuantizedByte(x)) throw c.unsupported(`activations of type ${x.dtype}, expected 8 bits with one scale`);
  if (!isQuantized(w) || (w.dtype !== "int8" && w.dtype !== "uint8"))
    throw c.unsupported(`weights of type ${w.dtype} under ${x.dtype} activations, expected int8 with a scale`);
  if (!isQuantizedByte(out))
    throw c.unsupported(`output of type ${out.dtype} from ${x.dtype} activations, expected int8 or uint8 with one scale`);
  if (bias !== undefined && bias.dtype !== "int32")
    throw c.unsupported(`bias of type ${bias.dtype} under ${x.dtype} activations, expected int32`);
  const count = w.quant.scales.length;
  if (count !== 1 && (count !== channels || w.quant.axis !== axis)) {
    throw c.unsupported(`${count} weight scales on axis ${w.quant.axis ?? 0}, expected 1 or ${channels} on axis ${axis}`);
  }
  const zeros = Int32Array.from({ length: channels }, (_, i) => storedZero(w, count === 1 ? 0 : i));
  const [lo, hi] = storedClamp(c, activation, out);
  const fixed = fixedScalesOf(c.current, x.quant, x.dtype, w.quant, out.quant, channels);
  return {
    ...(fixed && { fixed }),
    scales: requantizationScales(x.quant, w.quant, out.quant, channels),
    inZero: storedZero(x),
    outZero: storedZero(out),
    lo,
    hi,
    weightZeros: zeros.some((z) => z !== 0) ? zeros : undefined,
  };
}

/** Pipeline constants of common/requantize_fixed.wgsl. */
export function fixedConstants({ rounding }: FixedScales): Readonly<Record<string, number>> {
  return { ROUND_ONCE: rounding === "single" ? 1 : 0 };
}

/** Weights or bias of a float op that the file stores as integers on a grid: fround((q - zero point) × scale). */
export function floatValues(c: Lowering, tensor: Tensor): Float32Array {
  const { data } = tensor;
  if (data === undefined) throw c.unsupported(`weights "${tensor.name}" that another node computes, expected a constant`);
  if (data instanceof Float32Array) return data;
  if (!isQuantized(tensor)) throw c.unsupported(`weights "${tensor.name}" of type ${tensor.dtype} without a scale, expected float32`);
  const { scales, zeroPoints, axis } = tensor.quant;
  const channels = scales.length;
  let inner = 1;
  if (channels > 1) for (let d = (axis ?? 0) + 1; d < tensor.shape.length; d++) inner *= tensor.shape[d]!;
  const values = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const k = channels === 1 ? 0 : Math.floor(i / inner) % channels;
    values[i] = (data[i]! - zeroPoints[k]!) * scales[k]!;
  }
  return values;
}

/** Stored (signed) bytes of constant 8-bit weights. */
export function signedWeights(c: Lowering, w: Tensor): Int8Array {
  const { data } = w;
  if (data instanceof Int8Array) return data;
  if (data instanceof Uint8Array) return Int8Array.from(data, (q) => q - 128);
  throw c.unsupported(`weights "${w.name}" that another node computes, expected a constant`);
}

export function int32Bias(c: Lowering, bias: Tensor | undefined, channels: number): Int32Array {
  if (bias === undefined) return new Int32Array(channels);
  if (bias.data instanceof Int32Array) return bias.data;
  throw c.unsupported(`bias "${bias.name}" that another node computes, expected a constant`);
}
