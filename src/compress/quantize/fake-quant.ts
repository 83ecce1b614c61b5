/**
 * Quantization simulated in floats, for training that anticipates it: values go to the nearest step of a grid and back. The grid's range is nudged so that
 * zero is a step. After TensorFlow's fake_quant_ops_functor.h.
 */
import { UsageError } from "../../errors.ts";
import type { Range } from "./params.ts";

export interface FakeQuantGrid {
  readonly scale: number;
  /** As a code of qmin..qmax. */
  readonly zeroPoint: number;
  /** The nudged range. */
  readonly min: number;
  readonly max: number;
}

/**
 * @param range real, with 0 inside, min < max
 * @param options bits 2..16; `narrow` leaves out code 0, so that the codes are symmetric
 * @throws UsageError
 */
export function fakeQuantGrid(
  range: Range,
  { bits = 8, narrow = false }: { readonly bits?: number; readonly narrow?: boolean } = {},
): FakeQuantGrid {
  const { min, max } = range;
  if (!(min <= 0 && max >= 0 && min < max))
    throw new UsageError(`fake quantization: range: got ${min}..${max}, expected one with 0 inside`);
  if (!(Number.isInteger(bits) && bits >= 2 && bits <= 16)) throw new UsageError(`fake quantization: bits: got ${bits}, expected 2..16`);
  const qmin = narrow ? 1 : 0;
  const qmax = 2 ** bits - 1;
  const scale = (max - min) / (qmax - qmin);
  const zeroPoint = Math.min(Math.max(Math.round(qmin - min / scale), qmin), qmax);
  return { scale, zeroPoint, min: (qmin - zeroPoint) * scale, max: (qmax - zeroPoint) * scale };
}

/** floor((clamp(x) - min) / scale + 1/2) × scale + min */
export function fakeQuantize(x: number, { scale, min, max }: FakeQuantGrid): number {
  return Math.floor((Math.min(Math.max(x, min), max) - min) / scale + 0.5) * scale + min;
}

/** Where the gradient of a value goes: to the value inside the range, else to the bound that clamped it. */
export function fakeQuantGradient(x: number, { min, max }: FakeQuantGrid): "value" | "min" | "max" {
  return x < min ? "min" : x > max ? "max" : "value";
}
