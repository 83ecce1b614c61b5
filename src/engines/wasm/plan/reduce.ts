/** Pooling, Reduce and Softmax. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { bytesPerElement, elementCount } from "../../../graph/dtype.ts";
import type { NodeWith, Quantization, Shape, Tensor } from "../../../graph/ir.ts";
import { isInt16 } from "../../../graph/int16.ts";
import { isByte, isQuantized, sameQuantization } from "../../cpu/kernels/shared.ts";
import { integerRange, perTensor, quantizedClamp, softmaxTable, unaryTable } from "../../../graph/numerics.ts";
import { REDUCE } from "../codes.ts";
import type { KernelCall, NodePlan, PlanContext, Planner } from "../program.ts";
import { floatPost, integerPost, partialRecord } from "../records.ts";
import { tableCall } from "./elementwise.ts";
import { planInt16Mean, planInt16Pool, planInt16Softmax } from "./int16.ts";
import { CACHE_LINE, RATE, splitRows, splitWindows } from "./split.ts";
import type { Range, WindowImage } from "./split.ts";

type QuantizedTensor = Tensor & { readonly quant: Quantization };

/** Bit that makes uint8 comparable as int8. */
function flipOf(tensor: Tensor): number {
  return tensor.dtype === "uint8" ? 0x80 : 0;
}

/** Parameters of an integer average: output grid, then scale ratio and the input's zero point as signed bytes. */
function averagePost(x: QuantizedTensor, out: QuantizedTensor, lo: number, hi: number): Int32Array {
  const from = perTensor(x.quant);
  const to = perTensor(out.quant);
  return integerPost(to.zeroPoint, lo, hi, [{ f32: Math.fround(from.scale / to.scale) }, { i32: from.zeroPoint - flipOf(x) }]);
}

function imageOf(shape: Shape, outShape: Shape, bytes: number): WindowImage {
  const [batch = 1, , , count = 1] = shape;
  return {
    input: (elementCount(shape) / batch) * bytes,
    output: (elementCount(outShape) / batch) * bytes,
    isPadded: false,
    channels: { count, unit: CACHE_LINE / bytes, bytes, weightBytes: 0 },
  };
}

export function planPool(context: PlanContext, node: NodeWith<"MaxPool2D"> | NodeWith<"AveragePool2D">): NodePlan | undefined {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  const { activation, kernel: window, countIncludePad } = node.attrs;
  const isMax = node.op === "MaxPool2D";
  if (activation?.kind === "hardswish" || elementCount(out.shape) === 0 || node.attrs.pads.some((p) => p < 0)) return undefined;
  if (isInt16(x) && isInt16(out)) return planInt16Pool(context, node, x, out);
  const record = partialRecord(x.shape, out.shape, window, node.attrs, countIncludePad);
  const image = imageOf(x.shape, out.shape, bytesPerElement(x.dtype));
  const cost = (elementCount(out.shape) * window[0] * window[1]) / RATE.depthwise;
  const call = (kernel: string, rest: readonly number[]): KernelCall => {
    const [from, to] = [context.address(x), context.address(out)];
    const args = (xOffset: number, outOffset: number, geometry: number): readonly number[] => [
      ...[from + xOffset, to + outOffset, geometry],
      ...rest,
    ];
    const split = splitWindows(context, record, image, cost, args);
    return { kernel, args: args(0, 0, context.table(record)), split };
  };
  if (x.dtype === "float32" && out.dtype === "float32") {
    const kernel = "f32_pool_direct_1x4__wasm_simd";
    const calls = [call(kernel, [isMax ? 1 : 0, context.table(floatPost(activation))])];
    return { kernel, calls: () => calls };
  }
  if (!isQuantized(x) || !isQuantized(out) || !isByte(x.dtype) || !isByte(out.dtype)) return undefined;
  const [lo, hi] = quantizedClamp(activation, out.quant, out.dtype);
  const post = isMax ? 0 : context.table(averagePost(x, out, lo, hi));
  const kernel = "i8_pool_direct_1x8__wasm_simd";
  const calls = [call(kernel, [isMax ? 1 : 0, flipOf(x), post])];
  if (isMax && (activation !== undefined || x.dtype !== out.dtype || !sameQuantization(x.quant, out.quant))) {
    // The maximum is taken on the input's grid; a table carries it to the output's and clamps it.
    const grid = unaryTable(undefined, x.quant, x.dtype, out.quant, out.dtype);
    const table = context.table(Uint8Array.from(grid, (q) => Math.min(Math.max(q, lo), hi) & 255));
    const at = context.address(out);
    calls.push(tableCall(at, at, elementCount(out.shape), table));
  }
  return { kernel, calls: () => calls };
}

/** [outer, count, inner] of a reduction over neighbouring axes; undefined when kept dimensions lie between reduced ones. */
function middleOf(shape: readonly number[], axes: readonly number[]): readonly [number, number, number] | undefined {
  const reduced = shape.map((size, d) => size !== 1 && axes.includes(d));
  const first = reduced.indexOf(true);
  if (first < 0) return [elementCount(shape), 1, 1];
  const last = reduced.lastIndexOf(true);
  for (let d = first; d <= last; d++) if (!reduced[d] && shape[d] !== 1) return undefined;
  return [elementCount(shape.slice(0, first)), elementCount(shape.slice(first, last + 1)), elementCount(shape.slice(last + 1))];
}

export const planReduce: Planner<"Reduce"> = (context, node) => {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  const { fn, axes } = node.attrs;
  const middle = middleOf(x.shape, axes);
  if (middle === undefined || fn === "prod" || elementCount(x.shape) === 0) return undefined;
  const [outer, count, inner] = middle;
  if (x.dtype === "float32" && out.dtype === "float32") {
    const kernel = "f32_reduce_middle_1x4__wasm_simd";
    const factor = context.table(Float32Array.of(fn === "mean" ? 1 / count : 1));
    const code = fn === "mean" || fn === "sum" ? REDUCE.sum : REDUCE[fn];
    const [from, to] = [context.address(x), context.address(out)];
    const args = (rows: Range, columns: Range): readonly number[] => [
      ...[from + (rows.from * count * inner + columns.from) * 4, to + (rows.from * inner + columns.from) * 4],
      ...[rows.to - rows.from, count, columns.to - columns.from, inner * 4, code, factor],
    ];
    const all = { from: 0, to: inner };
    const cost = elementCount(x.shape) / RATE.map;
    const unit = CACHE_LINE / 4;
    const split =
      outer > 1
        ? splitRows(outer, cost, (rows) => args(rows, all))
        : splitRows(Math.ceil(inner / unit), cost, (part) =>
            args({ from: 0, to: 1 }, { from: part.from * unit, to: Math.min(part.to * unit, inner) }),
          );
    return { kernel, calls: () => [{ kernel, args: args({ from: 0, to: outer }, all), split }] };
  }
  if (fn === "mean" && isInt16(x) && isInt16(out)) return planInt16Mean(context, middle, x, out);
  if (fn !== "mean" || !isQuantized(x) || !isQuantized(out) || !isByte(x.dtype) || !isByte(out.dtype)) return undefined;
  // A mean over the middle is an average pool of `outer` images, `count` × 1 pixels and `inner` channels.
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] } as const;
  const [input, output] = [
    [outer, count, 1, inner],
    [outer, 1, 1, inner],
  ] as const;
  const record = partialRecord(input, output, [count, 1], attrs);
  const post = context.table(averagePost(x, out, ...integerRange(out.dtype)));
  const kernel = "i8_pool_direct_1x8__wasm_simd";
  const args = (inputOffset: number, outputOffset: number, geometry: number): readonly number[] => [
    ...[context.address(x) + inputOffset, context.address(out) + outputOffset, geometry],
    ...[0, flipOf(x), post],
  ];
  const split = splitWindows(context, record, imageOf(input, output, 1), elementCount(x.shape) / RATE.depthwise, args);
  return { kernel, calls: () => [{ kernel, args: args(0, 0, context.table(record)), split }] };
};

/** Sums of 4,096 exponentials of the integer softmax would leave uint32. */
const INTEGER_CLASSES = 4095;

export const planSoftmax: Planner<"Softmax"> = (context, node) => {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  const { axis, beta } = node.attrs;
  const n = x.shape[axis] ?? 1;
  const outer = elementCount(x.shape.slice(0, axis));
  const inner = elementCount(x.shape.slice(axis + 1));
  if (elementCount(x.shape) === 0) return undefined;
  const [from, to] = [context.address(x), context.address(out)];
  if (x.dtype === "float32" && out.dtype === "float32") {
    const factor = context.table(Float32Array.of(beta));
    const kernel = inner === 1 ? "f32_softmax_rows_1x4__wasm_simd" : "f32_softmax_strided_1x4__wasm_simd";
    const row = n * inner * 4;
    const args = (rows: Range): readonly number[] => {
      const start = [from + rows.from * row, to + rows.from * row, rows.to - rows.from, n];
      return inner === 1 ? [...start, factor] : [...start, inner, factor];
    };
    const split = splitRows(outer, elementCount(x.shape) / RATE.math, args);
    return { kernel, calls: () => [{ kernel, args: args({ from: 0, to: outer }), split }] };
  }
  if (isInt16(x) && isInt16(out)) return planInt16Softmax(context, node, x, out);
  if (!isQuantized(x) || !isByte(x.dtype) || x.dtype !== out.dtype || inner !== 1 || n > INTEGER_CLASSES) return undefined;
  const { scale, zeroPoint } = perTensor(out.quant);
  if (scale !== 1 / 256 || zeroPoint !== integerRange(out.dtype)[0]) return undefined;
  const kernel = "i8_softmax_rows_1x1__wasm_simd";
  const rest = [n, context.table(softmaxTable(x.quant, beta)), flipOf(x)];
  const args = (rows: Range): readonly number[] => [from + rows.from * n, to + rows.from * n, rows.to - rows.from, ...rest];
  const split = splitRows(outer, elementCount(x.shape) / RATE.math, args);
  return { kernel, calls: () => [{ kernel, args: args({ from: 0, to: outer }), split }] };
};
