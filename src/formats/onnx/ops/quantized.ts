/**
 * Importers of quantization ops. QuantizeLinear and DequantizeLinear become Quantize and Dequantize on tensors that carry their grid;
 * the QLinear… ops are spelled out as Dequantize → float op → Quantize, the form that the fusion pass turns into integer ops.
 */
import { formatShape } from "../../../errors.ts";
import { elementCount, type DType } from "../../../graph/dtype.ts";
import type { BinaryFn, Quantization, Tensor, UnaryAttrs } from "../../../graph/ir.ts";
import type { ImportContext } from "../context.ts";
import type { OnnxNode } from "../node.ts";
import { averagePool, convolution } from "./spatial.ts";
import { matrixProduct } from "./matrix.ts";
import type { OpImporter } from "./importer.ts";

/** Scale and zero point inputs as a grid for a tensor of this shape. */
function readGrid(ctx: ImportContext, node: OnnxNode, scaleIndex: number, shape: readonly number[], axis: number): Quantization {
  const scale = ctx.constantInput(node, scaleIndex, "scale");
  const zero = ctx.has(node, scaleIndex + 1) ? ctx.constantInput(node, scaleIndex + 1, "zero point") : undefined;
  if (scale.shape.length > 1 && elementCount(scale.shape) > 1)
    node.unsupported(`scale ${formatShape(scale.shape)}: blocks are not supported`);
  const scales = Float32Array.from(scale.data);
  if (scales.some((s) => !(s > 0 && Number.isFinite(s)))) node.fail(`scale ${scales.find((s) => !(s > 0))}, expected positive numbers`);
  if (zero !== undefined && zero.data.length !== scales.length) {
    node.fail(`${scales.length} scales and ${zero.data.length} zero points, expected as many`);
  }
  const zeroPoints = Int32Array.from({ length: scales.length }, (_, i) => zero?.data[i] ?? 0);
  if (scales.length === 1) return { scales, zeroPoints };
  const positive = ctx.axis(node, axis, shape.length);
  if (shape[positive] !== scales.length) {
    node.fail(`${scales.length} scales for axis ${positive} of ${formatShape(shape)}, expected ${shape[positive]!}`);
  }
  return { scales, zeroPoints, axis: positive };
}

function sameGrid(a: Quantization | undefined, b: Quantization): boolean {
  return a !== undefined && a.axis === b.axis && a.scales.join() === b.scales.join() && a.zeroPoints.join() === b.zeroPoints.join();
}

/** The tensor read on this grid, as float. `own`: the node's result itself. */
function dequantized(ctx: ImportContext, node: OnnxNode, x: Tensor, grid: Quantization, role: string | undefined): Tensor {
  const emit = (input: Tensor): Tensor =>
    role === undefined
      ? ctx.result(node, "Dequantize", [input], {}, { dtype: "float32" })
      : ctx.helper(node, role, "Dequantize", [input], {}, { dtype: "float32" });
  if (sameGrid(x.quant, grid)) return emit(x);
  if (x.data !== undefined) return emit(ctx.constant(`${x.name}/grid`, x.dtype, x.shape, x.data, grid));
  // Integers of another origin: (x - zero point) * scale, spelled out.
  const perAxis = (values: ArrayLike<number>): Tensor => {
    const shape = grid.axis === undefined ? [] : [values.length, ...new Array<number>(x.shape.length - grid.axis - 1).fill(1)];
    return ctx.constant(`${node.name}/grid`, "float32", shape, Float32Array.from(values));
  };
  const wide = ctx.helper(node, "as_float", "Cast", [x], {}, { dtype: "float32" });
  const centered = ctx.helper(node, "centered", "Binary", [wide, perAxis(grid.zeroPoints)], { fn: "sub" });
  const inputs = [centered, perAxis(grid.scales)];
  return role === undefined ? ctx.result(node, "Binary", inputs, { fn: "mul" }) : ctx.helper(node, role, "Binary", inputs, { fn: "mul" });
}

const quantizeLinear = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  if (node.int("output_dtype", 0) !== 0 && !ctx.has(node, 2)) node.unsupported("output_dtype without a zero point is not supported");
  const grid = readGrid(ctx, node, 1, x.shape, node.int("axis", 1));
  const dtype = ctx.optional(node, 2)?.dtype ?? "uint8";
  const float = x.dtype === "float32" ? x : ctx.helper(node, "as_float", "Cast", [x], {}, { dtype: "float32" });
  ctx.result(node, "Quantize", [float], {}, { dtype, quant: grid });
};

const dequantizeLinear = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  dequantized(ctx, node, x, readGrid(ctx, node, 1, x.shape, node.int("axis", 1)), undefined);
};

/** Input `index`, followed by its scale and zero point, as float. */
function floatInput(ctx: ImportContext, node: OnnxNode, index: number, role: string, axis = 0): Tensor {
  const x = ctx.input(node, index);
  return dequantized(ctx, node, x, readGrid(ctx, node, index + 1, x.shape, axis), role);
}

/**
 * Runs a float importer on a stand-in for the node whose output is then quantized to the grid at inputs `scaleIndex`, +1.
 */
function quantizedResult(ctx: ImportContext, node: OnnxNode, scaleIndex: number, float: () => Tensor): void {
  const y = float();
  const quant = readGrid(ctx, node, scaleIndex, y.shape, 1);
  const dtype: DType = ctx.optional(node, scaleIndex + 1)?.dtype ?? "uint8";
  ctx.quantizedResult(node, y, dtype, quant);
}

const qlinearConv = (ctx: ImportContext, node: OnnxNode): void => {
  const x = floatInput(ctx, node, 0, "x");
  const w = floatInput(ctx, node, 3, "w");
  const bias = ctx.has(node, 8) ? floatBias(ctx, node, 8, 1, 4) : undefined;
  quantizedResult(ctx, node, 6, () => ctx.standIn(node, (inner) => convolution(ctx, inner, x, w, bias)));
};

/** An int32 bias on the grid scale(input) * scale(weights). */
function floatBias(ctx: ImportContext, node: OnnxNode, index: number, inputScale: number, weightScale: number): Tensor {
  const bias = ctx.constantInput(node, index, "bias");
  const sIn = ctx.constantInput(node, inputScale, "scale").data[0] ?? 1;
  const weights = ctx.constantInput(node, weightScale, "scale").data;
  const scales = Float32Array.from(weights, (s) => Math.fround(sIn * s));
  const grid: Quantization = { scales, zeroPoints: new Int32Array(scales.length), ...(scales.length > 1 && { axis: 0 }) };
  if (scales.length > 1 && bias.shape[0] !== scales.length) node.fail(`bias ${formatShape(bias.shape)}, expected [${scales.length}]`);
  return dequantized(ctx, node, bias, grid, "bias");
}

const qlinearMatMul = (ctx: ImportContext, node: OnnxNode): void => {
  const a = floatInput(ctx, node, 0, "a");
  const b = floatInput(ctx, node, 3, "b", -1);
  quantizedResult(ctx, node, 6, () => ctx.standIn(node, (inner) => matrixProduct(ctx, inner, a, b)));
};

/** com.microsoft QLinearAdd, QLinearMul */
const qlinearBinary =
  (fn: BinaryFn): OpImporter =>
  (ctx, node) => {
    const [a, b] = [floatInput(ctx, node, 0, "a"), floatInput(ctx, node, 3, "b")];
    quantizedResult(ctx, node, 6, () => ctx.helper(node, "float", "Binary", [a, b], { fn }));
  };

/** com.microsoft QLinearSigmoid, QLinearLeakyRelu */
const qlinearUnary =
  (attrs: (node: OnnxNode) => UnaryAttrs): OpImporter =>
  (ctx, node) => {
    const x = floatInput(ctx, node, 0, "x");
    quantizedResult(ctx, node, 3, () => ctx.helper(node, "float", "Unary", [x], attrs(node)));
  };

/** com.microsoft QLinearSoftmax. Before opset 13 its axis would begin a row; where it is the last one, both readings are the same. */
const qlinearSoftmax = (ctx: ImportContext, node: OnnxNode): void => {
  const x = floatInput(ctx, node, 0, "x");
  const axis = ctx.axis(node, node.int("axis", -1), x.shape.length);
  if (node.int("opset", 13) < 13 && axis !== x.shape.length - 1) node.unsupported("opset below 13 is supported for the last axis only");
  quantizedResult(ctx, node, 3, () => ctx.helper(node, "float", "Softmax", [x], { axis, beta: 1 }));
};

/** com.microsoft QLinearConcat: the grid of the output first, then each input with its own. */
const qlinearConcat = (ctx: ImportContext, node: OnnxNode): void => {
  if (node.inputs.length < 5 || (node.inputs.length - 2) % 3 !== 0)
    node.fail(`${node.inputs.length} inputs, expected 2 and 3 for each tensor`);
  const parts = Array.from({ length: (node.inputs.length - 2) / 3 }, (_, i) => floatInput(ctx, node, 2 + 3 * i, `part_${i}`));
  const axis = ctx.axis(node, node.int("axis", 0), parts[0]!.shape.length);
  quantizedResult(ctx, node, 0, () => ctx.helper(node, "float", "Concat", parts, { axis }));
};

/** com.microsoft QLinearGlobalAveragePool, QLinearAveragePool */
const qlinearPool =
  (global: boolean): OpImporter =>
  (ctx, node) => {
    if (node.int("channels_last", 0) !== 0) node.unsupported("channels_last 1 is not supported, expected 0");
    const x = floatInput(ctx, node, 0, "x");
    const axes = x.shape.map((_, i) => i).slice(2);
    quantizedResult(ctx, node, 3, () =>
      global
        ? ctx.helper(node, "float", "Reduce", [x], { fn: "mean", axes, keepDims: true })
        : ctx.standIn(node, (inner) => averagePool(ctx, inner, x)),
    );
  };

/** com.microsoft QGemm: A, B and C as Gemm, with B stored as integers and C int32. */
const qgemm = (ctx: ImportContext, node: OnnxNode): void => {
  const alpha = node.float("alpha", 1);
  if (alpha !== 1 || node.int("transA", 0) !== 0) node.unsupported("alpha other than 1 and transA are not supported");
  if (!ctx.has(node, 7)) node.unsupported("a float output is not supported, expected an output scale");
  const a = floatInput(ctx, node, 0, "a");
  const transB = node.int("transB", 0) !== 0;
  const b = floatInput(ctx, node, 3, "b", transB ? 0 : 1);
  const weights = transB ? b : ctx.transpose(node, "weights", b, [1, 0]);
  const bias = ctx.has(node, 6) ? floatBias(ctx, node, 6, 1, 4) : undefined;
  quantizedResult(ctx, node, 7, () => ctx.helper(node, "float", "Dense", [a, weights, ...(bias ? [bias] : [])], {}));
};

export const QUANTIZED_OPS: readonly (readonly [string, OpImporter])[] = [
  ["QuantizeLinear", quantizeLinear],
  ["DequantizeLinear", dequantizeLinear],
  ["QLinearConv", qlinearConv],
  ["QLinearMatMul", qlinearMatMul],
  ["com.microsoft/QuantizeLinear", quantizeLinear],
  ["com.microsoft/DequantizeLinear", dequantizeLinear],
  ["com.microsoft/QLinearAdd", qlinearBinary("add")],
  ["com.microsoft/QLinearMul", qlinearBinary("mul")],
  ["com.microsoft/QLinearSigmoid", qlinearUnary(() => ({ fn: "sigmoid" }))],
  ["com.microsoft/QLinearLeakyRelu", qlinearUnary((node) => ({ fn: "leakyrelu", alpha: node.float("alpha", 0.01) }))],
  ["com.microsoft/QLinearSoftmax", qlinearSoftmax],
  ["com.microsoft/QLinearConcat", qlinearConcat],
  ["com.microsoft/QLinearGlobalAveragePool", qlinearPool(true)],
  ["com.microsoft/QLinearAveragePool", qlinearPool(false)],
  ["com.microsoft/QGemm", qgemm],
];
