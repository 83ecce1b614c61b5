/** Ops that move elements or compute shapes. On quantized tensors they move bytes when both sides share one grid. */
import { createArray, elementCount, isFloat } from "../../../graph/dtype.ts";
import type { ResizeAttrs, Shape, Tensor } from "../../../graph/ir.ts";
import type { OpContext } from "../context.ts";

/** A new shape with at most one -1, which takes what is left. */
function resolveShape(op: OpContext, x: Tensor, target: readonly number[]): Shape {
  const count = elementCount(x.shape);
  const known = target.reduce((n, d) => (d === -1 ? n : n * d), 1);
  if (target.filter((d) => d === -1).length > 1 || target.some((d) => d < -1)) {
    op.malformed(`new shape [${target.join(", ")}], expected dimensions with at most one -1`);
  }
  const shape = target.map((d) => (d === -1 ? count / known : d));
  if (elementCount(shape) !== count || shape.some((d) => !Number.isInteger(d))) {
    op.malformed(`cannot reshape [${x.shape.join(", ")}] to [${target.join(", ")}]`);
  }
  return shape;
}

export function reshape(op: OpContext): void {
  const x = op.input(0);
  const given = op.optional(1);
  const stated = given?.data ?? op.option((o) => o.int32s(0, "new shape"), new Int32Array(0));
  // A shape computed at run time, or none at all: the output's own shape is the only statement.
  const target = given?.data === undefined && stated.length === 0 ? op.output().shape : [...stated];
  op.emit("Reshape", [x.name], {}, { shape: resolveShape(op, x, target) });
}

export function squeeze(op: OpContext): void {
  const x = op.input(0);
  const dims = [...op.option((o) => o.int32s(0, "squeezed dimensions"), new Int32Array(0))].map((d) => op.axis(d, x.shape.length));
  const shape = x.shape.filter((d, i) => (dims.length === 0 ? d !== 1 : !dims.includes(i)));
  op.emit("Reshape", [x.name], {}, { shape });
}

export function expandDims(op: OpContext): void {
  const x = op.input(0);
  const axis = op.axis(op.constant(1, "the axis")[0] ?? 0, x.shape.length + 1);
  op.emit("Reshape", [x.name], {}, { shape: [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)] });
}

export function transpose(op: OpContext): void {
  const x = op.input(0);
  op.emit("Transpose", [x.name], { perm: [...op.constant(1, "the permutation")].map((p) => op.axis(p, x.shape.length)) });
}

export function concatenation(op: OpContext): void {
  const inputs = Array.from({ length: op.inputCount }, (_, i) => op.input(i));
  const axis = op.axis(
    op.option((o) => o.int32(0), 0),
    op.input(0).shape.length,
  );
  if (op.option((o) => o.int8(1), 0) !== 0) op.unsupported("a fused activation is not supported");
  op.emit(
    "Concat",
    inputs.map((t) => t.name),
    { axis },
  );
}

/** Stacks tensors along a new axis. */
export function pack(op: OpContext): void {
  const first = op.input(0);
  const axis = op.axis(
    op.option((o) => o.int32(1), 0),
    first.shape.length + 1,
  );
  const inputs = Array.from({ length: op.inputCount }, (_, i) => {
    const { name, shape, quant } = op.input(i);
    return op.temporary("Reshape", [name], {}, { shape: [...shape.slice(0, axis), 1, ...shape.slice(axis)], ...(quant && { quant }) });
  });
  op.emit("Concat", inputs, { axis });
}

export function shapeOp(op: OpContext): void {
  const { shape } = op.input(0);
  const data = createArray(op.output().dtype, shape.length);
  data.set(shape);
  op.emitConstant([shape.length], data);
}

export function gather(op: OpContext): void {
  const x = op.input(0);
  if (op.option((o) => o.int32(1), 0) !== 0) op.unsupported("batch dimensions are not supported");
  const axis = op.axis(
    op.option((o) => o.int32(0), 0),
    x.shape.length,
  );
  op.emit("Gather", [x.name, op.input(1).name], { axis });
}

export function slice(op: OpContext): void {
  const x = op.input(0);
  const starts = [...op.constant(1, "the start")];
  const sizes = [...op.constant(2, "the size")];
  if (starts.length !== x.shape.length || sizes.length !== x.shape.length) op.malformed(`start and size need ${x.shape.length} entries`);
  const shape = x.shape.map((d, i) => (sizes[i] === -1 ? d - starts[i]! : sizes[i]!));
  if (shape.some((d) => d < 0)) op.malformed(`start [${starts.join(", ")}] lies outside [${x.shape.join(", ")}]`);
  op.emit("Slice", [x.name], { starts, steps: x.shape.map(() => 1) }, { shape });
}

/** Python's x[begin:end:stride], axis by axis; shrunk axes are dropped afterwards. */
export function stridedSlice(op: OpContext): void {
  const x = op.input(0);
  const [begin, end, strides] = [op.constant(1, "begin"), op.constant(2, "end"), op.constant(3, "strides")];
  const [beginMask, endMask, ellipsis, newAxis, shrink] = [0, 1, 2, 3, 4].map((field) => op.option((o) => o.int32(field), 0)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  if (ellipsis !== 0 || newAxis !== 0) op.unsupported("ellipsis and new-axis masks are not supported");
  if (begin.length > x.shape.length || end.length !== begin.length || strides.length !== begin.length) {
    op.malformed(`begin, end and strides have ${begin.length}, ${end.length}, ${strides.length} entries for rank ${x.shape.length}`);
  }
  const starts: number[] = [];
  const steps: number[] = [];
  const shape = x.shape.map((size, i) => {
    const masked = (mask: number): boolean => i >= begin.length || (mask & (1 << i)) !== 0;
    const step = i < begin.length ? strides[i]! : 1;
    if (step === 0) op.malformed(`stride 0 on axis ${i}`);
    const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
    const clamp = (v: number): number => Math.min(high, Math.max(low, v < 0 ? v + size : v));
    const start = masked(beginMask) ? (step > 0 ? 0 : size - 1) : clamp(begin[i]!);
    const stop = masked(endMask) ? (step > 0 ? size : -1) : clamp(end[i]!);
    const single = i < begin.length && (shrink & (1 << i)) !== 0;
    starts.push(start);
    steps.push(single ? 1 : step);
    return single ? 1 : Math.max(0, Math.ceil((stop - start) / step));
  });
  if (shrink === 0) {
    op.emit("Slice", [x.name], { starts, steps }, { shape });
    return;
  }
  const full = op.temporary("Slice", [x.name], { starts, steps }, { shape, ...(x.quant && { quant: x.quant }) });
  op.emit("Reshape", [full], {}, { shape: shape.filter((_, i) => (shrink & (1 << i)) === 0) });
}

export function split(op: OpContext): void {
  const x = op.input(1);
  const axis = op.axis(op.constant(0, "the axis")[0] ?? 0, x.shape.length);
  const part = x.shape[axis]! / op.outputCount;
  if (!Number.isInteger(part)) op.malformed(`axis of ${x.shape[axis]!} does not split into ${op.outputCount} parts`);
  for (let output = 0; output < op.outputCount; output++) {
    const starts = x.shape.map((_, i) => (i === axis ? output * part : 0));
    const shape = x.shape.map((d, i) => (i === axis ? part : d));
    op.emit("Slice", [x.name], { starts, steps: x.shape.map(() => 1) }, { shape, output });
  }
}

/** PAD, PADV2 (with a value) and MIRROR_PAD. */
export function pad(op: OpContext): void {
  const x = op.input(0);
  const rank = x.shape.length;
  const paddings = op.constant(1, "the padding");
  if (paddings.length !== 2 * rank || paddings.some((p) => p < 0)) {
    op.malformed(`paddings [${paddings.join(", ")}], expected ${2 * rank} numbers that are not negative`);
  }
  const mirror = op.op === "MIRROR_PAD";
  if (mirror && op.option((o) => o.int8(0), 0) !== 0) op.unsupported("symmetric mirror padding is not supported");
  const fill = op.op === "PADV2" ? op.input(2) : undefined;
  const stored = fill === undefined ? undefined : (op.constant(2, "the padding value")[0] ?? 0);
  const real = stored === undefined ? 0 : fill?.quant ? (stored - fill.quant.zeroPoints[0]!) * fill.quant.scales[0]! : stored;
  const mode: "reflect" | "constant" = mirror ? "reflect" : "constant";
  const attrs = {
    before: x.shape.map((_, i) => paddings[2 * i]!),
    after: x.shape.map((_, i) => paddings[2 * i + 1]!),
    mode,
    value: real,
  };
  // Integer padding fills with the zero point, so another value takes the way through float.
  if (x.quant === undefined || real === 0) op.emit("Pad", [x.name], attrs);
  else op.emitFloat("Pad", [op.asFloat(0)], attrs);
}

export function resize(op: OpContext, mode: "nearest" | "linear"): void {
  const x = op.input(0);
  const size = op.constant(1, "the size");
  if (x.shape.length !== 4 || size.length !== 2 || size.some((d) => d < 1)) op.malformed(`cannot resize [${x.shape.join(", ")}]`);
  // Field numbers: the bilinear table starts with two deprecated sizes.
  const field = mode === "linear" ? 2 : 0;
  const alignCorners = op.option((o) => o.bool(field), false);
  const halfPixel = op.option((o) => o.bool(field + 1), false);
  const shape = [x.shape[0]!, size[0]!, size[1]!, x.shape[3]!];
  const attrs: ResizeAttrs = {
    mode,
    coordinates: alignCorners ? "align_corners" : halfPixel ? "half_pixel" : "asymmetric",
    // TFLite floors x·scale, (x + ½)·scale with half-pixel centres, and rounds half up with aligned corners.
    nearestMode: alignCorners || halfPixel ? "round_prefer_ceil" : "floor",
    cubicCoeff: -0.75,
    excludeOutside: false,
    scales: shape.map((d, i) => d / x.shape[i]!),
  };
  if (isFloat(x.dtype) || mode === "nearest") op.emit("Resize", [x.name], attrs, { shape });
  else op.emitFloat("Resize", [op.asFloat(0)], attrs, shape);
}

export function cast(op: OpContext): void {
  op.emit("Cast", [op.input(0).name], {});
}
