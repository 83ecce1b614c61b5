/** Elementwise arithmetic, activations, reductions, softmax, matrix product and the quantization ops. */
import { isFloat } from "../../../graph/dtype.ts";
import { INT16_UNIT_SCALE } from "../../../graph/int16.ts";
import type { BinaryFn, ReduceFn, UnaryAttrs } from "../../../graph/ir.ts";
import type { OpContext } from "../context.ts";

/** ADD, SUB and MUL have integer arithmetic; the rest runs in float on quantized operands. */
export function binary(op: OpContext, fn: BinaryFn, hasActivation: boolean): void {
  const [a, b] = [op.input(0), op.input(1)];
  const attrs = { fn, ...op.activation(hasActivation ? op.option((o) => o.int8(0), 0) : 0) };
  if (isFloat(a.dtype) || (a.quant === undefined && a.dtype === b.dtype)) {
    op.emit("Binary", [a.name, b.name], attrs);
    return;
  }
  op.requireNumeric(a, "input 0");
  op.requireNumeric(b, "input 1");
  if (fn === "add" || fn === "sub" || fn === "mul") op.emit("Binary", [a.name, b.name], attrs);
  else op.emitFloat("Binary", [op.asFloat(0), op.asFloat(1)], attrs);
}

/** An elementwise function; on 8 bits it becomes a table. */
export function unary(op: OpContext, attrs: UnaryAttrs): void {
  const x = op.input(0);
  op.requireNumeric(x, "the input");
  op.emit("Unary", [x.name], attrs);
}

/** x where positive, else alpha·x with one alpha a channel: relu(x) - alpha·relu(-x). */
export function prelu(op: OpContext): void {
  const x = op.asFloat(0);
  const alpha = op.asFloat(1);
  const positive = op.temporary("Unary", [x], { fn: "relu" });
  const negated = op.temporary("Unary", [x], { fn: "neg" });
  const negative = op.temporary("Unary", [negated], { fn: "relu" });
  const scaled = op.temporary("Binary", [alpha, negative], { fn: "mul" });
  op.emitFloat("Binary", [positive, scaled], { fn: "sub" });
}

/** 1/√x */
export function rsqrt(op: OpContext): void {
  op.emitFloat("Unary", [op.temporary("Unary", [op.asFloat(0)], { fn: "sqrt" })], { fn: "reciprocal" });
}

/** x², or (a - b)² */
export function squared(op: OpContext, difference: boolean): void {
  const x = difference ? op.temporary("Binary", [op.asFloat(0), op.asFloat(1)], { fn: "sub" }) : op.asFloat(0);
  op.emitFloat("Binary", [x, x], { fn: "mul" });
}

export function reduce(op: OpContext, fn: ReduceFn): void {
  const x = op.input(0);
  const rank = x.shape.length;
  const axes = [...new Set([...op.constant(1, "the axes")].map((axis) => op.axis(axis, rank)))].sort((a, b) => a - b);
  const attrs = { fn, axes, keepDims: op.option((o) => o.bool(0), false) };
  if (x.quant === undefined || (fn === "mean" && op.isQuantized(x) && op.isQuantized(op.output()) && op.isOneWidth(x, op.output())))
    op.emit("Reduce", [x.name], attrs);
  else op.emitFloat("Reduce", [op.asFloat(0)], attrs);
}

/** Integer softmax has its output pinned to 256 steps from 0 to 1, or 2^15; other grids run in float. */
export function softmax(op: OpContext): void {
  const x = op.input(0);
  const output = op.output();
  op.requireNumeric(x, "the input");
  if (x.shape.length === 0) op.malformed("the input is a scalar");
  const attrs = { axis: x.shape.length - 1, beta: op.option((o) => o.float32(0), 0) };
  const zeroPoint = output.dtype === "int8" ? -128 : 0;
  const scale = output.dtype === "int16" ? INT16_UNIT_SCALE : 1 / 256;
  const pinned = op.isQuantized(output) && output.quant?.scales[0] === scale && output.quant.zeroPoints[0] === zeroPoint;
  if (isFloat(x.dtype) || (pinned && x.dtype === output.dtype)) op.emit("Softmax", [x.name], attrs);
  else op.emitFloat("Softmax", [op.asFloat(0)], attrs);
}

export function batchMatMul(op: OpContext): void {
  const attrs = { transposeA: op.option((o) => o.bool(0), false), transposeB: op.option((o) => o.bool(1), false) };
  op.emitFloat("MatMul", [op.asFloat(0), op.asFloat(1)], attrs);
}

/** float → integer, or integer → another integer grid. */
export function quantize(op: OpContext): void {
  const x = op.input(0);
  const output = op.output();
  if (output.quant === undefined || isFloat(output.dtype)) op.unsupported(`the output is ${output.dtype} without quantization`);
  if (isFloat(x.dtype)) {
    op.emit("Quantize", [x.name], {});
    return;
  }
  op.requireNumeric(x, "the input");
  op.requireNumeric(output, "the output");
  op.emit("Requantize", [x.name], {});
}

/** float16 constants were widened on load: then there is nothing left to do. */
export function dequantize(op: OpContext): void {
  const x = op.input(0);
  if (!isFloat(op.output().dtype)) op.unsupported(`the output is ${op.output().dtype}, expected float32`);
  if (!isFloat(x.dtype)) {
    if (x.quant === undefined) op.unsupported(`the input is ${x.dtype} without quantization`);
    op.emit("Dequantize", [x.name], {});
  } else if (x.data !== undefined) op.emitConstant(x.shape, x.data);
  else op.emit("Reshape", [x.name], {}, { shape: x.shape });
}
