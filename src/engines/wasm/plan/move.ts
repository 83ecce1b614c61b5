/**
 * Ops that only move elements: Reshape (when it is not an alias), Transpose, Slice, Expand, Concat, Gather, Pad, nearest Resize. Between
 * 8-bit grids the moved bytes then go through a table.
 */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { bytesPerElement, elementCount } from "../../../graph/dtype.ts";
import type { Node, NodeWith, Tensor } from "../../../graph/ir.ts";
import { isByte, isQuantized, sameQuantization, stridesOf } from "../../cpu/kernels/shared.ts";
import { integerRange, inverseScale, perTensor, quantizeValue } from "../../../graph/numerics.ts";
import type { KernelCall, NodePlan, PlanContext, Planner } from "../program.ts";
import { byteTable, tableCall } from "./elementwise.ts";
import { CACHE_LINE, RATE, splitRows, splitRun } from "./split.ts";
import type { Range } from "./split.ts";
import { broadcastStrides, mergeLoops, padLoops } from "./strides.ts";

const ROWS = "any_copy_rows__wasm_simd";
const STRIDED = "any_copy_strided__wasm_simd";
const GATHER = "any_gather_rows__wasm_simd";
const TRANSPOSE = "any_transpose_4x4__wasm_simd";
/** Entries of a gather table beyond which the CPU engine's loops are as good. */
const GATHER_LIMIT = 1 << 20;

/** Whether bytes may move as they are ("same"), need a table ("table"), or cannot be moved by these kernels. */
function gridChange(x: Tensor, out: Tensor): "same" | "table" | undefined {
  if (x.dtype === out.dtype && sameQuantization(x.quant, out.quant)) return "same";
  if (!isQuantized(x) && !isQuantized(out)) return x.dtype === out.dtype ? "same" : undefined;
  const bytes = isByte(x.dtype) && isByte(out.dtype) && isQuantized(x) && isQuantized(out);
  return bytes && x.quant.scales.length === 1 && out.quant.scales.length === 1 ? "table" : undefined;
}

/** In-place pass over the output when it lies on another grid than the input. */
function regrid(context: PlanContext, x: Tensor, out: Tensor): readonly KernelCall[] {
  if (gridChange(x, out) !== "table" || !isQuantized(x) || !isQuantized(out)) return [];
  const at = context.address(out);
  return [tableCall(at, at, elementCount(out.shape), byteTable(context, x, out, undefined))];
}

/**
 * The call that copies between two strided views of `dims`; strides in elements.
 * @returns undefined when it needs more loops than the kernel has
 */
function copyCall(
  context: PlanContext,
  from: number,
  to: number,
  dims: readonly number[],
  fromStrides: readonly number[],
  toStrides: readonly number[],
  elementBytes: number,
): KernelCall | undefined {
  const merged = mergeLoops(dims, [fromStrides, toStrides]);
  const [source = [], target = []] = merged.strides;
  const d = merged.dims;
  const rank = d.length;
  const last = rank - 1;
  if (elementBytes === 4 && (rank === 2 || rank === 3)) {
    // [rows][columns] of the source are [columns][rows] of the target, in a batch.
    const [columns, rows] = [d[last - 1]!, d[last]!];
    const swapped = source[last] === columns && source[last - 1] === 1 && target[last] === 1 && target[last - 1] === rows;
    const batch = rank === 3 ? d[0]! : 1;
    if (swapped && (rank === 2 || (source[0] === rows * columns && target[0] === rows * columns))) {
      return transposeCall(from, to, batch, rows, columns);
    }
  }
  if (rank <= 2 && source[last] === 1 && target[last] === 1) {
    const count = rank === 1 ? 1 : d[0]!;
    const stride = (strides: readonly number[]): number => (rank === 1 ? 0 : strides[0]! * elementBytes);
    return rowsCall(from, stride(source), to, stride(target), d[last]! * elementBytes, count);
  }
  const loops = padLoops(merged, 5);
  if (loops === undefined) return undefined;
  const bytes = loops.strides.map((strides) => strides.map((s) => s * elementBytes));
  const longer = loops.dims.findIndex((size) => size > 1);
  const axis = longer < 0 ? rank - 1 : longer;
  const args = (part: Range): readonly number[] => {
    const sizes = loops.dims.map((size, i) => (i === axis ? part.to - part.from : size));
    const table = context.table(Int32Array.of(elementBytes, ...sizes, ...bytes[0]!, ...bytes[1]!));
    return [from + part.from * bytes[0]![axis]!, to + part.from * bytes[1]![axis]!, table];
  };
  const count = loops.dims[axis]!;
  const split = splitRows(count, elementCount(dims) / RATE.map, args);
  return { kernel: STRIDED, args: args({ from: 0, to: count }), split };
}

/** `batch` matrices [rows][columns] of 32-bit elements; shared by matrices, or by rows of the one, whose elements fill cache lines of the target. */
export function transposeCall(from: number, to: number, batch: number, rows: number, columns: number): KernelCall {
  const [fromStride, toStride] = [columns * 4, rows * 4];
  const cost = (batch * rows * fromStride) / RATE.transpose;
  const args = (matrices: Range, part: Range): readonly number[] => [
    ...[from + matrices.from * rows * fromStride + part.from * fromStride, fromStride],
    ...[to + matrices.from * columns * toStride + part.from * 4, toStride],
    ...[matrices.to - matrices.from, part.to - part.from, columns],
  ];
  const [one, all] = [
    { from: 0, to: batch },
    { from: 0, to: rows },
  ];
  const unit = CACHE_LINE / 4;
  const split =
    batch > 1
      ? splitRows(batch, cost, (matrices) => args(matrices, all))
      : splitRows(Math.ceil(rows / unit), cost, (part) => args(one, { from: part.from * unit, to: Math.min(part.to * unit, rows) }));
  return { kernel: TRANSPOSE, args: args(one, all), split };
}

function rowsCall(from: number, fromStride: number, to: number, toStride: number, rowBytes: number, count: number): KernelCall {
  const args = (part: Range): readonly number[] => [
    ...[from + part.from * fromStride, fromStride, to + part.from * toStride, toStride, rowBytes],
    part.to - part.from,
  ];
  return { kernel: ROWS, args: args({ from: 0, to: count }), split: splitRows(count, (rowBytes * count) / RATE.bytes, args) };
}

/** out = x read from element `offset` with `steps` elements per output dimension. */
function planStrided(
  context: PlanContext,
  node: Node,
  steps: (x: Tensor, out: Tensor) => readonly number[],
  offset = 0,
): NodePlan | undefined {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  if (gridChange(x, out) === undefined || elementCount(out.shape) === 0) return undefined;
  const size = bytesPerElement(x.dtype);
  const from = context.address(x) + offset * size;
  const call = copyCall(context, from, context.address(out), out.shape, steps(x, out), stridesOf(out.shape), size);
  if (call === undefined) return undefined;
  const calls = [call, ...regrid(context, x, out)];
  return { kernel: call.kernel, calls: () => calls };
}

export const planReshape: Planner<"Reshape"> = (context, node) => planStrided(context, node, (_, out) => stridesOf(out.shape));

export const planTranspose: Planner<"Transpose"> = (context, node) =>
  planStrided(context, node, (x) => {
    const strides = stridesOf(x.shape);
    return node.attrs.perm.map((d) => strides[d]!);
  });

export const planExpand: Planner<"Expand"> = (context, node) =>
  planStrided(context, node, (x, out) => broadcastStrides(x.shape, out.shape));

export const planSlice: Planner<"Slice"> = (context, node) => {
  const strides = stridesOf(requireInput(context.graph, node, 0).shape);
  const offset = node.attrs.starts.reduce((sum, start, d) => sum + start * strides[d]!, 0);
  return planStrided(context, node, () => node.attrs.steps.map((step, d) => step * strides[d]!), offset);
};

export const planConcat: Planner<"Concat"> = (context, node) => {
  const out = outputTensor(context.graph, node);
  const inputs = node.inputs.map((_, i) => requireInput(context.graph, node, i));
  if (elementCount(out.shape) === 0 || inputs.some((x) => gridChange(x, out) === undefined)) return undefined;
  const size = bytesPerElement(out.dtype);
  const { axis } = node.attrs;
  const outer = elementCount(out.shape.slice(0, axis));
  const inner = elementCount(out.shape.slice(axis + 1)) * size;
  const rowBytes = out.shape[axis]! * inner;
  let start = context.address(out);
  const parts = inputs
    .filter((x) => elementCount(x.shape) > 0)
    .map((x) => {
      const bytes = x.shape[axis]! * inner;
      const table =
        gridChange(x, out) === "table" && isQuantized(x) && isQuantized(out) ? byteTable(context, x, out, undefined) : undefined;
      const part = { from: context.address(x), to: start, bytes, table };
      start += bytes;
      return part;
    });
  const scratchBytes = Math.max(0, ...parts.map(({ table, bytes }) => (table === undefined ? 0 : bytes * outer)));
  return {
    kernel: ROWS,
    scratchBytes,
    calls: (scratch) =>
      parts.flatMap(({ from, to, bytes, table }): KernelCall[] => {
        const copy = (source: number): KernelCall => rowsCall(source, bytes, to, rowBytes, bytes, outer);
        if (table === undefined) return [copy(from)];
        return [tableCall(from, scratch, bytes * outer, table), copy(scratch)];
      }),
  };
};

/** Row gather: `table` of source rows, each `rowElements` long. */
function planRows(context: PlanContext, x: Tensor, out: Tensor, table: Int32Array, rowElements: number): NodePlan | undefined {
  if (gridChange(x, out) === undefined || table.length > GATHER_LIMIT) return undefined;
  const size = bytesPerElement(x.dtype);
  const offsets = context.table(table.map((row) => row * rowElements * size));
  const [from, to] = [context.address(x), context.address(out)];
  const rowBytes = rowElements * size;
  const args = (part: Range): readonly number[] => [
    ...[from, offsets + part.from * 4, to + part.from * rowBytes, rowBytes],
    part.to - part.from,
  ];
  const split = splitRows(table.length, (table.length * rowBytes) / RATE.bytes, args);
  const calls = [{ kernel: GATHER, args: args({ from: 0, to: table.length }), split }, ...regrid(context, x, out)];
  return { kernel: GATHER, calls: () => calls };
}

export const planGather: Planner<"Gather"> = (context, node) => {
  const x = requireInput(context.graph, node, 0);
  const indices = requireInput(context.graph, node, 1);
  const out = outputTensor(context.graph, node);
  const { axis } = node.attrs;
  const size = x.shape[axis]!;
  // Run-time indices are left to the CPU engine, which checks them.
  if (indices.data === undefined || elementCount(out.shape) === 0) return undefined;
  const at = Array.from(indices.data, (i) => (i < 0 ? i + size : i));
  if (at.some((i) => !(i >= 0 && i < size))) return undefined;
  const outer = elementCount(x.shape.slice(0, axis));
  if (outer * at.length > GATHER_LIMIT) return undefined;
  const table = Int32Array.from({ length: outer * at.length }, (_, i) => Math.floor(i / at.length) * size + at[i % at.length]!);
  return planRows(context, x, out, table, elementCount(x.shape.slice(axis + 1)));
};

/** NHWC rows of channels picked by two index maps. */
export function planPixelMap(
  context: PlanContext,
  node: NodeWith<"Resize">,
  rows: ArrayLike<number>,
  columns: ArrayLike<number>,
): NodePlan | undefined {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  const [n = 1, h = 1, w = 1, c = 1] = x.shape;
  const pixels = rows.length * columns.length;
  if (n * pixels > GATHER_LIMIT || elementCount(out.shape) === 0) return undefined;
  const table = Int32Array.from({ length: n * pixels }, (_, i) => {
    const image = Math.floor(i / pixels);
    const pixel = i - image * pixels;
    return (image * h + rows[Math.floor(pixel / columns.length)]!) * w + columns[pixel % columns.length]!;
  });
  return planRows(context, x, out, table, c);
}

export const planPad: Planner<"Pad"> = (context, node) => {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  const { before, after, mode, value } = node.attrs;
  if (mode !== "constant" || gridChange(x, out) === undefined || elementCount(x.shape) === 0) return undefined;
  if (before.some((b) => b < 0) || after.some((a) => a < 0)) return undefined;
  let fill = value;
  if (isQuantized(x)) {
    if (x.quant.scales.length !== 1) return undefined;
    const { scale, zeroPoint } = perTensor(x.quant);
    fill = quantizeValue(value, inverseScale(scale), zeroPoint, ...integerRange(x.dtype));
    if (!isByte(x.dtype) && fill !== 0) return undefined;
  } else if (value !== 0 || Object.is(value, -0)) return undefined;
  const size = bytesPerElement(out.dtype);
  const strides = stridesOf(out.shape);
  const to = context.address(out);
  const start = to + before.reduce((sum, b, d) => sum + b * strides[d]!, 0) * size;
  const call = copyCall(context, context.address(x), start, x.shape, stridesOf(x.shape), strides, size);
  if (call === undefined) return undefined;
  const filled = ({ from, to: end }: Range): readonly number[] => [to + from, end - from, fill & 255];
  const bytes = elementCount(out.shape) * size;
  const fillCall: KernelCall = {
    kernel: "any_fill_bytes__wasm_simd",
    args: filled({ from: 0, to: bytes }),
    split: splitRun(bytes, bytes / RATE.fill, filled),
  };
  const calls = [fillCall, call, ...regrid(context, x, out)];
  return { kernel: call.kernel, calls: () => calls };
};
