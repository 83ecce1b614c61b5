/** Ops that only move elements. Words move unchanged; bytes move, or pass through a table where input and output grids differ. */
import { UnsupportedError } from "../../../errors.ts";
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { NodeWith, Shape, Tensor } from "../../../graph/ir.ts";
import { inverseScale, perTensor, quantizeValue, integerRange } from "../../../graph/numerics.ts";
import { MAX_RANK, dims, f, u } from "../step.ts";
import type { Operand } from "../step.ts";
import { formatOf, rowLength, rowWords, storedShift, storedSteps, storedWords } from "../storage.ts";
import { isQuantized, isQuantizedByte, sameGrid, storedTable } from "./context.ts";
import type { Lowering } from "./context.ts";
import { int16OnGrid } from "./int16.ts";

/** The table that carries x to the output's grid; undefined when bytes move unchanged. */
export function gridTable(c: Lowering, x: Tensor, out: Tensor): Uint32Array | undefined {
  if (sameGrid(x, out) || (!isQuantized(x) && !isQuantized(out) && formatOf(x) === formatOf(out))) return undefined;
  if (!isQuantizedByte(x) || !isQuantizedByte(out)) {
    throw c.unsupported(
      `moving ${x.dtype} to ${out.dtype} on different grids, expected 8-bit tensors with one scale`,
      "Insert a Requantize node.",
    );
  }
  return storedTable(undefined, x, out);
}

function tableOperand(c: Lowering, table: Uint32Array | undefined): Operand {
  return table === undefined ? c.identityTable() : c.constant("table", table);
}

/** A box of the output, read from x with any steps. All offsets and steps in stored units (words, or bytes of 8-bit tensors). */
interface Box {
  readonly sizes: Shape;
  readonly inBase: number;
  readonly inSteps: readonly number[];
  readonly outBase: number;
  readonly outSteps: readonly number[];
}

interface Axis {
  size: number;
  inStep: number;
  outStep: number;
}

/** Drops axes of one, merges neighbours that step together. */
function mergedAxes(box: Box): Axis[] {
  const axes: Axis[] = [];
  box.sizes.forEach((size, d) => {
    if (size === 1) return;
    const inStep = box.inSteps[d]!;
    const outStep = box.outSteps[d]!;
    const outer = axes[axes.length - 1];
    if (outer?.inStep === inStep * size && outer.outStep === outStep * size) {
      outer.size *= size;
      outer.inStep = inStep;
      outer.outStep = outStep;
    } else {
      axes.push({ size, inStep, outStep });
    }
  });
  return axes;
}

function checkRank(c: Lowering, rank: number): void {
  if (rank > MAX_RANK) throw c.unsupported(`${rank} separate dimensions, expected at most ${MAX_RANK}`);
}

function copyWords(c: Lowering, x: Tensor, out: Tensor, box: Box): void {
  const axes = mergedAxes(box);
  checkRank(c, axes.length);
  const count = axes.reduce((n, axis) => n * axis.size, 1);
  const params = [
    ...u(count, axes.length, box.inBase, box.outBase),
    ...dims(axes.map((a) => a.size)),
    ...dims(axes.map((a) => a.inStep)),
    ...dims(axes.map((a) => a.outStep)),
  ];
  c.flat({ kernel: "any_copy_strided__wgsl", params, inputs: [c.operand(x)], output: out, threads: count });
}

function copyBytes(c: Lowering, x: Tensor, out: Tensor, box: Box, table: Uint32Array | undefined): void {
  const last = box.sizes.length - 1;
  const length = last < 0 ? 1 : box.sizes[last]!;
  const inStep = last < 0 ? 1 : box.inSteps[last]!;
  const axes = mergedAxes({
    ...box,
    sizes: box.sizes.slice(0, -1),
    inSteps: box.inSteps.slice(0, -1),
    outSteps: box.outSteps.slice(0, -1),
  });
  checkRank(c, axes.length);
  const outer = axes.reduce((n, axis) => n * axis.size, 1);
  const lead = box.outBase % 4;
  const words = Math.ceil((lead + length) / 4);
  const params = [
    ...u(
      outer * words,
      axes.length,
      box.inBase,
      (box.outBase - lead) / 4,
      words,
      lead,
      length,
      inStep,
      table === undefined ? 0 : 1,
      0,
      0,
      0,
    ),
    ...dims(axes.map((a) => a.size)),
    ...dims(axes.map((a) => a.inStep)),
    ...dims(axes.map((a) => a.outStep / 4)),
  ];
  c.flat({ kernel: "i8_copy_strided__wgsl", params, inputs: [c.operand(x), tableOperand(c, table)], output: out, threads: outer * words });
}

/** Bytes move as words when every row of the box starts and ends on word borders on both sides (the tail of a whole row may come along). */
function asWordBox(box: Box, x: Tensor, out: Tensor): Box | undefined {
  const last = box.sizes.length - 1;
  if (last < 0) return undefined;
  const length = box.sizes[last]!;
  const whole = length === rowLength(x.shape) && length === rowLength(out.shape);
  const aligned = box.inSteps[last] === 1 && box.inBase % 4 === 0 && box.outBase % 4 === 0 && (length % 4 === 0 || whole);
  const stepsAligned = [...box.inSteps.slice(0, -1), ...box.outSteps.slice(0, -1)].every((step) => step % 4 === 0);
  if (!aligned || !stepsAligned) return undefined;
  return {
    sizes: [...box.sizes.slice(0, -1), Math.ceil(length / 4)],
    inBase: box.inBase / 4,
    outBase: box.outBase / 4,
    inSteps: [...box.inSteps.slice(0, -1).map((s) => s / 4), 1],
    outSteps: [...box.outSteps.slice(0, -1).map((s) => s / 4), 1],
  };
}

function copyBox(c: Lowering, x: Tensor, out: Tensor, box: Box): void {
  if (elementCount(box.sizes) === 0) return;
  if (formatOf(x) !== "i8") {
    gridTable(c, x, out);
    copyWords(c, x, out, box);
    return;
  }
  const table = gridTable(c, x, out);
  const words = table === undefined ? asWordBox(box, x, out) : undefined;
  if (words !== undefined) copyWords(c, x, out, words);
  else copyBytes(c, x, out, box, table);
}

/** The same elements in the same order: no work where rows keep their length, else (bytes only) a copy to rows of another length. */
export function lowerView(c: Lowering, x: Tensor, out: Tensor): void {
  const table = gridTable(c, x, out);
  const from = rowLength(x.shape);
  const to = rowLength(out.shape);
  const rowsFit = formatOf(x) !== "i8" || from === to || (from % 4 === 0 && to % 4 === 0);
  if (table === undefined && rowsFit && c.alias(out, x)) return;
  if (formatOf(x) === "i8") {
    const threads = storedWords(out);
    const params = u(threads, from, to, table === undefined ? 0 : 1);
    c.flat({ kernel: "i8_reshape_rows__wgsl", params, inputs: [c.operand(x), tableOperand(c, table)], output: out, threads });
    return;
  }
  const count = elementCount(out.shape);
  copyWords(c, x, out, { sizes: [count], inBase: 0, inSteps: [1], outBase: 0, outSteps: [1] });
}

export function lowerReshape(c: Lowering, node: NodeWith<"Reshape">): void {
  lowerView(c, requireInput(c.graph, node, 0), outputTensor(c.graph, node));
}

export function lowerTranspose(c: Lowering, node: NodeWith<"Transpose">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const { perm } = node.attrs;
  const moving = perm.filter((d) => x.shape[d] !== 1);
  if (moving.every((d, i) => i === 0 || d > moving[i - 1]!)) {
    lowerView(c, x, out);
    return;
  }
  const format = formatOf(x);
  const steps = storedSteps(format, x.shape);
  copyBox(c, x, out, {
    sizes: out.shape,
    inBase: 0,
    inSteps: perm.map((d) => steps[d]!),
    outBase: 0,
    outSteps: storedSteps(format, out.shape),
  });
}

export function lowerSlice(c: Lowering, node: NodeWith<"Slice">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const { starts, steps: stride } = node.attrs;
  const format = formatOf(x);
  const steps = storedSteps(format, x.shape);
  const inBase = starts.reduce((sum, start, d) => sum + start * steps[d]!, 0);
  const inSteps = stride.map((s, d) => s * steps[d]!);
  copyBox(c, x, out, { sizes: out.shape, inBase, inSteps, outBase: 0, outSteps: storedSteps(format, out.shape) });
}

/** Steps of x seen at the output's rank: 0 where it repeats. */
export function broadcastSteps(x: Tensor, outRank: number): number[] {
  const steps = storedSteps(formatOf(x), x.shape);
  const missing = outRank - x.shape.length;
  return Array.from({ length: outRank }, (_, d) => (d < missing || x.shape[d - missing] === 1 ? 0 : steps[d - missing]!));
}

export function lowerExpand(c: Lowering, node: NodeWith<"Expand">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  if (elementCount(x.shape) === elementCount(out.shape)) {
    lowerView(c, x, out);
    return;
  }
  const outSteps = storedSteps(formatOf(out), out.shape);
  copyBox(c, x, out, { sizes: out.shape, inBase: 0, inSteps: broadcastSteps(x, out.shape.length), outBase: 0, outSteps });
}

export function lowerConcat(c: Lowering, node: NodeWith<"Concat">): void {
  const out = outputTensor(c.graph, node);
  const { axis } = node.attrs;
  const format = formatOf(out);
  const outSteps = storedSteps(format, out.shape);
  let start = 0;
  for (const index of node.inputs.keys()) {
    const x = int16OnGrid(c, requireInput(c.graph, node, index), out, index);
    copyBox(c, x, out, { sizes: x.shape, inBase: 0, inSteps: storedSteps(format, x.shape), outBase: start * outSteps[axis]!, outSteps });
    start += x.shape[axis]!;
  }
}

export function lowerGather(c: Lowering, node: NodeWith<"Gather">): void {
  const x = requireInput(c.graph, node, 0);
  const indices = requireInput(c.graph, node, 1);
  const out = outputTensor(c.graph, node);
  const { axis } = node.attrs;
  if (gridTable(c, x, out) !== undefined) throw c.unsupported("gathering to another grid", "Insert a Requantize node.");
  const size = x.shape[axis]!;
  const count = elementCount(indices.shape);
  for (const index of indices.data ?? []) {
    if (!(index >= -size && index < size))
      throw new UnsupportedError(`${c.where}: index out of range, got ${index}, expected ${-size} to ${size - 1}`);
  }
  const bytes = formatOf(x) === "i8";
  const inputs = [c.operand(x), c.operand(indices)];
  if (bytes && axis === x.shape.length - 1) {
    // Rows of the output are those of the last index axis; only a flat list keeps them whole.
    if (indices.shape.length !== 1)
      throw c.unsupported(`gathering bytes along the last axis by indices of rank ${indices.shape.length}, expected 1`);
    const threads = storedWords(out);
    c.flat({ kernel: "i8_gather_last__wgsl", params: u(threads, size, count, rowWords(x.shape) * 4), inputs, output: out, threads });
    return;
  }
  const inner = bytes ? elementCount(x.shape.slice(axis + 1, -1)) * rowWords(x.shape) : elementCount(x.shape.slice(axis + 1));
  const threads = elementCount(x.shape.slice(0, axis)) * count * inner;
  c.flat({ kernel: "any_gather_axis__wgsl", params: u(threads, size, inner, count), inputs, output: out, threads });
}

/** out[i0][i1]… = x[map0[i0]][map1[i1]]…; -1 gives the fill value (in stored form). */
export function lowerMapped(c: Lowering, x: Tensor, out: Tensor, maps: readonly (readonly number[])[], fill: number): void {
  checkRank(c, maps.length);
  const starts: number[] = [];
  const joined: number[] = [];
  for (const map of maps) {
    starts.push(joined.length);
    joined.push(...map);
  }
  const mapOperand = c.constant("index maps", Int32Array.from(joined.length === 0 ? [0] : joined));
  const steps = storedSteps(formatOf(x), x.shape);
  if (formatOf(x) !== "i8") {
    gridTable(c, x, out);
    const threads = elementCount(out.shape);
    const word = formatOf(x) === "f32" ? f(fill)[0]! : fill;
    const params = [...u(threads, maps.length, word, 0), ...dims(out.shape), ...dims(steps), ...dims(starts)];
    c.flat({ kernel: "any_copy_mapped__wgsl", params, inputs: [c.operand(x), mapOperand], output: out, threads });
    return;
  }
  const table = gridTable(c, x, out);
  const threads = storedWords(out);
  const rank = Math.max(0, maps.length - 1);
  const last = maps.length === 0 ? 0 : starts[rank]!;
  const params = [
    ...u(threads, rank, fill, rowWords(out.shape), rowLength(out.shape), last, table === undefined ? 0 : 1, 0),
    ...dims(out.shape.slice(0, -1)),
    ...dims(steps.slice(0, -1)),
    ...dims(starts.slice(0, -1)),
  ];
  c.flat({ kernel: "i8_copy_mapped__wgsl", params, inputs: [c.operand(x), mapOperand, tableOperand(c, table)], output: out, threads });
}

function padSource(i: number, n: number, mode: "constant" | "reflect" | "edge"): number {
  if (i >= 0 && i < n) return i;
  if (mode === "constant") return -1;
  if (mode === "edge" || n === 1) return i < 0 ? 0 : n - 1;
  const period = 2 * (n - 1);
  const r = ((i % period) + period) % period;
  return r < n ? r : period - r;
}

export function lowerPad(c: Lowering, node: NodeWith<"Pad">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const { before, mode, value } = node.attrs;
  const maps = out.shape.map((size, d) => Array.from({ length: size }, (_, i) => padSource(i - before[d]!, x.shape[d]!, mode)));
  let fill = value;
  if (isQuantized(x)) {
    const { scale, zeroPoint } = perTensor(x.quant);
    fill = quantizeValue(value, inverseScale(scale), zeroPoint, ...integerRange(x.dtype)) - storedShift(x.dtype);
  } else if (formatOf(x) === "i8") {
    fill = value - storedShift(x.dtype);
  }
  lowerMapped(c, x, out, maps, fill);
}
