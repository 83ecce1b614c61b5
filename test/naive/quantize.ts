/** Quantize, Dequantize, Requantize, Cast, and the requantization of integer accumulators. */
import type { Activation, Rounding } from "../../src/graph/ir.ts";
import { allIndices, at, f32, limits, roundEven, saturate, scaleAt, zeroPointAt } from "./tensor.ts";
import type { NaiveOutput, NaiveTensor } from "./tensor.ts";

/** x / scale with the reciprocal rounded to float32, as the engines define it. */
export function quantizeReal(x: number, scale: number, zeroPoint: number, output: NaiveOutput): number {
  return saturate(roundEven(f32(x * f32(1 / scale))) + zeroPoint, output.dtype);
}

export function naiveQuantize(x: NaiveTensor, output: NaiveOutput): number[] {
  return allIndices(x.shape).map((index) =>
    quantizeReal(at(x, index), scaleAt(output.quant!, index), zeroPointAt(output.quant!, index), output),
  );
}

export function naiveDequantize(x: NaiveTensor): number[] {
  return allIndices(x.shape).map((index) => (at(x, index) - zeroPointAt(x.quant!, index)) * scaleAt(x.quant!, index));
}

export function naiveRequantize(x: NaiveTensor, output: NaiveOutput): number[] {
  const isWide = x.dtype === "int16" || output.dtype === "int16";
  return allIndices(x.shape).map((index) => {
    if (isWide) {
      const scale = f32(scaleAt(x.quant!, index) / scaleAt(output.quant!, index));
      return requantizeAccumulator(at(x, index) - zeroPointAt(x.quant!, index), scale, output, undefined);
    }
    const real = (at(x, index) - zeroPointAt(x.quant!, index)) * scaleAt(x.quant!, index);
    return saturate(roundEven(real / scaleAt(output.quant!, index)) + zeroPointAt(output.quant!, index), output.dtype);
  });
}

export function naiveCast(x: NaiveTensor, output: NaiveOutput): number[] {
  const fromFloat = x.dtype === "float32" || x.dtype === "float64";
  const toFloat = output.dtype === "float32" || output.dtype === "float64";
  return Array.from(x.data, (v) => {
    if (output.dtype === "bool") return v === 0 ? 0 : 1;
    if (!fromFloat || toFloat) return v;
    return Number.isNaN(v) ? 0 : saturate(Math.trunc(v), output.dtype);
  });
}

/** Integer bounds of an activation fused into an op with a quantized output. */
export function clampBounds(activation: Activation | undefined, output: NaiveOutput): readonly [number, number] {
  const [lo, hi] = limits(output.dtype);
  if (activation?.kind !== "clamp") return [lo, hi];
  const bound = (x: number, otherwise: number): number =>
    Number.isFinite(x) ? quantizeReal(x, output.quant!.scales[0]!, output.quant!.zeroPoints[0]!, output) : otherwise;
  return [bound(activation.min, lo), bound(activation.max, hi)];
}

/**
 * An accumulator as TFLite requantizes it: its multiplier by halving and doubling, then the steps of its kernels in whole numbers of any size.
 * @param real the exact scale, above 0
 */
export function fixedAccumulator(
  acc: number,
  real: number,
  rounding: Rounding,
  output: NaiveOutput,
  activation: Activation | undefined,
): number {
  let [fraction, shift] = [real, 0];
  for (; fraction >= 1; shift++) fraction /= 2;
  for (; fraction < 0.5; shift--) fraction *= 2;
  let multiplier = BigInt(Math.round(fraction * 2 ** 31));
  if (multiplier === 2n ** 31n) [multiplier, shift] = [multiplier / 2n, shift + 1];
  if (shift < -31) [multiplier, shift] = [0n, 0];
  const left = BigInt(Math.max(shift, 0));
  const right = BigInt(Math.max(-shift, 0));
  const product = BigInt(acc) * 2n ** left * multiplier;
  let q: bigint;
  if (rounding === "single") {
    q = floorDivide(product + 2n ** (30n + right), 2n ** (31n + right));
  } else {
    // Half up first, then half away from zero.
    const high = floorDivide(product + 2n ** 30n, 2n ** 31n);
    const size = high < 0n ? -high : high;
    const rounded = (2n * size + 2n ** right) / 2n ** (right + 1n);
    q = high < 0n ? -rounded : rounded;
  }
  const [lo, hi] = clampBounds(activation, output);
  return Math.min(Math.max(Number(q) + output.quant!.zeroPoints[0]!, lo), hi);
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a < 0n && quotient * b !== a ? quotient - 1n : quotient;
}

/** Accumulator → float32, times a float32 scale, half to even, zero point, clamp. */
export function requantizeAccumulator(acc: number, scale: number, output: NaiveOutput, activation: Activation | undefined): number {
  const [lo, hi] = clampBounds(activation, output);
  const q = roundEven(f32(f32(acc) * scale)) + output.quant!.zeroPoints[0]!;
  return Math.min(Math.max(q, lo), hi);
}
