/**
 * The integer arithmetic that every engine shares, to the bit. Parameters are derived here once, in JavaScript; kernels only use
 * int32 arithmetic and single float32 multiplications, which WGSL, WASM and JavaScript round alike.
 *
 * Requantization (XNNPACK's "fp32"): int32 accumulator → float32, × float32 scale, round half to even, + zero point, clamp.
 * Addition: int32 multipliers with 20 fractional bits and one rounding shift (XNNPACK qs8-vadd). Everything unary on 8 bits
 * (activations, requantization) is a table of 256 entries. Softmax uses integer exponentials and an integer division. A grid that is found at run time
 * takes two float32 divisions, which WGSL does bit by bit.
 */
import { invariant } from "../errors.ts";
import type { DType } from "./dtype.ts";
import type { Activation, Quantization, UnaryAttrs } from "./ir.ts";

/** Round half to even, as IEEE 754 roundTiesToEven; x within ±2^51. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const diff = x - floor;
  if (diff < 0.5) return floor;
  if (diff > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** [smallest, largest] integer of an 8- or 16-bit type. */
export function integerRange(dtype: DType): readonly [number, number] {
  switch (dtype) {
    case "int8":
      return [-128, 127];
    case "uint8":
      return [0, 255];
    case "int16":
      return [-32768, 32767];
    case "uint16":
      return [0, 65535];
    case "int32":
      return [-2147483648, 2147483647];
    default:
      throw new Error(`internal: ${dtype} is not a quantized type`);
  }
}

/** scale, zero point of a per-tensor quantization. */
export function perTensor(quant: Quantization | undefined): { readonly scale: number; readonly zeroPoint: number } {
  const scale = quant?.scales[0];
  const zeroPoint = quant?.zeroPoints[0];
  invariant(quant?.scales.length === 1 && scale !== undefined && zeroPoint !== undefined, "per-tensor quantization expected");
  return { scale, zeroPoint };
}

/** float32 requantization scales, one per output channel (all equal for per-tensor weights). */
export function requantizationScales(input: Quantization, weights: Quantization, output: Quantization, channels: number): Float32Array {
  const sIn = perTensor(input).scale;
  const sOut = perTensor(output).scale;
  const scales = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    const sW = weights.scales.length === 1 ? weights.scales[0]! : weights.scales[c]!;
    scales[c] = Math.fround(Math.fround(sIn * sW) / sOut);
  }
  return scales;
}

/** One accumulator through the requantization above. `min`, `max` are integers of the output type. */
export function requantize(acc: number, scale: number, zeroPoint: number, min: number, max: number): number {
  const q = roundHalfEven(Math.fround(Math.fround(acc) * scale)) + zeroPoint;
  return q < min ? min : q > max ? max : q;
}

/** float32 → integer: × float32 reciprocal of the scale (not a division: WGSL's is not exact), round half to even, + zero point, clamp. */
export function quantizeValue(x: number, inverseScale: number, zeroPoint: number, min: number, max: number): number {
  const q = roundHalfEven(Math.fround(x * inverseScale)) + zeroPoint;
  return q < min ? min : q > max ? max : q;
}

/** The float32 reciprocal that `quantizeValue` takes. */
export function inverseScale(scale: number): number {
  return Math.fround(1 / scale);
}

/** An int8 grid found at run time. */
export interface DynamicGrid {
  readonly scale: number;
  /** float32 reciprocal of the scale. */
  readonly inverse: number;
  /** -128..127 */
  readonly zeroPoint: number;
}

/** Ranges below this are taken for 0: their scale would be no normal float32. */
export const SMALLEST_RANGE = 2 ** -100;

/**
 * The grid that a dynamic layer quantizes its input to: ONNX's DynamicQuantizeLinear on int8 (its uint8 codes less 128), one grid for the whole
 * tensor, 0 always a step. Two things differ from ONNX Runtime in the last place: values and zero point are multiplied by the float32
 * reciprocal of the scale instead of divided by it, and a range below 2^-100 has scale 1.
 * @param min, max smallest and largest value, finite
 */
export function dynamicGrid(min: number, max: number): DynamicGrid {
  const low = Math.min(min, 0);
  const range = Math.fround(Math.max(max, 0) - low);
  if (!(range >= SMALLEST_RANGE)) return { scale: 1, inverse: 1, zeroPoint: -128 };
  const scale = Math.fround(range / 255);
  const inverse = inverseScale(scale);
  return { scale, inverse, zeroPoint: Math.min(Math.max(roundHalfEven(Math.fround(-low * inverse)) - 128, -128), 127) };
}

/** Float32 result of an integer sum in a dynamic layer: two float32 products and a float32 sum, each rounded. */
export function dynamicResult(acc: number, inputScale: number, weightScale: number, bias: number): number {
  return Math.fround(Math.fround(Math.fround(acc) * Math.fround(inputScale * weightScale)) + bias);
}

/** Integer clamp bounds of a fused activation on a quantized output. */
export function quantizedClamp(activation: Activation | undefined, quant: Quantization, dtype: DType): readonly [number, number] {
  const [lo, hi] = integerRange(dtype);
  if (activation === undefined) return [lo, hi];
  invariant(activation.kind === "clamp", `activation ${activation.kind} cannot be fused into an integer op`);
  const { scale, zeroPoint } = perTensor(quant);
  const inverse = inverseScale(scale);
  const bound = (x: number, fallback: number): number => (Number.isFinite(x) ? quantizeValue(x, inverse, zeroPoint, lo, hi) : fallback);
  return [bound(activation.min, lo), bound(activation.max, hi)];
}

/** out = clamp(((bias + a*multA + b*multB) >> shift) + zeroPoint); all int32. */
export interface AddParams {
  readonly multA: number;
  readonly multB: number;
  readonly bias: number;
  readonly shift: number;
  readonly zeroPoint: number;
}

/**
 * Parameters of an integer addition (`sign` +1) or subtraction (-1). The larger multiplier has 21 bits, so the sum stays inside int32.
 * @returns undefined when the scale ratio is outside [2^-10, 2^8), where 20 bits are not enough; the caller then refuses the node.
 */
export function addParams(a: Quantization, b: Quantization, output: Quantization, sign: 1 | -1): AddParams | undefined {
  const out = perTensor(output);
  const qa = perTensor(a);
  const qb = perTensor(b);
  const ratioA = Math.fround(qa.scale / out.scale);
  const ratioB = Math.fround(qb.scale / out.scale);
  const largest = Math.max(ratioA, ratioB);
  if (!(largest >= 2 ** -10 && largest < 2 ** 8)) return undefined;
  const shift = 20 - Math.floor(Math.log2(largest));
  const multA = roundHalfEven(ratioA * 2 ** shift);
  const multB = sign * roundHalfEven(ratioB * 2 ** shift);
  const bias = 2 ** (shift - 1) - multA * qa.zeroPoint - multB * qb.zeroPoint;
  return { multA, multB, bias, shift, zeroPoint: out.zeroPoint };
}

/** Real-valued unary functions, in double precision: the definition that float kernels approximate and integer tables tabulate. */
export function unaryValue(attrs: UnaryAttrs, x: number): number {
  switch (attrs.fn) {
    case "relu":
      return x > 0 ? x : x < 0 ? 0 : x;
    case "leakyrelu":
      return x >= 0 ? x : x * (attrs.alpha ?? 0.01);
    case "clip":
      return Math.min(Math.max(x, attrs.min ?? -Infinity), attrs.max ?? Infinity);
    case "sigmoid":
      return 1 / (1 + Math.exp(-x));
    case "hardsigmoid":
      return Math.min(Math.max((attrs.alpha ?? 0.2) * x + (attrs.beta ?? 0.5), 0), 1);
    case "hardswish":
      return x * Math.min(Math.max(x / 6 + 0.5, 0), 1);
    case "tanh":
      return Math.tanh(x);
    case "sqrt":
      return Math.sqrt(x);
    case "exp":
      return Math.exp(x);
    case "log":
      return Math.log(x);
    case "abs":
      return Math.abs(x);
    case "neg":
      return -x;
    case "reciprocal":
      return 1 / x;
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "erf":
      return erf(x);
  }
}

/** Maclaurin series near zero, continued fraction of erfc beyond 2.5: below 1e-14 everywhere (the usual rational fit errs by 1.5e-7). */
function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 80; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)));
}

/**
 * Table of an 8-bit unary op: entry i is the output for the input byte i (two's complement for int8, so index with `q & 255`).
 * `fn` undefined: plain requantization to another grid.
 */
export function unaryTable(
  attrs: UnaryAttrs | undefined,
  input: Quantization,
  inType: DType,
  output: Quantization,
  outType: DType,
): Int32Array {
  const from = perTensor(input);
  const to = perTensor(output);
  const [lo, hi] = integerRange(outType);
  const table = new Int32Array(256);
  for (let i = 0; i < 256; i++) {
    const q = inType === "int8" ? (i << 24) >> 24 : i;
    const real = (q - from.zeroPoint) * from.scale;
    const y = attrs === undefined ? real : unaryValue(attrs, real);
    const rounded = roundHalfEven(y / to.scale) + to.zeroPoint;
    table[i] = rounded < lo ? lo : rounded > hi ? hi : rounded;
  }
  return table;
}

/** Fractional bits of the integer exponentials: sums of up to 4,095 classes fit in uint32 (4,096 equal ones make exactly 2^32). */
export const SOFTMAX_BITS = 20;

/**
 * exp(-d * scale * beta) for d = 0..255 below the row's maximum, as uint32 with SOFTMAX_BITS fractional bits. A row's output is
 * min(255, floor((e[d] * 256 + floor(sum / 2)) / sum)) - 128 in unsigned 32-bit integers, on the pinned grid (1/256, -128).
 */
export function softmaxTable(input: Quantization, beta: number): Uint32Array {
  const { scale } = perTensor(input);
  const table = new Uint32Array(256);
  for (let d = 0; d < 256; d++) table[d] = Math.round(Math.exp(-d * scale * beta) * 2 ** SOFTMAX_BITS);
  return table;
}
