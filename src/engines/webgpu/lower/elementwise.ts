/** Unary, Binary, Cast, Quantize, Dequantize, Requantize. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import { isInt16 } from "../../../graph/int16.ts";
import type { NodeWith, Quantization, Tensor, UnaryAttrs } from "../../../graph/ir.ts";
import { addParams, integerRange, inverseScale } from "../../../graph/numerics.ts";
import { MAX_RANK, dims, f, u } from "../step.ts";
import { formatOf, rowLength, rowWords, storedShift, storedWords } from "../storage.ts";
import { activationWords, finite, isQuantized, isQuantizedByte, storedTable } from "./context.ts";
import type { Lowering, QuantizedTensor } from "./context.ts";
import { int16BinaryParams, lowerInt16Quantize, lowerInt16Requantize, lowerInt16Unary } from "./int16.ts";
import { storedClamp, storedZero } from "./quantized.ts";
import { broadcastSteps, lowerView } from "./move.ts";

function tableKernel(c: Lowering, x: Tensor, out: Tensor, table: Uint32Array): void {
  const threads = storedWords(out);
  c.flat({ kernel: "i8_unary_table__wgsl", params: u(threads), inputs: [c.operand(x), c.constant("table", table)], output: out, threads });
}

/** Defaults as the IR states them. */
function unaryParams(attrs: UnaryAttrs): number[] {
  const alpha = attrs.alpha ?? (attrs.fn === "leakyrelu" ? 0.01 : 0.2);
  return f(alpha, attrs.beta ?? 0.5, finite(attrs.min ?? -Infinity), finite(attrs.max ?? Infinity));
}

export function lowerUnary(c: Lowering, node: NodeWith<"Unary">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const { attrs } = node;
  if (formatOf(x) === "f32" && formatOf(out) === "f32") {
    const count4 = Math.ceil(elementCount(out.shape) / 4);
    const params = [...u(count4), ...unaryParams(attrs)];
    c.flat({ kernel: `f32_unary_${attrs.fn}__wgsl`, params, inputs: [c.operand(x)], output: out, threads: count4 });
    return;
  }
  if (isInt16(x) && isInt16(out)) {
    lowerInt16Unary(c, attrs, x, out);
    return;
  }
  if (!isQuantizedByte(x) || !isQuantizedByte(out))
    throw c.unsupported(`${attrs.fn} of ${x.dtype} to ${out.dtype}, expected float32 or 8 bits with one scale`);
  tableKernel(c, x, out, storedTable(attrs, x, out));
}

interface BroadcastAxis {
  size: number;
  a: number;
  b: number;
}

/** Axes of the output with the steps of both operands; neighbours that step together are merged. */
function broadcastAxes(sizes: readonly number[], a: readonly number[], b: readonly number[]): BroadcastAxis[] {
  const axes: BroadcastAxis[] = [];
  sizes.forEach((size, d) => {
    if (size === 1) return;
    const outer = axes[axes.length - 1];
    if (outer?.a === a[d]! * size && outer.b === b[d]! * size) {
      outer.size *= size;
      outer.a = a[d]!;
      outer.b = b[d]!;
    } else {
      axes.push({ size, a: a[d]!, b: b[d]! });
    }
  });
  return axes;
}

function checkedAxes(c: Lowering, sizes: readonly number[], a: readonly number[], b: readonly number[]): BroadcastAxis[] {
  const axes = broadcastAxes(sizes, a, b);
  if (axes.length > MAX_RANK) throw c.unsupported(`${axes.length} separate dimensions, expected at most ${MAX_RANK}`);
  return axes;
}

function axisWords(axes: readonly BroadcastAxis[]): number[] {
  return [...dims(axes.map((x) => x.size)), ...dims(axes.map((x) => x.a)), ...dims(axes.map((x) => x.b))];
}

/**
 * Units of four after which a float operand repeats in the output's order: 0 for a single value, all of it for one of the output's shape;
 * undefined when it repeats otherwise.
 */
function repeatUnits(x: Tensor, out: Tensor): number | undefined {
  const size = elementCount(x.shape);
  if (size === 1) return 0;
  if (size === elementCount(out.shape)) return Math.ceil(size / 4);
  const trimmed = x.shape.slice(x.shape.findIndex((n) => n !== 1));
  const isSuffix = trimmed.every((n, d) => n === out.shape[out.shape.length - trimmed.length + d]);
  return isSuffix && size % 4 === 0 ? size / 4 : undefined;
}

export function lowerBinary(c: Lowering, node: NodeWith<"Binary">): void {
  if (c.added()) return;
  const a = requireInput(c.graph, node, 0);
  const b = requireInput(c.graph, node, 1);
  const out = outputTensor(c.graph, node);
  const { fn, activation } = node.attrs;
  if (isInt16(a) && isInt16(b) && isInt16(out)) {
    const { kernel, params } = int16BinaryParams(c, node, [a, b, out]);
    const axes = checkedAxes(c, out.shape, broadcastSteps(a, out.shape.length), broadcastSteps(b, out.shape.length));
    const threads = elementCount(out.shape);
    const all = [...u(threads, axes.length), ...params, ...axisWords(axes)];
    c.flat({ kernel, params: all, inputs: [c.operand(a), c.operand(b)], output: out, threads });
    return;
  }
  if (isQuantized(out)) {
    lowerQuantizedBinary(c, node, a, b, out);
    return;
  }
  const formats = [a, b, out].map(formatOf);
  const count = elementCount(out.shape);
  const inputs = [c.operand(a), c.operand(b)];
  if (formats.every((format) => format === "f32")) {
    const repeatA = repeatUnits(a, out);
    const repeatB = repeatUnits(b, out);
    if (repeatA !== undefined && repeatB !== undefined) {
      const count4 = Math.ceil(count / 4);
      const params = [...u(count4, repeatA, repeatB), ...activationWords(activation)];
      c.flat({ kernel: `f32_binary_${fn}_flat__wgsl`, params, inputs, output: out, threads: count4 });
      return;
    }
    const axes = checkedAxes(c, out.shape, broadcastSteps(a, out.shape.length), broadcastSteps(b, out.shape.length));
    const params = [...u(count, axes.length), ...activationWords(activation), ...u(0, 0, 0), ...axisWords(axes)];
    c.flat({ kernel: `f32_binary_${fn}_broadcast__wgsl`, params, inputs, output: out, threads: count });
    return;
  }
  const plain = [a, b, out].every((t) => t.dtype === "int32");
  if (!plain || fn === "pow" || activation !== undefined) {
    throw c.unsupported(`${fn} of ${a.dtype} and ${b.dtype} to ${out.dtype}, expected float32, int32 or quantized 8-bit tensors`);
  }
  const axes = checkedAxes(c, out.shape, broadcastSteps(a, out.shape.length), broadcastSteps(b, out.shape.length));
  const params = [...u(count, axes.length), ...activationWords(undefined), ...u(0, 0, 0), ...axisWords(axes)];
  c.flat({ kernel: `i32_binary_${fn}_broadcast__wgsl`, params, inputs, output: out, threads: count });
}

function lowerQuantizedBinary(c: Lowering, node: NodeWith<"Binary">, a: Tensor, b: Tensor, out: QuantizedTensor): void {
  const { fn, activation } = node.attrs;
  if (!isQuantizedByte(a) || !isQuantizedByte(b) || !isQuantizedByte(out)) {
    throw c.unsupported(`${fn} of ${a.dtype} and ${b.dtype} to quantized ${out.dtype}, expected 8-bit tensors with one scale`);
  }
  if (fn !== "add" && fn !== "sub" && fn !== "mul") throw c.unsupported(`${fn} on quantized tensors, expected add, sub or mul`);
  const [lo, hi] = storedClamp(c, activation, out);
  const outZero = storedZero(out);
  const rank = out.shape.length;
  const words = rowWords(out.shape);
  const outer = out.shape.slice(0, -1);
  const wordSteps = (x: Tensor): number[] => broadcastSteps(x, rank).map((step) => step / 4);
  const axes = checkedAxes(c, outer, wordSteps(a).slice(0, -1), wordSteps(b).slice(0, -1));
  const threads = storedWords(out);
  // A last axis of one repeats its byte; in an output whose last axis is one, too, either reading is right.
  const last = (x: Tensor): number => (rowLength(x.shape) === rowLength(out.shape) ? 1 : 0);
  const head = u(threads, axes.length, words, last(a), last(b));
  let middle: number[];
  if (fn === "mul") {
    const scale = Math.fround(Math.fround(a.quant.scales[0]! * b.quant.scales[0]!) / out.quant.scales[0]!);
    middle = [...u(0, 0, 0, 0, storedZero(a), storedZero(b)), ...f(scale)];
  } else {
    const params = addParams(a.quant, b.quant, out.quant, fn === "add" ? 1 : -1);
    if (params === undefined) {
      throw c.unsupported(
        `input scales ${a.quant.scales[0]!} and ${b.quant.scales[0]!} against output scale ${out.quant.scales[0]!}, expected a ratio in [2^-10, 2^8)`,
        "Quantize with closer ranges, or leave this node in float32.",
      );
    }
    // Stored bytes are less by 128 for uint8: the bias makes up for it.
    const bias = (params.bias + Math.imul(params.multA, storedShift(a.dtype)) + Math.imul(params.multB, storedShift(b.dtype))) | 0;
    middle = [...u(params.multA, params.multB, bias, params.shift, 0, 0), ...f(0)];
  }
  const params = [...head, ...middle, ...u(outZero, lo, hi, 0), ...axisWords(axes)];
  const kernel = fn === "mul" ? "i8_binary_mul__wgsl" : "i8_binary_add__wgsl";
  c.flat({ kernel, params, inputs: [c.operand(a), c.operand(b)], output: out, threads });
}

/** Neighbouring elements that share a scale, and the number of scales. */
function channelLayout(quant: Quantization, shape: readonly number[]): readonly [number, number] {
  if (quant.scales.length === 1) return [1, 1];
  return [elementCount(shape.slice((quant.axis ?? 0) + 1)), quant.scales.length];
}

export function lowerQuantize(c: Lowering, node: NodeWith<"Quantize">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  if (formatOf(x) === "f32" && isInt16(out)) {
    lowerInt16Quantize(c, x, out, inverseScale(out.quant.scales[0]!));
    return;
  }
  if (formatOf(x) !== "f32" || formatOf(out) !== "i8" || !isQuantized(out))
    throw c.unsupported(`${x.dtype} to ${out.dtype}, expected float32 to 8 bits with scales, or to int16 with one scale and zero point 0`);
  const shift = storedShift(out.dtype);
  const [lo, hi] = integerRange(out.dtype);
  const [inner, channels] = channelLayout(out.quant, x.shape);
  const threads = storedWords(out);
  const inputs = [
    c.operand(x),
    c.constant("inverse scales", out.quant.scales.map(inverseScale)),
    c.constant(
      "zero points",
      out.quant.zeroPoints.map((z) => z - shift),
    ),
  ];
  c.flat({
    kernel: "i8_quantize_rows__wgsl",
    params: u(threads, rowLength(out.shape), inner, channels, lo - shift, hi - shift),
    inputs,
    output: out,
    threads,
  });
}

function dequantize(c: Lowering, x: Tensor, quant: Quantization, out: Tensor): void {
  const bytes = formatOf(x) === "i8";
  const shift = storedShift(x.dtype);
  const [inner, channels] = channelLayout(quant, x.shape);
  const threads = elementCount(out.shape);
  const inputs = [
    c.operand(x),
    c.constant("scales", quant.scales),
    c.constant(
      "zero points",
      quant.zeroPoints.map((z) => z - shift),
    ),
  ];
  const kernel = bytes ? "f32_dequantize_bytes__wgsl" : "f32_dequantize_words__wgsl";
  c.flat({ kernel, params: u(threads, rowLength(x.shape), inner, channels), inputs, output: out, threads });
}

export function lowerDequantize(c: Lowering, node: NodeWith<"Dequantize">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  if (!isQuantized(x) || formatOf(out) !== "f32")
    throw c.unsupported(`${x.dtype} to ${out.dtype}, expected an integer tensor with scales to float32`);
  dequantize(c, x, x.quant, out);
}

export function lowerRequantize(c: Lowering, node: NodeWith<"Requantize">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  if (isInt16(x) && isInt16(out)) {
    lowerInt16Requantize(c, x, out);
    return;
  }
  if (!isQuantizedByte(x) || !isQuantizedByte(out)) throw c.unsupported(`${x.dtype} to ${out.dtype}, expected 8 bits with one scale each`);
  tableKernel(c, x, out, storedTable(undefined, x, out));
}

export function lowerCast(c: Lowering, node: NodeWith<"Cast">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const from = formatOf(x);
  const to = formatOf(out);
  if (from === "i8" && to === "f32") {
    dequantize(c, x, { scales: Float32Array.of(1), zeroPoints: Int32Array.of(0) }, out);
    return;
  }
  // Narrower integers would wrap; only types that hold a whole word convert without a rule of their own.
  const wide =
    out.dtype === "int32" || out.dtype === "int64" || out.dtype === "bool" || to === "f32" || x.dtype === out.dtype || x.dtype === "bool";
  if (from === "i8" || to === "i8" || !wide || x.dtype === "uint32") throw c.unsupported(`${x.dtype} to ${out.dtype}`);
  const target = out.dtype === "bool" ? "bool" : to;
  if (from === target || (from === "i32" && target === "i32")) {
    lowerView(c, x, out);
    return;
  }
  const threads = elementCount(out.shape);
  c.flat({ kernel: `any_cast_${from}_${target}__wgsl`, params: u(threads), inputs: [c.operand(x)], output: out, threads });
}
