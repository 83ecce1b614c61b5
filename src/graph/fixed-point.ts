/**
 * TFLite's requantization in fixed point, in both of its build modes: int32 accumulator × 31-bit multiplier × power of two. Layers that carry
 * `rounding` follow it, on every engine; the others multiply in float32 (numerics.ts). After lite/kernels/internal/quantization_util.cc and common.h,
 * the multipliers of layers after lite/kernels/kernel_util.cc.
 */
import { UsageError, invariant } from "../errors.ts";
import { outputTensor, requireInput } from "./access.ts";
import type { Graph, Node, NodeWith, Quantization, Rounding } from "./ir.ts";
import { perTensor } from "./numerics.ts";

/** multiplier × 2^(shift - 31), multiplier 2^30 ≤ m < 2^31. */
export interface FixedPoint {
  readonly multiplier: number;
  /** Positive: to the left. */
  readonly shift: number;
}

const BITS = 31;
const INT32_MIN = -(2n ** 31n);
const INT32_MAX = 2n ** 31n - 1n;

/** @param real not negative, finite; below 2^-32 it becomes 0 @throws UsageError */
export function fixedPoint(real: number): FixedPoint {
  if (!(real >= 0 && Number.isFinite(real))) throw new UsageError(`fixed point: got ${real}, expected a finite number from 0 on`);
  if (real === 0) return { multiplier: 0, shift: 0 };
  let shift = Math.floor(Math.log2(real)) + 1;
  let fraction = real / 2 ** shift;
  // log2 rounds near powers of two.
  if (fraction >= 1) [fraction, shift] = [fraction / 2, shift + 1];
  if (fraction < 0.5) [fraction, shift] = [fraction * 2, shift - 1];
  let multiplier = Math.round(fraction * 2 ** BITS);
  if (multiplier === 2 ** BITS) [multiplier, shift] = [multiplier / 2, shift + 1];
  return shift < -BITS ? { multiplier: 0, shift: 0 } : { multiplier, shift };
}

/** The older mode: a doubling high multiply with ties away from zero, then a shift with ties away from zero. */
export function multiplyDoubleRounding(acc: number, { multiplier, shift }: FixedPoint): number {
  const product = (BigInt(acc) << BigInt(Math.max(shift, 0))) * BigInt(multiplier);
  const half = 2n ** 30n;
  // BigInt's division truncates, as C's.
  const high = Number((product + (product >= 0n ? half : 1n - half)) / 2n ** 31n);
  const right = Math.max(-shift, 0);
  const divisor = 2 ** right;
  const floor = Math.floor(high / divisor);
  const threshold = Math.floor((divisor - 1) / 2) + (high < 0 ? 1 : 0);
  return floor + (high - floor * divisor > threshold ? 1 : 0);
}

/** The newer mode (TFLITE_SINGLE_ROUNDING): the 64-bit product plus a half, shifted: ties towards +∞. Saturates to int32. */
export function multiplySingleRounding(acc: number, { multiplier, shift }: FixedPoint): number {
  const total = BigInt(BITS - shift);
  const rounded = (BigInt(acc) * BigInt(multiplier) + (1n << (total - 1n))) >> total;
  return Number(rounded < INT32_MIN ? INT32_MIN : rounded > INT32_MAX ? INT32_MAX : rounded);
}

/** Of every output channel, as kernels take it. */
export interface FixedScales {
  readonly rounding: Rounding;
  readonly multipliers: Int32Array;
  /** -31 to `MOST_SHIFT` */
  readonly shifts: Int32Array;
}

/** With a shift of so many bits every sum but 0 is beyond 16 bits, so that larger scales give no other bytes. */
const MOST_SHIFT = 14;

/**
 * @param isProductSingle the scales of input and weights are multiplied in float32, as TFLite does where it has one multiplier for a whole layer (a
 *   fully connected one with weights per tensor, and any layer of uint8); otherwise in float64, as it does for a multiplier of each channel
 */
export function fixedScales(
  rounding: Rounding,
  input: Quantization,
  weights: Quantization,
  output: Quantization,
  channels: number,
  isProductSingle: boolean,
): FixedScales {
  const from = perTensor(input).scale;
  const to = perTensor(output).scale;
  const scales: FixedScales = { rounding, multipliers: new Int32Array(channels), shifts: new Int32Array(channels) };
  for (let c = 0; c < channels; c++) {
    const product = from * weights.scales[weights.scales.length === 1 ? 0 : c]!;
    const { multiplier, shift } = fixedPoint((isProductSingle ? Math.fround(product) : product) / to);
    scales.multipliers[c] = multiplier;
    scales.shifts[c] = Math.min(shift, MOST_SHIFT);
  }
  return scales;
}

/** What belongs to a channel besides its bias, in words of 32 bits, for kernels that read it from memory. */
export interface ScaleWords {
  readonly count: 1 | 2;
  readonly words: (channel: number) => readonly number[];
}

/** float32 scales, or multipliers and shifts. */
export function scaleWords({ scales, fixed }: { readonly scales: Float32Array; readonly fixed?: FixedScales }): ScaleWords {
  if (fixed !== undefined) return { count: 2, words: (c) => [fixed.multipliers[c]!, fixed.shifts[c]!] };
  const bits = new Int32Array(scales.buffer, scales.byteOffset, scales.length);
  return { count: 1, words: (c) => [bits[c]!] };
}

// Exponentiation is a call, even of constants.
const HALF = 2 ** 30;
const PER_LOW = 2 ** -16;
const PER_HIGH = 2 ** -15;
const LEAST = -(2 ** 31);
const MOST = 2 ** 31 - 1;

/**
 * One accumulator to a byte of the output's grid in exact doubles: the product with the multiplier in parts of 16 bits, less its 31 low bits, then
 * the shift. A sum that leaves int32 by a shift to the left saturates (TFLite leaves that open); its output is a bound in any case.
 * @param lo, hi bounds of the output, bytes
 */
export function requantizeFixed(
  acc: number,
  multiplier: number,
  shift: number,
  rounding: Rounding,
  zeroPoint: number,
  lo: number,
  hi: number,
): number {
  const x = shift > 0 ? saturate(acc * (1 << shift)) : acc;
  const right = shift > 0 ? 0 : -shift;
  // Rounding once, the half is below the last of the bits that are kept at the end.
  const half = rounding === "double" || right === 0 ? HALF : 0;
  const high = Math.floor(((x >> 16) * multiplier + Math.floor(((x & 0xffff) * multiplier + half) * PER_LOW)) * PER_HIGH) | 0;
  const q = shiftRounded(high, right, rounding);
  return q < lo - zeroPoint ? lo : q > hi - zeroPoint ? hi : q + zeroPoint;
}

function saturate(x: number): number {
  return x < LEAST ? LEAST : x > MOST ? MOST : x;
}

/** high / 2^right, ties away from zero ("double") or up ("single"). @param right 0..31 */
function shiftRounded(high: number, right: number, rounding: Rounding): number {
  if (right === 0) return high;
  if (rounding === "single") return (high >> right) + ((high >> (right - 1)) & 1);
  const mask = ~(-1 << right);
  return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0 ? 1 : 0) ? 1 : 0);
}

const ROUNDED = ["Conv2D", "DepthwiseConv2D", "ConvTranspose2D", "Dense"] as const;

/** Nodes that can carry `rounding`. */
export type RoundedNode = { [O in (typeof ROUNDED)[number]]: NodeWith<O> }[(typeof ROUNDED)[number]];

/** Whether the node is a layer of 8-bit activations, weights and outputs, which can requantize in fixed point. */
export function canRound(graph: Graph, node: Node): node is RoundedNode {
  if (!ROUNDED.some((op) => op === node.op)) return false;
  return [requireInput(graph, node, 0), requireInput(graph, node, 1), outputTensor(graph, node)].every(
    ({ dtype, quant }) => quant !== undefined && (dtype === "int8" || dtype === "uint8"),
  );
}

export function roundingOf(node: Node): Rounding | undefined {
  return "rounding" in node.attrs ? node.attrs.rounding : undefined;
}

/** What is wrong with a layer that says how it rounds, as the end of a sentence; undefined when it is sound, or says nothing. */
export function roundingFault(graph: Graph, node: Node): string | undefined {
  const rounding = roundingOf(node);
  if (rounding === undefined || canRound(graph, node)) return undefined;
  return `requantizes with ${rounding} rounding, but its input, weights and output are not all 8-bit integers with scales`;
}

/** @returns undefined for a layer that requantizes in float32 */
export function fixedScalesOf(
  node: Node,
  input: Quantization,
  inputType: string,
  weights: Quantization,
  output: Quantization,
  channels: number,
): FixedScales | undefined {
  const rounding = roundingOf(node);
  if (rounding === undefined) return undefined;
  invariant(weights.scales.length === 1 || weights.scales.length === channels, "a weight scale for each output channel, or one");
  const isProductSingle = weights.scales.length === 1 && (node.op === "Dense" || inputType === "uint8");
  return fixedScales(rounding, input, weights, output, channels, isProductSingle);
}
