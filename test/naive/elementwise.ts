/** Unary, Binary and Softmax. */
import type { Activation, OpAttrs, UnaryAttrs } from "../../src/graph/ir.ts";
import { clampBounds, requantizeAccumulator } from "./quantize.ts";
import { allIndices, at, f32, roundEven, saturate } from "./tensor.ts";
import type { NaiveOutput, NaiveTensor } from "./tensor.ts";

export function activate(x: number, activation: Activation | undefined): number {
  if (activation === undefined) return x;
  if (activation.kind === "hardswish") return (x * Math.min(Math.max(x + 3, 0), 6)) / 6;
  return Math.min(Math.max(x, activation.min), activation.max);
}

function unary(attrs: UnaryAttrs, x: number): number {
  switch (attrs.fn) {
    case "relu":
      return Math.max(x, 0);
    case "leakyrelu":
      return x < 0 ? attrs.alpha! * x : x;
    case "clip":
      return Math.min(Math.max(x, attrs.min ?? -Infinity), attrs.max ?? Infinity);
    case "sigmoid":
      return 1 / (1 + Math.exp(-x));
    case "hardsigmoid":
      return Math.min(1, Math.max(0, attrs.alpha! * x + attrs.beta!));
    case "hardswish":
      return (x * Math.min(Math.max(x + 3, 0), 6)) / 6;
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
      return erfByIntegration(x);
  }
}

/** 2/√π ∫ exp(-t²) dt from 0 to x, Simpson's rule in 4,000 steps: error below 1e-13 for |x| ≤ 6. */
function erfByIntegration(x: number): number {
  const steps = 4000;
  const h = x / steps;
  let sum = 1 + Math.exp(-x * x);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 1 ? 4 : 2) * Math.exp(-((i * h) ** 2));
  return (2 / Math.sqrt(Math.PI)) * (h / 3) * sum;
}

export function naiveUnary(x: NaiveTensor, attrs: UnaryAttrs, output: NaiveOutput): number[] {
  return Array.from(x.data, (v) => {
    if (x.quant === undefined) return unary(attrs, v);
    const y = unary(attrs, (v - x.quant.zeroPoints[0]!) * x.quant.scales[0]!);
    return saturate(roundEven(y / output.quant!.scales[0]!) + output.quant!.zeroPoints[0]!, output.dtype);
  });
}

export function naiveBinary(a: NaiveTensor, b: NaiveTensor, attrs: OpAttrs["Binary"], output: NaiveOutput): number[] {
  const element = (t: NaiveTensor, index: readonly number[]): number => {
    const own = index.slice(index.length - t.shape.length);
    return at(
      t,
      own.map((i, d) => (t.shape[d] === 1 ? 0 : i)),
    );
  };
  return allIndices(output.shape).map((index) => {
    const x = element(a, index);
    const y = element(b, index);
    return output.quant === undefined ? activate(plain(attrs.fn, x, y, output), attrs.activation) : integer(a, b, x, y, attrs, output);
  });
}

function plain(fn: OpAttrs["Binary"]["fn"], x: number, y: number, output: NaiveOutput): number {
  const float = output.dtype === "float32" || output.dtype === "float64";
  switch (fn) {
    case "add":
      return x + y;
    case "sub":
      return x - y;
    case "mul":
      return float || output.dtype === "int64" ? x * y : Number(BigInt.asIntN(32, BigInt(x) * BigInt(y)));
    case "div":
      return float ? x / y : Math.trunc(x / y);
    case "pow":
      return x ** y;
    case "min":
      return Math.min(x, y);
    case "max":
      return Math.max(x, y);
  }
}

/** The integer add of XNNPACK: 20-bit fixed-point multipliers, one rounding shift (floor of value + half); and a product of differences. */
function integer(a: NaiveTensor, b: NaiveTensor, x: number, y: number, attrs: OpAttrs["Binary"], output: NaiveOutput): number {
  const sa = a.quant!.scales[0]!;
  const sb = b.quant!.scales[0]!;
  const so = output.quant!.scales[0]!;
  const dx = x - a.quant!.zeroPoints[0]!;
  const dy = y - b.quant!.zeroPoints[0]!;
  if (attrs.fn === "mul") return requantizeAccumulator(dx * dy, f32(f32(sa * sb) / so), output, attrs.activation);
  const ratioA = f32(sa / so);
  const ratioB = f32(sb / so);
  let shift = 20;
  let largest = Math.max(ratioA, ratioB);
  for (; largest >= 2; largest /= 2) shift--;
  for (; largest < 1; largest *= 2) shift++;
  const ma = BigInt(roundEven(ratioA * 2 ** shift));
  const mb = BigInt(roundEven(ratioB * 2 ** shift)) * (attrs.fn === "sub" ? -1n : 1n);
  const sum = BigInt(dx) * ma + BigInt(dy) * mb + (1n << BigInt(shift - 1));
  const [lo, hi] = clampBounds(attrs.activation, output);
  return Math.min(Math.max(Number(sum >> BigInt(shift)) + output.quant!.zeroPoints[0]!, lo), hi);
}

/** exp in 20 bits as a product of two tabulated factors, the quotient rounded half up to 15 bits. */
function wideProbability(row: readonly number[], value: number, step: number): number {
  const max = Math.max(...row);
  const exponential = (v: number): bigint => {
    const fine = (max - v) % 256;
    const [high, low] = [Math.exp(-(max - v - fine) * step) * 2 ** 15, Math.exp(-fine * step) * 2 ** 16];
    return (BigInt(Math.round(high)) * BigInt(Math.round(low))) / 2n ** 11n;
  };
  const total = row.reduce((sum, v) => sum + exponential(v), 0n);
  return Math.min(32767, Number((exponential(value) * 2n ** 16n + total) / (2n * total)));
}

export function naiveSoftmax(x: NaiveTensor, attrs: OpAttrs["Softmax"]): number[] {
  return allIndices(x.shape).map((index) => {
    const row = Array.from({ length: x.shape[attrs.axis]! }, (_, i) => at(x, index.with(attrs.axis, i)));
    const max = Math.max(...row);
    if (x.quant === undefined) {
      const total = row.reduce((sum, v) => sum + Math.exp(attrs.beta * (v - max)), 0);
      return Math.exp(attrs.beta * (at(x, index) - max)) / total;
    }
    if (x.dtype === "int16") return wideProbability(row, at(x, index), x.quant.scales[0]! * attrs.beta);
    const exponential = (v: number): bigint => BigInt(Math.round(Math.exp((v - max) * x.quant!.scales[0]! * attrs.beta) * 2 ** 20));
    const total = row.reduce((sum, v) => sum + exponential(v), 0n);
    const q = Number((exponential(at(x, index)) * 256n + total / 2n) / total);
    return Math.min(q, 255) + (x.dtype === "int8" ? -128 : 0);
  });
}
