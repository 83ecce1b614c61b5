/** Binary, Unary, Quantize, Dequantize, Requantize. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { bytesPerElement, elementCount } from "../../../graph/dtype.ts";
import type { Activation, Node, Quantization, Tensor, UnaryAttrs } from "../../../graph/ir.ts";
import { isInt16 } from "../../../graph/int16.ts";
import { isByte, isQuantized } from "../../cpu/kernels/shared.ts";
import { addParams, integerRange, inverseScale, perTensor, quantizedClamp, unaryTable } from "../../../graph/numerics.ts";
import { BINARY, UNARY } from "../codes.ts";
import type { KernelCall, NodePlan, PlanContext, Planner } from "../program.ts";
import { fitsMagic, floatPair, integerPost, tilePost } from "../records.ts";
import { activationArgs } from "./float/problem.ts";
import { mapCall } from "./map.ts";
import { int16BinaryPost, planInt16Conversion, planInt16Requantize, planInt16Unary } from "./int16.ts";
import { RATE, splitRows, splitRun } from "./split.ts";
import type { Range } from "./split.ts";
import { broadcastStrides, mergeLoops, padLoops } from "./strides.ts";
import type { LoopPlan } from "./strides.ts";

export const planBinary: Planner<"Binary"> = (context, node) => {
  const a = requireInput(context.graph, node, 0);
  const b = requireInput(context.graph, node, 1);
  const out = outputTensor(context.graph, node);
  if (elementCount(out.shape) === 0) return undefined;
  const loops = padLoops(mergeLoops(out.shape, [broadcastStrides(a.shape, out.shape), broadcastStrides(b.shape, out.shape)]), 4);
  if (loops === undefined) return undefined;
  const { fn, activation } = node.attrs;
  if (isInt16(a) && isInt16(b) && isInt16(out)) {
    const rest = int16BinaryPost(context, node, [a, b, out]);
    return rest && broadcastPlan(context, "i16_binary_broadcast_1x1__wasm_simd", [a, b, out], loops, rest);
  }
  if (isQuantized(out)) return planIntegerBinary(context, node, a, b, out, loops);
  if (a.dtype !== "float32" || b.dtype !== "float32" || out.dtype !== "float32") return undefined;
  const finish = (): readonly number[] => activationArgs(context, activation);
  if (fn === "pow") {
    // Squares are the common case; other exponents are left to the CPU engine.
    if (b.data?.length !== 1 || b.data[0] !== 2 || elementCount(a.shape) !== elementCount(out.shape)) return undefined;
    const square = { dims: [1, 1, 1, elementCount(out.shape)], strides: [ONCE, ONCE] };
    return broadcastPlan(context, FLOATS, [a, a, out], square, [BINARY.mul, ...finish()]);
  }
  return broadcastPlan(context, FLOATS, [a, b, out], loops, [BINARY[fn], ...finish()]);
};

const FLOATS = "f32_binary_broadcast_1x4__wasm_simd";
/** Strides of an operand that is one run. */
const ONCE = [0, 0, 0, 1];

/** A call over four loops, shared along the outermost of more than one round. */
function broadcastPlan(
  context: PlanContext,
  kernel: string,
  operands: readonly [Tensor, Tensor, Tensor],
  loops: LoopPlan,
  rest: readonly number[],
): NodePlan {
  const [a, b, out] = operands.map((tensor) => context.address(tensor)) as [number, number, number];
  const call = broadcastCall(context, kernel, [a, b, out], bytesPerElement(operands[2].dtype), loops, rest);
  return { kernel, calls: () => [call] };
}

/** @param addresses of both operands and the output */
function broadcastCall(
  context: PlanContext,
  kernel: string,
  [a, b, out]: readonly [number, number, number],
  bytes: number,
  { dims, strides }: LoopPlan,
  rest: readonly number[],
): KernelCall {
  const [aStrides = [], bStrides = []] = strides;
  const longer = dims.findIndex((size) => size > 1);
  const axis = longer < 0 ? dims.length - 1 : longer;
  const inner = elementCount(dims.slice(axis + 1));
  const args = ({ from, to }: Range): readonly number[] => {
    const part = dims.map((size, d) => (d === axis ? to - from : size));
    const table = context.table(Int32Array.of(...part, ...aStrides, ...bStrides));
    const start = [a + from * aStrides[axis]! * bytes, b + from * bStrides[axis]! * bytes, out + from * inner * bytes];
    return [...start, table, ...rest];
  };
  const cost = elementCount(dims) / RATE.map;
  const split = inner === 1 ? splitRun(dims[axis]!, cost, args) : splitRows(dims[axis]!, cost, args);
  return { kernel, args: args({ from: 0, to: dims[axis]! }), split };
}

/** Adds two runs of floats; the output may be one of them. @param addresses of both and the output */
export function additionCall(
  context: PlanContext,
  addresses: readonly [number, number, number],
  count: number,
  activation: Activation | undefined,
): KernelCall {
  const loops = { dims: [1, 1, 1, count], strides: [ONCE, ONCE] };
  return broadcastCall(context, FLOATS, addresses, 4, loops, [BINARY.add, ...activationArgs(context, activation)]);
}

/** Zero point as the kernels see it: of signed bytes, which uint8 becomes by flipping the top bit. */
function signedZeroPoint(tensor: Tensor & { readonly quant: Quantization }): number {
  return perTensor(tensor.quant).zeroPoint - (tensor.dtype === "uint8" ? 128 : 0);
}

function planIntegerBinary(
  context: PlanContext,
  node: Node & { readonly op: "Binary" },
  a: Tensor,
  b: Tensor,
  out: Tensor & { readonly quant: Quantization },
  loops: LoopPlan,
): NodePlan | undefined {
  const { fn, activation } = node.attrs;
  if (!isQuantized(a) || !isQuantized(b) || !isByte(out.dtype) || a.dtype !== out.dtype || b.dtype !== out.dtype) return undefined;
  if (activation?.kind === "hardswish" || (fn !== "add" && fn !== "sub" && fn !== "mul")) return undefined;
  const [lo, hi] = quantizedClamp(activation, out.quant, out.dtype);
  const to = perTensor(out.quant);
  const isSigned = out.dtype === "int8";
  let post: Int32Array;
  if (fn === "mul") {
    const scale = Math.fround(Math.fround(perTensor(a.quant).scale * perTensor(b.quant).scale) / to.scale);
    if (!fitsMagic(255 * 255 * scale)) return undefined;
    const extra = new Int32Array(12);
    new Int16Array(extra.buffer).fill(signedZeroPoint(a), 0, 8).fill(signedZeroPoint(b), 8, 16);
    new Float32Array(extra.buffer).fill(scale, 8, 12);
    post = tilePost(to.zeroPoint, lo, hi, isSigned, extra);
  } else {
    const signed = (t: Tensor & { readonly quant: Quantization }): Quantization => ({
      scales: t.quant.scales,
      zeroPoints: Int32Array.of(signedZeroPoint(t)),
    });
    const params = addParams(signed(a), signed(b), out.quant, fn === "add" ? 1 : -1);
    if (params === undefined) return undefined;
    post = tilePost(to.zeroPoint, lo, hi, isSigned, Int32Array.of(params.shift));
    post.fill(params.multA, 0, 4).fill(params.multB, 4, 8).fill(params.bias, 8, 12);
    new Int16Array(post.buffer).fill(signedZeroPoint(out), 24, 32);
  }
  const kernel = "i8_binary_broadcast_1x8__wasm_simd";
  const rest = [fn === "mul" ? BINARY.mul : BINARY.add, isSigned ? 0 : 0x80, context.table(post)];
  return broadcastPlan(context, kernel, [a, b, out], loops, rest);
}

/** Code and parameters of a float unary op; undefined where there is no kernel. */
function unaryCode(attrs: UnaryAttrs): { readonly code: number; readonly post: Float32Array } | undefined {
  switch (attrs.fn) {
    case "relu":
      return { code: UNARY.clamp, post: floatPair(0, Infinity) };
    case "clip":
      return { code: UNARY.clamp, post: floatPair(attrs.min ?? -Infinity, attrs.max ?? Infinity) };
    case "leakyrelu":
      return { code: UNARY.leakyrelu, post: floatPair(attrs.alpha ?? 0.01, 0) };
    case "hardsigmoid":
      return { code: UNARY.hardsigmoid, post: floatPair(attrs.alpha ?? 0.2, attrs.beta ?? 0.5) };
    case "erf":
      return undefined;
    default:
      return { code: UNARY[attrs.fn], post: floatPair(0, 0) };
  }
}

/** Unary codes of a few instructions; the others compute exponentials or logarithms. */
const SIMPLE: ReadonlySet<number> = new Set([UNARY.clamp, UNARY.hardswish, UNARY.hardsigmoid, UNARY.leakyrelu, UNARY.abs, UNARY.neg]);

export const planUnary: Planner<"Unary"> = (context, node) => {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  if (isInt16(x) && isInt16(out)) return planInt16Unary(context, node, x, out);
  if (isQuantized(x) && isQuantized(out)) return planTable(context, x, out, node.attrs);
  if (x.dtype !== "float32" || out.dtype !== "float32") return undefined;
  const unary = unaryCode(node.attrs);
  if (unary === undefined) return undefined;
  const kernel = "f32_unary_map_1x4__wasm_simd";
  const rest = [unary.code, context.table(unary.post)];
  const rate = SIMPLE.has(unary.code) ? RATE.map : RATE.math;
  const call = mapCall(kernel, [context.address(x), 4], [context.address(out), 4], elementCount(x.shape), rate, rest);
  return { kernel, calls: () => [call] };
};

/** Byte → byte through 256 entries. */
export function byteTable(
  context: PlanContext,
  x: Tensor & { readonly quant: Quantization },
  out: Tensor & { readonly quant: Quantization },
  attrs: UnaryAttrs | undefined,
): number {
  return context.table(Uint8Array.from(unaryTable(attrs, x.quant, x.dtype, out.quant, out.dtype), (q) => q & 255));
}

export function tableCall(from: number, to: number, count: number, table: number): KernelCall {
  return mapCall("i8_table_map_1x8__wasm_simd", [from, 1], [to, 1], count, RATE.map, [table]);
}

function planTable(
  context: PlanContext,
  x: Tensor & { readonly quant: Quantization },
  out: Tensor & { readonly quant: Quantization },
  attrs: UnaryAttrs | undefined,
): NodePlan | undefined {
  if (!isByte(x.dtype) || !isByte(out.dtype) || x.quant.scales.length !== 1 || out.quant.scales.length !== 1) return undefined;
  const call = tableCall(context.address(x), context.address(out), elementCount(x.shape), byteTable(context, x, out, attrs));
  return { kernel: call.kernel, calls: () => [call] };
}

export const planRequantize: Planner<"Requantize"> = (context, node) => {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  if (isInt16(x) && isInt16(out)) return planInt16Requantize(context, x, out);
  return isQuantized(x) && isQuantized(out) ? planTable(context, x, out, undefined) : undefined;
};

export const planQuantize: Planner<"Quantize"> = (context, node) => {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  if (x.dtype === "float32" && isInt16(out)) return planInt16Conversion(context, node, inverseScale(out.quant.scales[0]!));
  if (x.dtype !== "float32" || !isByte(out.dtype) || out.quant?.scales.length !== 1) return undefined;
  const { scale, zeroPoint } = perTensor(out.quant);
  const inverse = context.table(Float32Array.of(inverseScale(scale)));
  const post = context.table(integerPost(zeroPoint, ...integerRange(out.dtype)));
  const kernel = "f32_quantize_map_1x8__wasm_simd";
  const call = mapCall(kernel, [context.address(x), 4], [context.address(out), 1], elementCount(x.shape), RATE.map, [inverse, post]);
  return { kernel, calls: () => [call] };
};

export const planDequantize: Planner<"Dequantize"> = (context, node) => {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  if (isInt16(x) && out.dtype === "float32") return planInt16Conversion(context, node, x.quant.scales[0]!);
  if (!isByte(x.dtype) || !isQuantized(x) || x.quant.scales.length !== 1 || out.dtype !== "float32") return undefined;
  const scale = context.table(Float32Array.of(perTensor(x.quant).scale));
  const kernel = "f32_dequantize_map_1x4__wasm_simd";
  const flip = x.dtype === "uint8" ? 0x80 : 0;
  const rest = [scale, signedZeroPoint(x), flip];
  const call = mapCall(kernel, [context.address(x), 1], [context.address(out), 4], elementCount(x.shape), RATE.map, rest);
  return { kernel, calls: () => [call] };
};
