/** Importers of ops that move data or compute shapes. Shapes are static, so Shape, Size and their arithmetic become constants here. */
import { formatShape } from "../../../errors.ts";
import { createArray, elementCount } from "../../../graph/dtype.ts";
import { broadcastShapes } from "../../../graph/infer.ts";
import type { Tensor } from "../../../graph/ir.ts";
import { identityPerm } from "../../../graph/permute.ts";
import type { ImportContext } from "../context.ts";
import type { OnnxNode } from "../node.ts";
import { checkedCount, readTensor } from "../tensor.ts";
import type { OpImporter } from "./importer.ts";

/** ConstantOfShape and the like may not make more than this many elements out of a few bytes. */
const MAX_FILLED = 2 ** 24;

const constant = (ctx: ImportContext, node: OnnxNode): void => {
  const base = node.outputs[0] ?? node.name;
  const value = ctx.tensorAttribute(node, "value");
  const floats = node.floats("value_floats") ?? (node.has("value_float") ? [node.float("value_float", 0)] : undefined);
  const ints = node.ints("value_ints") ?? (node.has("value_int") ? [node.int("value_int", 0)] : undefined);
  if (value !== undefined) ctx.bind(node, value);
  else if (floats !== undefined) {
    const shape = node.has("value_float") ? [] : [floats.length];
    ctx.bind(node, ctx.constant(base, "float32", shape, Float32Array.from(floats)));
  } else if (ints !== undefined) {
    ctx.bind(node, ctx.constant(base, "int64", node.has("value_int") ? [] : [ints.length], Float64Array.from(ints)));
  } else node.unsupported("no value, value_int(s) or value_float(s); strings and sparse values are not supported");
};

const constantOfShape = (ctx: ImportContext, node: OnnxNode): void => {
  const shape = ctx.integers(node, 0, "shape");
  const count = checkedCount(shape, node.where);
  if (count > MAX_FILLED) node.unsupported(`${formatShape(shape)} has ${count} elements, at most ${MAX_FILLED} are filled at load`);
  const proto = node.tensor("value");
  const value = proto === undefined ? undefined : readTensor(proto, `${node.where}: attribute value`);
  if (value !== undefined && value.data.length !== 1) node.fail(`attribute value has ${value.data.length} elements, expected 1`);
  const dtype = value?.dtype ?? "float32";
  const data = createArray(dtype, count).fill(value?.data[0] ?? 0);
  ctx.bind(node, ctx.constant(node.outputs[0] ?? node.name, dtype, shape, data));
};

const shape = (ctx: ImportContext, node: OnnxNode): void => {
  const dims = ctx.input(node, 0).shape;
  const at = (position: number): number => Math.min(Math.max(position < 0 ? position + dims.length : position, 0), dims.length);
  const values = dims.slice(at(node.int("start", 0)), at(node.int("end", dims.length)));
  ctx.bind(node, ctx.integerVector(node.outputs[0] ?? node.name, values));
};

const size = (ctx: ImportContext, node: OnnxNode): void => {
  ctx.bind(node, ctx.scalar(node.outputs[0] ?? node.name, "int64", elementCount(ctx.input(node, 0).shape)));
};

const reshape = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const wanted = node.opset < 5 ? node.ints("shape") : ctx.integers(node, 1, "shape");
  if (wanted === undefined) node.fail("no shape");
  const zeroIsZero = node.int("allowzero", 0) !== 0;
  const dims = wanted.map((d, i) => {
    if (d !== 0 || zeroIsZero) return d;
    const kept = x.shape[i];
    if (kept === undefined) node.fail(`shape ${formatShape(wanted)} keeps dimension ${i} of ${formatShape(x.shape)}, which has none`);
    return kept;
  });
  const open = dims.flatMap((d, i) => (d === -1 ? [i] : []));
  if (open.length > 1 || dims.some((d) => d < -1)) node.fail(`shape ${formatShape(wanted)}, expected sizes and at most one -1`);
  if (open.length === 1) {
    const known = elementCount(dims.filter((d) => d !== -1));
    dims[open[0]!] = known === 0 ? 0 : elementCount(x.shape) / known;
  }
  if (dims.some((d) => !Number.isInteger(d)) || elementCount(dims) !== elementCount(x.shape)) {
    node.fail(`cannot reshape ${formatShape(x.shape)} to ${formatShape(wanted)}: the element counts differ`);
  }
  ctx.result(node, "Reshape", [x], {}, { shape: dims });
};

const flatten = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const rank = x.shape.length;
  const axis = node.int("axis", 1);
  const split = axis < 0 ? axis + rank : axis;
  if (split < 0 || split > rank) node.fail(`axis ${axis} is outside ${formatShape(x.shape)}`);
  const dims = [elementCount(x.shape.slice(0, split)), elementCount(x.shape.slice(split))];
  ctx.result(node, "Reshape", [x], {}, { shape: dims });
};

const squeeze = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const stated = ctx.integersOrAttribute(node, 1, "axes");
  const axes = stated?.map((axis) => ctx.axis(node, axis, x.shape.length)) ?? x.shape.flatMap((d, i) => (d === 1 ? [i] : []));
  if (axes.some((axis) => x.shape[axis] !== 1)) node.fail(`axes [${axes.join(", ")}] of ${formatShape(x.shape)} are not all 1`);
  ctx.result(node, "Reshape", [x], {}, { shape: x.shape.filter((_, i) => !axes.includes(i)) });
};

const unsqueeze = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const stated = ctx.integersOrAttribute(node, 1, "axes");
  if (stated === undefined) node.fail("no axes");
  const rank = x.shape.length + stated.length;
  const axes = new Set(stated.map((axis) => ctx.axis(node, axis, rank)));
  if (axes.size !== stated.length) node.fail(`axes [${stated.join(", ")}] name an axis twice`);
  const rest = [...x.shape];
  ctx.result(node, "Reshape", [x], {}, { shape: identityPerm(rank).map((i) => (axes.has(i) ? 1 : rest.shift()!)) });
};

const transpose = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const perm = node.ints("perm") ?? identityPerm(x.shape.length).toReversed();
  ctx.result(node, "Transpose", [x], { perm });
};

const expand = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const wanted = ctx.integers(node, 1, "shape");
  checkedCount(wanted, node.where);
  const joint = broadcastShapes(x.shape, wanted);
  if (joint === undefined) node.fail(`${formatShape(x.shape)} does not broadcast to ${formatShape(wanted)}`);
  ctx.result(node, "Expand", [x], {}, { shape: joint });
};

const concat = (ctx: ImportContext, node: OnnxNode): void => {
  const inputs = node.inputs.map((_, i) => ctx.input(node, i));
  const first = inputs[0];
  if (first === undefined) node.fail("no inputs, expected at least one");
  const axis = ctx.axis(node, node.int("axis", node.opset < 4 ? 1 : 0), first.shape.length);
  if (inputs.length === 1) ctx.bind(node, first);
  else ctx.result(node, "Concat", inputs, { axis });
};

/** Start and count along one axis; both ends may point far outside, and a backward start before the front means element 0. */
function sliceAxis(node: OnnxNode, size: number, start: number, end: number, step: number): { start: number; count: number } {
  if (step === 0) node.fail("step 0, expected a positive or negative one");
  const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v < 0 ? v + size : v, low), high);
  const [from, to] = step > 0 ? [clamp(start, 0, size), clamp(end, 0, size)] : [clamp(start, 0, size - 1), clamp(end, -1, size - 1)];
  return { start: from, count: Math.max(0, Math.ceil((to - from) / step)) };
}

const slice = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const rank = x.shape.length;
  const attributes = node.opset < 10;
  const starts = attributes ? node.ints("starts") : ctx.integers(node, 1, "starts");
  const ends = attributes ? node.ints("ends") : ctx.integers(node, 2, "ends");
  const axes = ctx.integersOrAttribute(node, 3, "axes") ?? identityPerm(starts?.length ?? 0);
  const steps = !attributes && ctx.has(node, 4) ? ctx.integers(node, 4, "steps") : axes.map(() => 1);
  if (starts?.length !== axes.length || ends?.length !== axes.length || steps.length !== axes.length) {
    node.fail("starts, ends, axes and steps differ in length");
  }
  const all = { starts: new Array<number>(rank).fill(0), steps: new Array<number>(rank).fill(1) };
  const dims = [...x.shape];
  axes.forEach((a, i) => {
    const axis = ctx.axis(node, a, rank);
    const { start, count } = sliceAxis(node, x.shape[axis]!, starts[i]!, ends[i]!, steps[i]!);
    all.starts[axis] = start;
    all.steps[axis] = steps[i]!;
    dims[axis] = count;
  });
  ctx.result(node, "Slice", [x], all, { shape: dims });
};

const split = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const axis = ctx.axis(node, node.int("axis", 0), x.shape.length);
  const total = x.shape[axis]!;
  const parts = node.outputs.length;
  const even = Math.ceil(total / parts);
  const sizes =
    ctx.integersOrAttribute(node, 1, "split") ??
    node.outputs.map((_, i) => Math.max(0, i === parts - 1 ? total - even * (parts - 1) : even));
  if (sizes.length !== parts || sizes.some((s) => s < 0) || sizes.reduce((a, b) => a + b, 0) !== total) {
    node.fail(`split [${sizes.join(", ")}] of dimension ${total} into ${parts} outputs`);
  }
  let start = 0;
  sizes.forEach((count, i) => {
    const starts = x.shape.map((_, d) => (d === axis ? start : 0));
    const dims = x.shape.map((s, d) => (d === axis ? count : s));
    if (ctx.isNeeded(node, i)) ctx.result(node, "Slice", [x], { starts, steps: x.shape.map(() => 1) }, { shape: dims }, i);
    start += count;
  });
};

const gather = (ctx: ImportContext, node: OnnxNode): void => {
  const [x, indices] = [ctx.input(node, 0), ctx.input(node, 1)];
  const axis = ctx.axis(node, node.int("axis", 0), x.shape.length);
  if (indices.dtype !== "int32" && indices.dtype !== "int64") node.fail(`indices are ${indices.dtype}, expected int32 or int64`);
  const size = x.shape[axis]!;
  const outside = indices.data?.find((i) => i < -size || i >= size);
  if (outside !== undefined) node.fail(`index ${outside} is outside dimension ${size}`);
  ctx.result(node, "Gather", [x, indices], { axis });
};

const tile = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const repeats = ctx.integers(node, 1, "repeats");
  if (repeats.length !== x.shape.length || repeats.some((r) => r < 0)) {
    node.fail(`repeats [${repeats.join(", ")}] do not fit ${formatShape(x.shape)}`);
  }
  const dims = x.shape.map((d, i) => d * repeats[i]!);
  checkedCount(dims, node.where);
  const split = ctx.reshape(
    node,
    "blocks",
    x,
    x.shape.flatMap((d) => [1, d]),
  );
  const wide = ctx.helper(node, "repeated", "Expand", [split], {}, { shape: x.shape.flatMap((d, i) => [repeats[i]!, d]) });
  ctx.result(node, "Reshape", [wide], {}, { shape: dims });
};

function padAmounts(ctx: ImportContext, node: OnnxNode, rank: number): readonly number[] {
  const pads = node.opset < 11 ? (node.ints("pads") ?? node.ints("paddings")) : ctx.integers(node, 1, "pads");
  const axes = ctx.has(node, 3) ? ctx.integers(node, 3, "axes").map((a) => ctx.axis(node, a, rank)) : identityPerm(rank);
  if (pads?.length !== 2 * axes.length) node.fail(`${pads?.length ?? 0} pads, expected ${2 * axes.length}`);
  const all = new Array<number>(2 * rank).fill(0);
  axes.forEach((axis, i) => {
    all[axis] = pads[i]!;
    all[rank + axis] = pads[axes.length + i]!;
  });
  return all;
}

const pad = (ctx: ImportContext, node: OnnxNode): void => {
  let x: Tensor = ctx.input(node, 0);
  const rank = x.shape.length;
  const mode = node.string("mode", "constant");
  if (mode !== "constant" && mode !== "reflect" && mode !== "edge") node.unsupported(`mode "${mode}", expected constant, reflect or edge`);
  const amounts = padAmounts(ctx, node, rank);
  const stated = node.opset < 11 ? node.float("value", 0) : ctx.has(node, 2) ? ctx.constantInput(node, 2, "constant_value").data[0]! : 0;
  // On an integer grid the file states the stored integer; the attribute is the real value.
  const quant = x.quant?.axis === undefined ? x.quant : undefined;
  const value = quant === undefined ? stated : (stated - quant.zeroPoints[0]!) * quant.scales[0]!;
  if (amounts.some((a) => a < 0)) {
    const cut = amounts.map((a) => Math.max(-a, 0));
    const dims = x.shape.map((d, i) => d - cut[i]! - cut[rank + i]!);
    if (dims.some((d) => d < 0)) node.fail(`pads [${amounts.join(", ")}] cut more than ${formatShape(x.shape)} has`);
    x = ctx.helper(node, "crop", "Slice", [x], { starts: cut.slice(0, rank), steps: x.shape.map(() => 1) }, { shape: dims });
  }
  const grow = amounts.map((a) => Math.max(a, 0));
  const [before, after] = [grow.slice(0, rank), grow.slice(rank)];
  const reach = x.shape.map((d) => (mode === "reflect" ? d - 1 : d === 0 ? 0 : Infinity));
  if (mode !== "constant" && [...before, ...after].some((p, i) => p > reach[i % rank]!)) {
    node.fail(`pads [${amounts.join(", ")}] reach further than ${mode} mode can on ${formatShape(x.shape)}`);
  }
  ctx.result(node, "Pad", [x], { before, after, mode, value });
};

export const SHAPE_OPS: readonly (readonly [string, OpImporter])[] = [
  ["Constant", constant],
  ["ConstantOfShape", constantOfShape],
  ["Shape", shape],
  ["Size", size],
  ["Reshape", reshape],
  ["Flatten", flatten],
  ["Squeeze", squeeze],
  ["Unsqueeze", unsqueeze],
  ["Transpose", transpose],
  ["Expand", expand],
  ["Concat", concat],
  ["Slice", slice],
  ["Split", split],
  ["Gather", gather],
  ["Tile", tile],
  ["Pad", pad],
];
