/** Pools, Reduce, Softmax. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import { isInt16 } from "../../../graph/int16.ts";
import type { NodeWith, Tensor } from "../../../graph/ir.ts";
import { softmaxTable } from "../../../graph/numerics.ts";
import { MAX_RANK, dims, f, u } from "../step.ts";
import { formatOf, rowLength, rowWords, storedShift, storedSteps, storedWords } from "../storage.ts";
import { activationWords, isQuantizedByte, sameGrid, storedTable } from "./context.ts";
import type { Lowering } from "./context.ts";
import { lowerInt16Pool, lowerInt16Reduce, lowerInt16Softmax } from "./int16.ts";
import { storedClamp, storedZero } from "./quantized.ts";

/** Sums of exponentials must stay below 2^32 (numerics.ts: 20 fractional bits). */
const MAX_INTEGER_CLASSES = 4095;

export function lowerPool(c: Lowering, node: NodeWith<"MaxPool2D"> | NodeWith<"AveragePool2D">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const { attrs } = node;
  const { kernel, strides, dilations, pads } = attrs;
  const integer = formatOf(x) === "i8";
  const channels = integer ? rowWords(x.shape) : x.shape[3]!;
  const threads = integer ? storedWords(out) : elementCount(out.shape);
  const fn = node.op === "MaxPool2D" ? "max" : "avg";
  const geometry = [
    ...u(threads, channels, x.shape[1]!, x.shape[2]!, out.shape[1]!, out.shape[2]!, ...kernel, ...strides, pads[0], pads[1], ...dilations),
    ...u(x.shape[1]! + pads[2], x.shape[2]! + pads[3], attrs.countIncludePad ? 1 : 0),
  ];
  if (!integer) {
    if (isInt16(x) && isInt16(out)) {
      lowerInt16Pool(c, node, geometry, x, out);
      return;
    }
    if (formatOf(x) !== "f32") throw c.unsupported(`${x.dtype}, expected float32 or 8 bits with one scale`);
    const params = [...geometry, ...activationWords(attrs.activation), ...u(0, 0, 0, 0, 0)];
    c.flat({ kernel: `f32_${fn}pool__wgsl`, params, inputs: [c.operand(x)], output: out, threads });
    return;
  }
  if (!isQuantizedByte(x) || !isQuantizedByte(out)) throw c.unsupported(`${x.dtype} to ${out.dtype}, expected both 8 bits with one scale`);
  const [lo, hi] = storedClamp(c, attrs.activation, out);
  let table: Uint32Array;
  if (fn === "max") {
    table = storedTable(undefined, x, out);
  } else {
    const ratio = Math.fround(x.quant.scales[0]! / out.quant.scales[0]!);
    const scales = Float32Array.from({ length: kernel[0] * kernel[1] + 1 }, (_, n) => (n === 0 ? 0 : ratio / n));
    table = new Uint32Array(scales.buffer);
  }
  const useTable = fn === "max" && !sameGrid(x, out) ? 1 : 0;
  const params = [...geometry, ...activationWords(undefined), ...u(storedZero(x), storedZero(out), lo, hi, useTable)];
  c.flat({ kernel: `i8_${fn}pool__wgsl`, params, inputs: [c.operand(x), c.constant("table", table)], output: out, threads });
}

interface AxisStep {
  size: number;
  step: number;
}

/** Merges neighbours that step together, drops axes of one. */
function merge(axes: readonly AxisStep[]): AxisStep[] {
  const merged: AxisStep[] = [];
  for (const { size, step } of axes) {
    if (size === 1) continue;
    const outer = merged[merged.length - 1];
    if (outer?.step === step * size) {
      outer.size *= size;
      outer.step = step;
    } else {
      merged.push({ size, step });
    }
  }
  return merged;
}

export function lowerReduce(c: Lowering, node: NodeWith<"Reduce">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const { fn, axes } = node.attrs;
  const format = formatOf(x);
  const steps = storedSteps(format, x.shape);
  const all = x.shape.map((size, d) => ({ size, step: steps[d]!, reduced: axes.includes(d) }));
  const kept = merge(all.filter((a) => !a.reduced));
  const reduced = merge(all.filter((a) => a.reduced));
  if (kept.length > MAX_RANK || reduced.length > MAX_RANK)
    throw c.unsupported(`rank ${x.shape.length}, expected at most ${MAX_RANK} separate dimensions`);
  const count = all.reduce((n, a) => (a.reduced ? n * a.size : n), 1);
  const tail = [kept, reduced].flatMap((list) => [...dims(list.map((a) => a.size)), ...dims(list.map((a) => a.step))]);
  if (format === "f32") {
    const threads = elementCount(out.shape);
    const params = [...u(threads, kept.length, reduced.length, count, 0, 0, 0), ...f(0), ...u(0, 0, 0, 0), ...tail];
    c.flat({ kernel: `f32_reduce_${fn}_strided__wgsl`, params, inputs: [c.operand(x)], output: out, threads });
    return;
  }
  if (isInt16(x) && isInt16(out)) {
    lowerInt16Reduce(c, fn, [kept.length, reduced.length, count], tail, x, out);
    return;
  }
  if (!isQuantizedByte(x) || !isQuantizedByte(out))
    throw c.unsupported(`${fn} of ${x.dtype} to ${out.dtype}, expected float32 or both 8 bits with one scale`);
  if (fn === "prod") throw c.unsupported("product of a quantized tensor", "Dequantize it first.");
  const ratio = Math.fround(x.quant.scales[0]! / out.quant.scales[0]!);
  const scale = fn === "mean" ? Math.fround(ratio / count) : ratio;
  const threads = storedWords(out);
  const params = [
    ...u(threads, kept.length, reduced.length, count, rowLength(out.shape), storedZero(x), storedZero(out)),
    ...f(scale),
    ...u(sameGrid(x, out) ? 0 : 1, 0, 0, 0),
    ...tail,
  ];
  if (fn === "mean" || fn === "sum") {
    c.flat({ kernel: "i8_reduce_sum_strided__wgsl", params, inputs: [c.operand(x)], output: out, threads });
    return;
  }
  const inputs = [c.operand(x), c.constant("table", storedTable(undefined, x, out))];
  c.flat({ kernel: `i8_reduce_${fn}_strided__wgsl`, params, inputs, output: out, threads });
}

/** The grid that integer softmax pins its output to, in stored bytes. */
function isPinned(out: Tensor): boolean {
  return out.quant?.scales[0] === 1 / 256 && out.quant.zeroPoints[0] === storedShift(out.dtype) - 128;
}

export function lowerSoftmax(c: Lowering, node: NodeWith<"Softmax">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const { axis, beta } = node.attrs;
  const length = x.shape[axis]!;
  const outer = elementCount(x.shape.slice(0, axis));
  if (formatOf(x) === "f32") {
    const inner = elementCount(x.shape.slice(axis + 1));
    const threads = outer * inner;
    const params = [...u(threads, length, inner), ...f(beta)];
    c.flat({ kernel: "f32_softmax_row__wgsl", params, inputs: [c.operand(x)], output: out, threads });
    return;
  }
  if (isInt16(x) && isInt16(out)) {
    lowerInt16Softmax(c, node, x, out);
    return;
  }
  if (!isQuantizedByte(x) || !isQuantizedByte(out) || x.dtype !== out.dtype)
    throw c.unsupported(`${x.dtype} to ${out.dtype}, expected the same 8-bit type with one scale`);
  if (!isPinned(out)) {
    throw c.unsupported(
      `output scale ${out.quant.scales[0]!} and zero point ${out.quant.zeroPoints[0]!}, expected 1/256 and ${storedShift(out.dtype) - 128}`,
    );
  }
  if (length > MAX_INTEGER_CLASSES) throw c.unsupported(`${length} classes in 8 bits, expected at most ${MAX_INTEGER_CLASSES}`);
  const inputs = [c.operand(x), c.constant("exponentials", softmaxTable(x.quant, beta))];
  if (axis === x.shape.length - 1) {
    c.flat({ kernel: "i8_softmax_row__wgsl", params: u(outer, length, rowWords(x.shape)), inputs, output: out, threads: outer });
    return;
  }
  const inner = elementCount(x.shape.slice(axis + 1, -1)) * rowWords(x.shape);
  c.flat({ kernel: "i8_softmax_column__wgsl", params: u(outer * inner, length, inner), inputs, output: out, threads: outer * inner });
}
