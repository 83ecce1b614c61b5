/**
 * Quantization parameters from real ranges, in double precision as ONNX Runtime and TFLite derive them: real = (q - zeroPoint) × scale.
 * Activations: asymmetric int8 -128..127 per tensor, the range widened to hold 0; or symmetric int16. Weights: symmetric -127..127 per output channel.
 */
import { roundHalfEven } from "../../graph/numerics.ts";
import type { Quantization } from "../../graph/ir.ts";

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Below the smallest normal float32 a scale is not usable: such a range holds only zeros in practice. */
const SMALLEST_SCALE = 2 ** -126;

/** Asymmetric parameters of an integer type `qmin..qmax`. An all-zero range gets scale 1, zero point 0. */
export function asymmetricParams(range: Range, qmin = -128, qmax = 127): { readonly scale: number; readonly zeroPoint: number } {
  const min = Math.min(range.min, 0);
  const max = Math.max(range.max, 0);
  const scale = (max - min) / (qmax - qmin);
  if (scale < SMALLEST_SCALE) return { scale: 1, zeroPoint: 0 };
  const zeroPoint = roundHalfEven(qmin - min / scale);
  return { scale, zeroPoint: Math.min(Math.max(zeroPoint, qmin), qmax) };
}

/** Integers that activations become. */
export interface ActivationForm {
  readonly dtype: "int8" | "int16";
  /** Smallest and largest code. */
  readonly codes: readonly [number, number];
  /** Steps of a grid. */
  readonly levels: number;
}

export const INT8_FORM: ActivationForm = { dtype: "int8", codes: [-128, 127], levels: 255 };
/** Always symmetric: zero point 0, ± the largest magnitude on -32767..32767. */
export const INT16_FORM: ActivationForm = { dtype: "int16", codes: [-32768, 32767], levels: 65534 };

/** How a range becomes an activation's int8 grid. */
export type RangeRule =
  /** onnxruntime's asymmetric rule: `asymmetricParams`. */
  | "ort"
  /** TensorFlow's nudging (fake quantization, TFLite's converter): ties of the zero point go up, on the codes 0..255. */
  | "tflite"
  /** onnxruntime's ActivationSymmetric: zero point 0, ± the largest magnitude on -127..127. */
  | "symmetric";

export function activationParams(
  range: Range,
  rule: RangeRule,
  { dtype }: ActivationForm = INT8_FORM,
): { readonly scale: number; readonly zeroPoint: number } {
  if (dtype === "int16") return symmetricParams(range, -32767, 32767);
  if (rule === "symmetric") return symmetricParams(range);
  const params = asymmetricParams(range);
  const [min, max] = [Math.min(range.min, 0), Math.max(range.max, 0)];
  if (rule === "ort" || (max - min) / 255 < SMALLEST_SCALE) return params;
  const code = Math.floor(0.5 - min / params.scale);
  return { scale: params.scale, zeroPoint: Math.min(Math.max(code, 0), 255) - 128 };
}

/** Symmetric parameters: ± the largest magnitude, zero point in the middle of `qmin..qmax` (uint8's 0..254 gives 127). */
export function symmetricParams(range: Range, qmin = -127, qmax = 127): { readonly scale: number; readonly zeroPoint: number } {
  const limit = Math.max(Math.abs(range.min), Math.abs(range.max));
  const scale = (2 * limit) / (qmax - qmin);
  const zeroPoint = roundHalfEven((qmin + qmax) / 2);
  return scale < SMALLEST_SCALE ? { scale: 1, zeroPoint } : { scale, zeroPoint };
}

export function perTensorQuant({ scale, zeroPoint }: { readonly scale: number; readonly zeroPoint: number }): Quantization {
  return { scales: Float32Array.of(scale), zeroPoints: Int32Array.of(zeroPoint) };
}

export function sameQuant(a: Quantization, b: Quantization): boolean {
  return a.scales.length === 1 && b.scales.length === 1 && a.scales[0] === b.scales[0] && a.zeroPoints[0] === b.zeroPoints[0];
}

/** x / scale in double precision, half to even, + zero point, clamped: for constants, which are quantized once. */
export function quantizeConstant(
  data: ArrayLike<number>,
  quant: Quantization,
  { dtype, codes: [qmin, qmax] }: ActivationForm,
): Int8Array | Int16Array {
  const scale = quant.scales[0]!;
  const zeroPoint = quant.zeroPoints[0]!;
  const code = (x: number): number => Math.min(Math.max(roundHalfEven(x / scale) + zeroPoint, qmin), qmax);
  return dtype === "int8" ? Int8Array.from(data, code) : Int16Array.from(data, code);
}
