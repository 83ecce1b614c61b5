/**
 * Weights and biases of one layer: int8 -127..127 per output channel, zero point 0; bias int32 at scale s_in × s_w[channel], so that it
 * adds straight into the accumulator; int64 where that needs more, under int16 activations.
 */
import { NIBBLE_VALUES } from "../../graph/code.ts";
import { elementCount } from "../../graph/dtype.ts";
import { INT16_BIAS_LIMIT } from "../../graph/int16.ts";
import type { Constant, Int8CodebookCode, Quantization } from "../../graph/ir.ts";
import { roundHalfEven } from "../../graph/numerics.ts";
import type { WeightWidth } from "../recipe-int8-forms.ts";
import { symmetricParams } from "./params.ts";
import type { ActivationForm } from "./params.ts";

/** Largest bias code. It leaves half of int32 to the products: 2^30 / (255 × 127) = 33,155 of them. */
export const BIAS_LIMIT = 2 ** 30;

export function biasLimitOf({ dtype }: ActivationForm): number {
  return dtype === "int8" ? BIAS_LIMIT : INT16_BIAS_LIMIT;
}

/** A channel whose weights are all zero has only its bias; it gets this many steps. */
const BIAS_ONLY_STEPS = 2 ** 20;

/** Largest weight code of 8 bits, and of 7. */
export const WEIGHT_LIMIT = 127;
const NARROW_LIMIT = 64;

/** Layer → largest weight code. */
export type LimitOf = (layer: string) => number;

/** @param layers names of the layers to quantize, in order */
export function weightLimits({ weightBits }: WeightWidth, layers: readonly string[]): LimitOf {
  if (weightBits === undefined) return () => WEIGHT_LIMIT;
  const [first] = layers;
  return (layer) => (weightBits === "7" || layer === first ? NARROW_LIMIT : WEIGHT_LIMIT);
}

export interface QuantizedLayer {
  readonly weight: Int8Array;
  readonly weightQuant: Quantization;
  /** int64 where a code is beyond int32. */
  readonly bias?: Int32Array | Float64Array;
  readonly biasQuant?: Quantization;
  /** Channels whose scale is larger than their weights need, so that the bias stays within its limit of steps of the products. */
  readonly widened: number;
}

/**
 * @param axis of output channels in `weight`
 * @param bias real values, one per channel
 * @param inputScale float32 scale of the layer's input
 * @param limit largest code
 * @param biasLimit largest bias code
 */
export function quantizeLayer(
  weight: Constant,
  axis: number,
  bias: ArrayLike<number> | undefined,
  inputScale: number,
  limit = WEIGHT_LIMIT,
  biasLimit = BIAS_LIMIT,
): QuantizedLayer {
  const { shape, data } = weight;
  const channels = shape[axis]!;
  const inner = elementCount(shape.slice(axis + 1));
  const limits = new Float64Array(channels);
  for (let i = 0; i < data.length; i++) {
    const c = Math.floor(i / inner) % channels;
    limits[c] = Math.max(limits[c]!, Math.abs(data[i]!));
  }
  const scales = new Float32Array(channels);
  let widened = 0;
  for (let c = 0; c < channels; c++) {
    scales[c] = channelScale(limits[c]!, bias?.[c] ?? 0, inputScale, limit, biasLimit);
    if (limits[c]! > 0 && scales[c]! > channelScale(limits[c]!, 0, inputScale, limit, biasLimit)) widened++;
  }

  const codes = new Int8Array(data.length);
  for (let i = 0; i < data.length; i++) codes[i] = quantize(data[i]!, scales[Math.floor(i / inner) % channels]!, limit);
  const weightQuant: Quantization = { scales, zeroPoints: new Int32Array(channels), axis };
  if (bias === undefined) return { weight: codes, weightQuant, widened };

  const biasScales = scales.map((s) => Math.fround(inputScale * s));
  const exact = Float64Array.from(biasScales, (s, c) => roundHalfEven(bias[c]! / s));
  const biasCodes = exact.every((code) => code === (code | 0)) ? Int32Array.from(exact) : exact;
  const biasQuant: Quantization = { scales: biasScales, zeroPoints: new Int32Array(channels), axis: 0 };
  return { weight: codes, weightQuant, bias: biasCodes, biasQuant, widened };
}

/**
 * int8 weights of which each output channel takes few values, as those values and 4-bit indices; undefined where a channel takes more, or where the
 * channels are not the rows [shape[0]].
 * @param codes [channels][k]
 */
export function codebookOf(codes: Int8Array, axis: number, channels: number): Int8CodebookCode | undefined {
  if (axis !== 0) return undefined;
  const k = codes.length / channels;
  const rows = Array.from({ length: channels }, (_, row) => [...new Set(codes.subarray(row * k, (row + 1) * k))]);
  const values = Math.max(1, ...rows.map(({ length }) => length));
  if (values > NIBBLE_VALUES) return undefined;
  const table = new Int8Array(channels * values);
  rows.forEach((row, r) => table.set(row, r * values));
  const indices = Uint8Array.from(codes, (code, i) => rows[Math.floor(i / k)]!.indexOf(code));
  return { kind: "int8Codebook", values, table, indices };
}

function quantize(value: number, scale: number, limit: number): number {
  return Math.min(Math.max(roundHalfEven(value / scale), -limit), limit);
}

/** Scale of one channel, widened where the bias would leave its part of the sum. */
function channelScale(largest: number, bias: number, inputScale: number, limit: number, biasLimit: number): number {
  const magnitude = Math.abs(bias);
  if (largest === 0) return magnitude === 0 ? 1 : Math.fround(magnitude / (inputScale * BIAS_ONLY_STEPS));
  const { scale } = symmetricParams({ min: -largest, max: largest }, -limit, limit);
  const least = magnitude / (inputScale * biasLimit);
  return Math.fround(Math.max(scale, least));
}
