/**
 * Ops on int16 activations (src/graph/int16.ts), read as they lie; only layers with padding read a bordered copy. Without vector instructions, and
 * for what has no kernel here, the CPU engine computes.
 */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import {
  INT16_UNIT_SCALE,
  MOST_INT16_CLASSES,
  MOST_INT16_TERMS,
  int16Layer,
  int16SoftmaxTables,
  int16Table,
  regridScale,
} from "../../../graph/int16.ts";
import type { Int16Layer, Int16LayerNode, Int16Tensor } from "../../../graph/int16.ts";
import type { NodeWith } from "../../../graph/ir.ts";
import { addParams, quantizedClamp } from "../../../graph/numerics.ts";
import { BINARY } from "../codes.ts";
import { PANEL, packInt16, packInt16Depthwise } from "../pack-int16.ts";
import type { KernelCall, NodePlan, PlanContext } from "../program.ts";
import { floatPair, floatPost, windowRecord } from "../records.ts";
import { borderedCopy } from "./copy.ts";
import { paddedShape, planCall } from "./depthwise/problem.ts";
import { placePanels, planTiles } from "./layer.ts";
import { mapCall } from "./map.ts";
import { RATE, splitRows, splitWindows } from "./split.ts";
import type { Range } from "./split.ts";
import { matrixWindows, planWindows, rowBlock } from "./windows.ts";
import type { Windows } from "./windows.ts";

const CONV = "i16_conv_pairs_4x8__wasm_simd";
const DEPTHWISE = "i16_depthwise_direct_4x8__wasm_simd";
const POOL = "i16_pool_direct_1x8__wasm_simd";
/** Sums of a tile: 4 rows × 8 doubles. */
const SUM_BYTES = 256;
/** The copy of an image may be read a pair beyond its end. */
const PAIR_BYTES = 4;
/** Taps whose products, at most 2^22 each, fit int32. */
const MOST_TAPS = 511;
/** Kernels read whole vectors: this much may be touched behind the last row. */
const OVERREAD_BYTES = 64;
const NO_PADS = [0, 0, 0, 0] as const;

export function planInt16Layer(context: PlanContext, node: Int16LayerNode): NodePlan | undefined {
  const layer = int16Layer(context.graph, node);
  const pads = node.op === "Dense" ? NO_PADS : node.attrs.pads;
  if (typeof layer === "string" || !context.selection.simd || pads.some((p) => p < 0)) return undefined;
  const { x, w, out } = layer;
  if ([x, w, out].some(({ shape }) => elementCount(shape) === 0)) return undefined;
  if (node.op === "Dense") {
    const k = w.shape[1]!;
    return planProduct(context, layer, matrixWindows(elementCount(x.shape) / k, k), 1, NO_PADS, w.data);
  }
  const size = [w.shape[1]!, w.shape[2]!] as const;
  const taps = size[0] * size[1];
  if (node.op === "Conv2D") {
    const { groups } = node.attrs;
    return planProduct(context, layer, planWindows(x.shape, out.shape, size, node.attrs), groups, pads, w.data);
  }
  const [channels, total] = [x.shape[3]!, w.shape[3]!];
  if (channels === total && taps <= MOST_TAPS) return planWindow(context, node, layer, size);
  // One group per input channel; weights [KH][KW][O] → [O][KH × KW].
  const ordered = w.data.map((_, i) => w.data[(i % taps) * total + Math.floor(i / taps)]!);
  return planProduct(context, layer, planWindows(x.shape, out.shape, size, { ...node.attrs, groups: channels }), channels, pads, ordered);
}

/** @param weights [channels][k] */
function planProduct(
  context: PlanContext,
  layer: Int16Layer,
  windows: Windows,
  groups: number,
  pads: readonly [number, number, number, number],
  weights: Int8Array,
): NodePlan {
  const { x, out, scales, bias, lo, hi } = layer;
  const { m, run, segments } = windows;
  const n = scales.length / groups;
  const k = segments.length * run;
  const problem = { windows, shape: x.shape, pads, groups, n, k, input: context.address(x), output: context.address(out) };
  const post = context.table(floatPair(lo, hi));
  return planTiles(context, problem, {
    kernel: CONV,
    access: "windows",
    tile: [4, PANEL],
    inputBytes: 2,
    outputBytes: 2,
    lane: 2,
    copy: borderedCopy(context, problem, 2, PAIR_BYTES),
    ownBytes: SUM_BYTES,
    panels: placePanels(context, problem, (first, share) =>
      packInt16(weights.subarray(first * k, (first + n) * k), k, segments.length, share(bias), share(scales)),
    ),
    block: rowBlock(m, k * 2),
    finish: (own) => [own, post],
    operandBytes: [2, 2],
    rate: RATE.i8,
  });
}

/** A kernel over clipped windows with arguments [input, ...first, output, geometry, ...rest]. */
function windowCall(
  context: PlanContext,
  kernel: string,
  record: Int32Array,
  [x, out]: readonly [Int16Tensor, Int16Tensor],
  first: readonly number[],
  rest: readonly number[],
): KernelCall {
  const [input, output] = [context.address(x), context.address(out)];
  const args = (inputOffset: number, outputOffset: number, geometry: number): readonly number[] => [
    ...[input + inputOffset, ...first, output + outputOffset, geometry],
    ...rest,
  ];
  const [batch = 1, , , , , , kh = 1, kw = 1] = record;
  const image = { input: (elementCount(x.shape) / batch) * 2, output: (elementCount(out.shape) / batch) * 2, isPadded: false };
  const split = splitWindows(context, record, image, (elementCount(out.shape) * kh * kw) / RATE.depthwise, args);
  return { kernel, args: args(0, 0, context.table(record)), split };
}

function planWindow(context: PlanContext, node: NodeWith<"DepthwiseConv2D">, layer: Int16Layer, size: readonly [number, number]): NodePlan {
  const { x, w, out, bias, scales, lo, hi } = layer;
  const { attrs } = node;
  const [input, output] = [context.address(x), context.address(out)];
  const problem = { attrs, shape: x.shape, pads: attrs.pads, outShape: out.shape, size, input, output };
  const padded = paddedShape(problem);
  const [batch, height, width, channels] = padded;
  const rowBytes = width * channels * 2;
  const record = windowRecord(padded, out.shape, size, { ...attrs, pads: NO_PADS });
  return planCall(context, problem, {
    kernel: DEPTHWISE,
    record,
    image: { input: height * rowBytes, output: (elementCount(out.shape) / batch) * 2, isPadded: true },
    rate: RATE.depthwise,
    copy: borderedCopy(context, problem, 2, OVERREAD_BYTES),
    weights: context.weights(packInt16Depthwise(w.data, size[0] * size[1], bias, scales)),
    finish: [context.table(floatPair(lo, hi))],
  });
}

export function planInt16Pool(
  context: PlanContext,
  { op, attrs }: NodeWith<"MaxPool2D"> | NodeWith<"AveragePool2D">,
  x: Int16Tensor,
  out: Int16Tensor,
): NodePlan | undefined {
  const { activation, kernel: size } = attrs;
  if (activation?.kind === "hardswish" || size[0] * size[1] > MOST_INT16_TERMS) return undefined;
  const record = windowRecord(x.shape, out.shape, size, attrs, attrs.countIncludePad);
  const bounds = quantizedClamp(activation, out.quant, out.dtype);
  const ratio = regridScale(x.quant, out.quant);
  // A maximum is taken on the input's grid.
  const isRegridded = op === "MaxPool2D" && ratio !== 1;
  const post = Float32Array.of(...(isRegridded ? floatPost(undefined) : floatPair(...bounds)), ratio);
  const call = windowCall(context, POOL, record, [x, out], [], [op === "MaxPool2D" ? 1 : 0, context.table(post)]);
  const calls = [call, ...(isRegridded ? [scaleCall(context, out, out, ratio, bounds)] : [])];
  return { kernel: POOL, calls: () => calls };
}

/** A mean over the middle axis of [outer, count, inner]: an average pool of `outer` images, `count` × 1 pixels and `inner` channels. */
export function planInt16Mean(
  context: PlanContext,
  [outer, count, inner]: readonly [number, number, number],
  x: Int16Tensor,
  out: Int16Tensor,
): NodePlan | undefined {
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: NO_PADS, kernel: [count, 1], countIncludePad: false } as const;
  const node = { name: "", op: "AveragePool2D", inputs: [], outputs: [], attrs } as const;
  return planInt16Pool(context, node, { ...x, shape: [outer, count, 1, inner] }, { ...out, shape: [outer, 1, 1, inner] });
}

function scaleCall(context: PlanContext, x: Int16Tensor, out: Int16Tensor, scale: number, bounds: readonly [number, number]): KernelCall {
  const rest = [context.table(Float32Array.of(scale)), context.table(floatPair(...bounds))];
  const count = elementCount(out.shape);
  return mapCall("i16_scale_map_1x8__wasm_simd", [context.address(x), 2], [context.address(out), 2], count, RATE.map, rest);
}

export function planInt16Requantize(context: PlanContext, x: Int16Tensor, out: Int16Tensor): NodePlan {
  const call = scaleCall(context, x, out, regridScale(x.quant, out.quant), [-32768, 32767]);
  return { kernel: call.kernel, calls: () => [call] };
}

export function planInt16Unary(context: PlanContext, { attrs }: NodeWith<"Unary">, x: Int16Tensor, out: Int16Tensor): NodePlan {
  const kernel = "i16_table_map_1x1__wasm_simd";
  const table = context.table(int16Table(attrs, x.quant, out.quant));
  const call = mapCall(kernel, [context.address(x), 2], [context.address(out), 2], elementCount(x.shape), RATE.map, [table]);
  return { kernel, calls: () => [call] };
}

/** Parameters of an integer sum or product; undefined where it has none. */
export function int16BinaryPost(
  context: PlanContext,
  { attrs: { fn, activation } }: NodeWith<"Binary">,
  [a, b, out]: readonly [Int16Tensor, Int16Tensor, Int16Tensor],
): readonly number[] | undefined {
  if (activation?.kind === "hardswish" || (fn !== "add" && fn !== "sub" && fn !== "mul")) return undefined;
  const post = new Int32Array(8);
  post.set(quantizedClamp(activation, out.quant, out.dtype), 4);
  if (fn === "mul") {
    const scale = Math.fround(Math.fround(a.quant.scales[0]! * b.quant.scales[0]!) / out.quant.scales[0]!);
    new Float32Array(post.buffer)[6] = scale;
    // Beyond it a scaled product may leave int32 before it is clamped.
    if (2 ** 30 * scale >= 2 ** 31) return undefined;
  } else {
    const params = addParams(a.quant, b.quant, out.quant, fn === "add" ? 1 : -1);
    if (params === undefined) return undefined;
    post.set([params.multA, params.multB, params.bias, params.shift]);
  }
  return [fn === "mul" ? BINARY.mul : BINARY.add, context.table(post)];
}

export function planInt16Softmax(context: PlanContext, node: NodeWith<"Softmax">, x: Int16Tensor, out: Int16Tensor): NodePlan | undefined {
  const { axis, beta } = node.attrs;
  const n = x.shape[axis]!;
  if (elementCount(x.shape.slice(axis + 1)) !== 1 || n > MOST_INT16_CLASSES || out.quant.scales[0] !== INT16_UNIT_SCALE) return undefined;
  const kernel = "i16_softmax_rows_1x1__wasm_simd";
  const { coarse, fine } = int16SoftmaxTables(x.quant, beta);
  const tables = context.table(Uint32Array.of(...coarse, ...fine));
  const [from, to] = [context.address(x), context.address(out)];
  const args = (rows: Range): readonly number[] => [from + rows.from * n * 2, to + rows.from * n * 2, rows.to - rows.from, n, tables];
  const rows = elementCount(x.shape) / n;
  const split = splitRows(rows, elementCount(x.shape) / RATE.math, args);
  return { kernel, calls: () => [{ kernel, args: args({ from: 0, to: rows }), split }] };
}

/** To or from float32, by the float32 factor. */
export function planInt16Conversion(context: PlanContext, node: NodeWith<"Quantize"> | NodeWith<"Dequantize">, factor: number): NodePlan {
  const [x, out] = [requireInput(context.graph, node, 0), outputTensor(context.graph, node)];
  const [from, to] = [context.address(x), context.address(out)];
  const scale = context.table(Float32Array.of(factor));
  const count = elementCount(x.shape);
  const call =
    node.op === "Quantize"
      ? mapCall("i16_quantize_map_1x8__wasm_simd", [from, 4], [to, 2], count, RATE.map, [scale, context.table(floatPair(-32768, 32767))])
      : mapCall("i16_dequantize_map_1x4__wasm_simd", [from, 2], [to, 4], count, RATE.map, [scale]);
  return { kernel: call.kernel, calls: () => [call] };
}
