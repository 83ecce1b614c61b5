/** Weights and biases as the integer kernels take them: int8 with zero point 0, int32 (or int64) at the scale of the products. */
import { INT16_BIAS_LIMIT } from "../int16.ts";
import type { Quantization, Tensor } from "../ir.ts";
import type { GraphEdit } from "./edit.ts";
import { isByte } from "./quant.ts";
import { channelAxis, dequantizedConstant, realConstant, type WeightedOp } from "./values.ts";

/** Bias values beyond this leave no room for the sum in int32. */
const MAX_BIAS = 2 ** 30;

/**
 * The 8-bit constant on a grid with zero point 0, itself or shifted exactly; undefined when its values do not fit int8 then, or when
 * its scales do not run along the output channels.
 */
export function symmetricWeights(edit: GraphEdit, op: WeightedOp, weights: Tensor): string | undefined {
  const { data, quant, shape } = weights;
  if (data === undefined || quant === undefined || !isByte(weights)) return undefined;
  const axis = channelAxis(op);
  if (quant.axis !== undefined && quant.axis !== axis) return undefined;
  if (weights.dtype === "int8" && quant.zeroPoints.every((z) => z === 0)) return weights.name;
  const inner = quant.axis === undefined ? data.length : shape.slice(axis + 1).reduce((n, d) => n * d, 1);
  const shifted = new Int8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i]! - quant.zeroPoints[Math.floor(i / inner) % quant.zeroPoints.length]!;
    if (value < -128 || value > 127) return undefined;
    shifted[i] = value;
  }
  const symmetric = { ...quant, zeroPoints: new Int32Array(quant.zeroPoints.length) };
  return edit.setTensor({ ...weights, name: edit.uniqueTensor(`${weights.name}__int8`), dtype: "int8", data: shifted, quant: symmetric });
}

/** float32 scales of a bias: input scale × weight scale, one per output channel. */
export function biasScales(input: Quantization, weights: Quantization, channels: number): Float32Array {
  return Float32Array.from({ length: channels }, (_, c) => input.scales[0]! * (weights.scales[c] ?? weights.scales[0]!));
}

/**
 * A bias in int32 at the scale of the products: taken over from a Dequantize of int32 whose scales match, otherwise rounded to that grid.
 * @param isWide under int16 activations: int64 where it takes more than int32
 * @param name float tensor; must be constant, or a Dequantize of a constant
 * @returns undefined when it is not constant or does not fit
 */
export function integerBias(edit: GraphEdit, name: string, scales: Float32Array, isWide = false): string | undefined {
  const producer = edit.producer(name);
  const stored = producer?.op === "Dequantize" ? edit.input(producer, 0) : undefined;
  if (stored?.dtype === "int32" && stored.data !== undefined && matches(stored.quant, scales)) return stored.name;
  const real = stored === undefined ? realConstant(edit, name) : dequantizedConstant(stored);
  if (real?.length !== scales.length) return undefined;
  const limit = isWide ? INT16_BIAS_LIMIT : MAX_BIAS;
  if (real.some((b, c) => !(Math.abs(b / scales[c]!) <= limit))) return undefined;
  const codes = Float64Array.from(real, (b, c) => Math.round(b / scales[c]!));
  const isLong = codes.some((code) => code !== (code | 0));
  const [dtype, data] = isLong ? (["int64", codes] as const) : (["int32", Int32Array.from(codes)] as const);
  const quant = { scales, zeroPoints: new Int32Array(scales.length), ...(scales.length > 1 && { axis: 0 }) };
  return edit.define(`${stored?.name ?? name}__${dtype}`, dtype, [scales.length], { data, quant });
}

function matches(quant: Quantization | undefined, scales: Float32Array): boolean {
  if (quant?.zeroPoints.every((z) => z === 0) !== true) return false;
  return scales.every((scale, c) => Math.abs((quant.scales[c] ?? quant.scales[0]!) - scale) <= 1e-5 * scale);
}
