/**
 * Arithmetic of 16-bit activations (TFLite's 16x8 scheme: int16 with zero point 0, weights int8), the same to the bit on every engine.
 *
 * A product of int16 and int8 has up to 2^22, so sums leave int32 after 512 of them. The rule is that of int8 on a wider sum: the exact integer
 * → float32, rounded half to even once, × float32 scale, rounded half to even, clamp (`requantize` of numerics.ts). Both float32 roundings are off by
 * 2^-24 at most, so a result of up to 2^15 steps errs by 2^-8 of a step beyond the half that any rounding costs.
 *
 * How the exact sum comes about is each engine's affair. JavaScript adds in doubles, which are exact to 2^53; WASM in int32 and, before
 * that overflows, doubles. WGSL has no doubles and splits each input into x = 256 high + low, high = x >> 8 within -128..127, low = x & 255: over K
 * products |Σ high × w| ≤ 2^14 K and |Σ low × w| < 2^15 K, both inside int32 for K ≤ 2^16. With the bias split alike (|bias| ≤ 2^37, so its high part is
 * at most 2^29) and the carry of the low sum moved up, sum = 256 high + low with |high| ≤ 2^30 + 2^29 + 2^23 < 2^31 and low within 0..255:
 * 39 bits, of which integer code keeps the upper 24, rounded half to even (shaders/common/int16.wgsl).
 *
 * Addition takes int8's multipliers (`addParams`): (multA a + multB b + 2^(shift - 1)) >> shift, exact. As shift ≥ 13, in 32 bits it is
 * (multA (a >> 8) + multB (b >> 8) + 2^(shift - 9) + ((multA (a & 255) + multB (b & 255)) >> 8)) >> (shift - 8): multipliers have 21 bits, so both
 * sums stay below 2^30. Products of two activations and averages fit int32 and end as int8's do.
 */
import { inputTensor, outputTensor, requireInput } from "./access.ts";
import { elementCount } from "./dtype.ts";
import type { Constant, Graph, NodeWith, Quantization, Tensor, UnaryAttrs } from "./ir.ts";
import { perTensor, quantizedClamp, requantizationScales, roundHalfEven, unaryValue } from "./numerics.ts";

/** Products of one sum, at most. */
export const MOST_INT16_PRODUCTS = 2 ** 16;
/** Values of an average, at most: their sum stays in int32. */
export const MOST_INT16_TERMS = 2 ** 16 - 1;
/** Largest bias, in steps of the products. */
export const INT16_BIAS_LIMIT = 2 ** 37;
/** Sums of exponentials stay within 2^31, so that a remainder can be doubled in uint32. */
export const MOST_INT16_CLASSES = 2 ** 11;

export type Int16Tensor = Tensor & { readonly dtype: "int16"; readonly quant: Quantization };

/** An activation of the scheme: one scale, zero point 0. */
export function isInt16(tensor: Tensor): tensor is Int16Tensor {
  return tensor.dtype === "int16" && tensor.quant?.scales.length === 1 && tensor.quant.zeroPoints[0] === 0;
}

export type Int16LayerNode = NodeWith<"Conv2D"> | NodeWith<"DepthwiseConv2D"> | NodeWith<"Dense">;

/** What a weighted layer on int16 activations computes with. */
export interface Int16Layer {
  readonly x: Int16Tensor;
  readonly w: Constant & { readonly data: Int8Array };
  /** Requantization scale of each output channel. */
  readonly scales: Float32Array;
  /** Integers, one for each output channel; zeros where the layer has none. */
  readonly bias: Float64Array;
  readonly hasBias: boolean;
  readonly out: Int16Tensor;
  readonly lo: number;
  readonly hi: number;
}

/** The layer, or what keeps engines from computing it, as the end of a sentence. */
export function int16Layer(graph: Graph, node: Int16LayerNode): Int16Layer | string {
  const [x, w, bias] = [requireInput(graph, node, 0), requireInput(graph, node, 1), inputTensor(graph, node, 2)];
  const out = outputTensor(graph, node);
  if (!isInt16(x) || !isInt16(out)) return `${x.dtype} to ${out.dtype}, expected int16 to int16 with one scale and zero point 0`;
  const axis = node.op === "DepthwiseConv2D" ? 3 : 0;
  const channels = w.shape[axis]!;
  const { quant, data } = w;
  if (!(data instanceof Int8Array) || quant === undefined || quant.zeroPoints.some((z) => z !== 0))
    return `weights of type ${w.dtype} under int16 activations, expected an int8 constant with scales and zero point 0`;
  if (quant.scales.length !== 1 && quant.axis !== axis)
    return `${quant.scales.length} weight scales on axis ${quant.axis ?? 0}, expected 1 or ${channels} on axis ${axis}`;
  const products = node.op === "DepthwiseConv2D" ? w.shape[1]! * w.shape[2]! : elementCount(w.shape.slice(1));
  if (products > MOST_INT16_PRODUCTS)
    return `sums of ${products} products under int16 activations, expected at most ${MOST_INT16_PRODUCTS}`;
  if (bias !== undefined && (bias.data === undefined || (bias.dtype !== "int32" && bias.dtype !== "int64")))
    return `bias of type ${bias.dtype} under int16 activations, expected an int32 or int64 constant`;
  if (bias?.data?.some((b) => Math.abs(b) > INT16_BIAS_LIMIT) === true) return `a bias beyond 2^37 steps under int16 activations`;
  const { activation } = node.attrs;
  if (activation?.kind === "hardswish") return "hardswish fused into an integer op, expected a Unary node of its own";
  const [lo, hi] = quantizedClamp(activation, out.quant, out.dtype);
  return {
    x,
    w: { ...w, data },
    scales: requantizationScales(x.quant, quant, out.quant, channels),
    bias: bias?.data === undefined ? new Float64Array(channels) : Float64Array.from(bias.data),
    hasBias: bias !== undefined,
    out,
    lo,
    hi,
  };
}

/** Scale from one grid to another: a value moves by `requantize(q - zero point, scale, …)`. */
export function regridScale(from: Quantization, to: Quantization): number {
  return Math.fround(perTensor(from).scale / perTensor(to).scale);
}

/** Entry `q & 65535` is the output of a unary op for the code q. */
export function int16Table(attrs: UnaryAttrs, input: Quantization, output: Quantization): Int16Array {
  const [from, to] = [perTensor(input).scale, perTensor(output).scale];
  return Int16Array.from({ length: 2 ** 16 }, (_, i) => {
    const rounded = roundHalfEven(unaryValue(attrs, ((i << 16) >> 16) * from) / to);
    return rounded < -32768 ? -32768 : rounded > 32767 ? 32767 : rounded;
  });
}

/** Scale of softmax, sigmoid and tanh: their values are within ±1. */
export const INT16_UNIT_SCALE = 2 ** -15;

/**
 * exp(-d × scale × beta) for d = 256 high + low = 0..65535 below a row's maximum: e = (coarse[high] × fine[low]) >>> 11 in uint32, with 20 fractional bits.
 * An output is (floor(e × 2^16 / Σe) + 1) >> 1, at most 32767, on the scale 2^-15. Each table has 256 entries.
 */
export function int16SoftmaxTables(input: Quantization, beta: number): { readonly coarse: Uint32Array; readonly fine: Uint32Array } {
  const { scale } = perTensor(input);
  const entries = (step: number, bits: number): Uint32Array =>
    Uint32Array.from({ length: 256 }, (_, i) => Math.round(Math.exp(-i * step * scale * beta) * 2 ** bits));
  return { coarse: entries(256, 15), fine: entries(1, 16) };
}
