/** Quantize, Dequantize, Requantize, Cast, and the requantization of integer accumulators. */
import type { Activation } from "../../src/graph/ir.ts";
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

/** Accumulator → float32, times a float32 scale, half to even, zero point, clamp. */
export function requantizeAccumulator(acc: number, scale: number, output: NaiveOutput, activation: Activation | undefined): number {
  const [lo, hi] = clampBounds(activation, output);
  const q = roundEven(f32(f32(acc) * scale)) + output.quant!.zeroPoints[0]!;
  return Math.min(Math.max(q, lo), hi);
}
