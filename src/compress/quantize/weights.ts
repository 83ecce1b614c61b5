/**
 * Weights and biases of one layer: int8 -127..127 per output channel, zero point 0; bias int32 at scale s_in × s_w[channel], so that it
 * adds straight into the accumulator.
 */
import { roundHalfEven } from "../../graph/numerics.ts";
import { elementCount } from "../../graph/dtype.ts";
import type { Constant, Quantization } from "../../graph/ir.ts";
import { symmetricParams } from "./params.ts";

/** Largest bias code. It leaves half of int32 to the products: 2^30 / (255 × 127) = 33,155 of them. */
export const BIAS_LIMIT = 2 ** 30;
/** A channel whose weights are all zero has only its bias; it gets this many steps. */
const BIAS_ONLY_STEPS = 2 ** 20;

export interface QuantizedLayer {
  readonly weight: Int8Array;
  readonly weightQuant: Quantization;
  readonly bias?: Int32Array;
  readonly biasQuant?: Quantization;
}

/**
 * @param axis of output channels in `weight`
 * @param bias real values, one per channel
 * @param inputScale float32 scale of the layer's input
 */
export function quantizeLayer(weight: Constant, axis: number, bias: ArrayLike<number> | undefined, inputScale: number): QuantizedLayer {
  const { shape, data } = weight;
  const channels = shape[axis]!;
  const inner = elementCount(shape.slice(axis + 1));
  const limits = new Float64Array(channels);
  for (let i = 0; i < data.length; i++) {
    const c = Math.floor(i / inner) % channels;
    limits[c] = Math.max(limits[c]!, Math.abs(data[i]!));
  }
  const scales = new Float32Array(channels);
  for (let c = 0; c < channels; c++) scales[c] = channelScale(limits[c]!, bias?.[c] ?? 0, inputScale);

  const codes = new Int8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const q = roundHalfEven(data[i]! / scales[Math.floor(i / inner) % channels]!);
    codes[i] = Math.min(Math.max(q, -127), 127);
  }
  const weightQuant: Quantization = { scales, zeroPoints: new Int32Array(channels), axis };
  if (bias === undefined) return { weight: codes, weightQuant };

  const biasScales = scales.map((s) => Math.fround(inputScale * s));
  const biasCodes = Int32Array.from(biasScales, (s, c) => roundHalfEven(bias[c]! / s));
  return { weight: codes, weightQuant, bias: biasCodes, biasQuant: { scales: biasScales, zeroPoints: new Int32Array(channels), axis: 0 } };
}

/** Scale of one channel, widened where the bias would leave its part of int32. */
function channelScale(limit: number, bias: number, inputScale: number): number {
  const magnitude = Math.abs(bias);
  if (limit === 0) return magnitude === 0 ? 1 : Math.fround(magnitude / (inputScale * BIAS_ONLY_STEPS));
  const { scale } = symmetricParams({ min: -limit, max: limit });
  const least = magnitude / (inputScale * BIAS_LIMIT);
  return Math.fround(Math.max(scale, least));
}
