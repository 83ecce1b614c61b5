/**
 * Ops on int16 activations (src/graph/int16.ts). A value takes a word of its own, so ops that move elements need nothing here, and memory is that of
 * float32.
 */
import { elementCount } from "../../../graph/dtype.ts";
import {
  INT16_UNIT_SCALE,
  MOST_INT16_CLASSES,
  MOST_INT16_TERMS,
  int16Layer,
  int16SoftmaxTables,
  int16Table,
  isInt16,
  regridScale,
} from "../../../graph/int16.ts";
import type { Int16Layer, Int16LayerNode, Int16Tensor } from "../../../graph/int16.ts";
import type { Activation, NodeWith, ReduceFn, Tensor, UnaryAttrs } from "../../../graph/ir.ts";
import { addParams, quantizedClamp } from "../../../graph/numerics.ts";
import { f, u } from "../step.ts";
import { sameGrid } from "./context.ts";
import type { Lowering } from "./context.ts";

/**
 * Threads that keep a device busy: below four times as many positions × blocks, each takes one position instead of four that share their weights. On
 * hardware not measured; SwiftShader's threads are few.
 */
const [FEW, FEW_SOFTWARE] = [16_384, 64];

/** Integer bounds of a fused activation. */
function boundsOf(c: Lowering, activation: Activation | undefined, out: Int16Tensor): readonly [number, number] {
  if (activation?.kind === "hardswish") throw c.unsupported("hardswish fused into an integer op", "Leave it as a separate Unary node.");
  return quantizedClamp(activation, out.quant, out.dtype);
}

interface Window {
  readonly batch: number;
  /** Height and width. */
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly groups: number;
  readonly groupIn: number;
  /** [stride y, x, pad top, left, dilation y, x] */
  readonly steps: readonly number[];
}

/** @throws UnsupportedError */
export function lowerInt16Layer(c: Lowering, node: Int16LayerNode): void {
  const layer = int16Layer(c.graph, node);
  if (typeof layer === "string") throw c.unsupported(layer);
  const { x, w, out } = layer;
  if (node.op === "Dense") {
    const m = elementCount(x.shape) / w.shape[1]!;
    const window = {
      batch: 1,
      input: [1, m],
      output: [1, m],
      kernel: [1, 1],
      groups: 1,
      groupIn: w.shape[1]!,
      steps: [1, 1, 0, 0, 1, 1],
    } as const;
    dispatchLayer(c, "i16_conv_general", layer, window, w.data);
    return;
  }
  const { strides, pads, dilations } = node.attrs;
  const window = {
    batch: x.shape[0]!,
    input: [x.shape[1]!, x.shape[2]!],
    output: [out.shape[1]!, out.shape[2]!],
    kernel: [w.shape[1]!, w.shape[2]!],
    steps: [...strides, pads[0], pads[1], ...dilations],
  } as const;
  if (node.op === "Conv2D") {
    dispatchLayer(c, "i16_conv_general", layer, { ...window, groups: node.attrs.groups, groupIn: w.shape[3]! }, w.data);
    return;
  }
  const [channels, total, taps] = [x.shape[3]!, w.shape[3]!, w.shape[1]! * w.shape[2]!];
  const rows = w.data.map((_, i) => w.data[(i % taps) * total + Math.floor(i / taps)]!);
  // Outputs with a channel of their own form one group.
  const isOwn = total === channels;
  const family = isOwn ? "i16_depthwise" : "i16_conv_general";
  dispatchLayer(c, family, layer, { ...window, groups: isOwn ? 1 : channels, groupIn: 1 }, rows);
}

/** @param weights [output channel][tap][channel of the group] */
function dispatchLayer(
  c: Lowering,
  family: string,
  { x, out, scales, bias, lo, hi }: Int16Layer,
  window: Window,
  weights: Int8Array,
): void {
  const { batch, input, output, groups, groupIn, steps } = window;
  const outC = scales.length;
  const groupOut = outC / groups;
  const groupBlocks = Math.ceil(groupOut / 4);
  const blocks = groups * groupBlocks;
  const k = window.kernel[0] * window.kernel[1] * groupIn;
  const bytes = new Int8Array(blocks * k * 4);
  const columns = new Int32Array(blocks * 12);
  const floats = new Float32Array(columns.buffer);
  for (let o = 0; o < outC; o++) {
    const [group, column] = [Math.floor(o / groupOut), o % groupOut];
    const [block, lane] = [group * groupBlocks + (column >> 2), column & 3];
    for (let i = 0; i < k; i++) bytes[(i * blocks + block) * 4 + lane] = weights[o * k + i]!;
    const high = Math.floor(bias[o]! / 256);
    columns[block * 12 + lane] = high;
    columns[block * 12 + 4 + lane] = bias[o]! - high * 256;
    floats[block * 12 + 8 + lane] = scales[o]!;
  }
  const pixels = batch * output[0] * output[1];
  const each = pixels * blocks >= (c.facts.software ? FEW_SOFTWARE : FEW) * 4 && pixels >= 4 ? 4 : 1;
  const threads = Math.ceil(pixels / each) * blocks;
  const params = [
    ...u(threads, ...input, x.shape[x.shape.length - 1]!, ...output, outC, groupIn, groupOut, ...window.kernel, ...steps),
    ...u(0, 0, 0, 0, 0, 0, lo, hi, pixels),
  ];
  const inputs = [c.operand(x), c.constant("weights", new Uint32Array(bytes.buffer)), c.constant("columns", columns)];
  c.flat({ kernel: `${family}_${each}x4__wgsl`, params, inputs, output: out, threads });
}

/** What follows count, rank and operands' steps: see i16_binary.wgsl. */
export function int16BinaryParams(
  c: Lowering,
  { attrs: { fn, activation } }: NodeWith<"Binary">,
  [a, b, out]: readonly [Int16Tensor, Int16Tensor, Int16Tensor],
): { readonly kernel: string; readonly params: readonly number[] } {
  const bounds = boundsOf(c, activation, out);
  if (fn === "mul") {
    const scale = Math.fround(Math.fround(a.quant.scales[0]! * b.quant.scales[0]!) / out.quant.scales[0]!);
    return { kernel: "i16_binary_mul__wgsl", params: [...u(0, 0, 0, 0), ...f(scale), ...u(...bounds, 0, 0, 0)] };
  }
  if (fn !== "add" && fn !== "sub") throw c.unsupported(`${fn} on quantized tensors, expected add, sub or mul`);
  const sum = addParams(a.quant, b.quant, out.quant, fn === "add" ? 1 : -1);
  if (sum === undefined)
    throw c.unsupported(
      `input scales ${a.quant.scales[0]!} and ${b.quant.scales[0]!} against output scale ${out.quant.scales[0]!}, expected a ratio in [2^-10, 2^8)`,
      "Quantize with closer ranges, or leave this node in float32.",
    );
  const params = [...u(sum.multA, sum.multB, sum.bias / 256, sum.shift - 8), ...f(0), ...u(...bounds, 0, 0, 0)];
  return { kernel: "i16_binary_add__wgsl", params };
}

/** @param table absent: multiply by the factor */
function map(c: Lowering, kernel: string, x: Tensor, out: Int16Tensor, factor: number, table?: Uint32Array): void {
  const threads = elementCount(out.shape);
  const params = [...u(threads), ...f(factor), ...u(-32768, 32767)];
  const inputs = [c.operand(x), ...(table === undefined ? [] : [c.constant("table", table)])];
  c.flat({ kernel, params, inputs, output: out, threads });
}

export function lowerInt16Unary(c: Lowering, attrs: UnaryAttrs, x: Int16Tensor, out: Int16Tensor): void {
  map(c, "i16_unary_table__wgsl", x, out, 0, new Uint32Array(int16Table(attrs, x.quant, out.quant).buffer));
}

export function lowerInt16Requantize(c: Lowering, x: Int16Tensor, out: Int16Tensor): void {
  map(c, "i16_requantize__wgsl", x, out, regridScale(x.quant, out.quant));
}

/** The i-th input of a move on its output's grid: itself, or a copy in scratch memory. */
export function int16OnGrid(c: Lowering, x: Tensor, out: Tensor, i: number): Tensor {
  if (!isInt16(x) || !isInt16(out) || sameGrid(x, out)) return x;
  const { dtype, shape } = x;
  const threads = elementCount(shape);
  const name = c.scratch(`grid ${i}`, threads);
  const params = [...u(threads), ...f(regridScale(x.quant, out.quant)), ...u(-32768, 32767)];
  c.flat({ kernel: "i16_requantize__wgsl", params, inputs: [c.operand(x)], output: name, threads });
  return { name, dtype, shape, quant: out.quant };
}

/** @param inverse float32 reciprocal of the output's scale */
export function lowerInt16Quantize(c: Lowering, x: Tensor, out: Int16Tensor, inverse: number): void {
  map(c, "i16_quantize__wgsl", x, out, inverse);
}

/** @param geometry the window, up to whether padding counts */
export function lowerInt16Pool(
  c: Lowering,
  { op, attrs }: NodeWith<"MaxPool2D"> | NodeWith<"AveragePool2D">,
  geometry: readonly number[],
  x: Int16Tensor,
  out: Int16Tensor,
): void {
  const isMax = op === "MaxPool2D";
  const size = attrs.kernel[0] * attrs.kernel[1];
  if (size > MOST_INT16_TERMS) throw c.unsupported(`a window of ${size} int16 values, expected at most ${MOST_INT16_TERMS}`);
  const bounds = boundsOf(c, attrs.activation, out);
  const ratio = regridScale(x.quant, out.quant);
  const scales = Float32Array.from({ length: size + 1 }, (_, n) => (isMax ? ratio : n === 0 ? 0 : ratio / n));
  const params = [...geometry, ...u(0, 0, 0), ...u(isMax ? -32768 : 0, 0, ...bounds, 0)];
  const kernel = isMax ? "i16_maxpool__wgsl" : "i16_avgpool__wgsl";
  c.flat({ kernel, params, inputs: [c.operand(x), c.constant("scales", scales)], output: out, threads: elementCount(out.shape) });
}

/**
 * @param head ranks of kept and reduced axes, and how many values meet
 * @param tail sizes and steps of both
 */
export function lowerInt16Reduce(
  c: Lowering,
  fn: ReduceFn,
  [kept, reduced, count]: readonly [number, number, number],
  tail: readonly number[],
  x: Int16Tensor,
  out: Int16Tensor,
): void {
  if (fn === "prod") throw c.unsupported("product of a quantized tensor", "Dequantize it first.");
  if (count > MOST_INT16_TERMS) throw c.unsupported(`${fn} of ${count} int16 values, expected at most ${MOST_INT16_TERMS}`);
  const ratio = regridScale(x.quant, out.quant);
  const threads = elementCount(out.shape);
  const params = [
    ...u(threads, kept, reduced, count, 0, 0, 0),
    ...f(fn === "mean" ? Math.fround(ratio / count) : ratio),
    ...u(0, 0, 0, 0),
    ...tail,
  ];
  c.flat({ kernel: `i16_reduce_${fn === "mean" ? "sum" : fn}_strided__wgsl`, params, inputs: [c.operand(x)], output: out, threads });
}

export function lowerInt16Softmax(c: Lowering, { attrs: { axis, beta } }: NodeWith<"Softmax">, x: Int16Tensor, out: Int16Tensor): void {
  const length = x.shape[axis]!;
  if (out.quant.scales[0] !== INT16_UNIT_SCALE) throw c.unsupported(`output scale ${out.quant.scales[0]!}, expected 2^-15`);
  if (length > MOST_INT16_CLASSES) throw c.unsupported(`${length} classes in int16, expected at most ${MOST_INT16_CLASSES}`);
  const { coarse, fine } = int16SoftmaxTables(x.quant, beta);
  const inner = elementCount(x.shape.slice(axis + 1));
  const threads = elementCount(x.shape) / length;
  const inputs = [c.operand(x), c.constant("exponentials", Uint32Array.of(...coarse, ...fine))];
  c.flat({ kernel: "i16_softmax_row__wgsl", params: u(threads, length, inner), inputs, output: out, threads });
}
