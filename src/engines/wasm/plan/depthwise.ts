/** Depthwise convolution with one filter a channel: from a node to the register tiles of tools/wasm-gen/depthwise.ts. */
import { elementCount } from "../../../graph/dtype.ts";
import type { Conv2DAttrs, NodeWith } from "../../../graph/ir.ts";
import { floatWeights, integerFinish } from "../../cpu/kernels/weights.ts";
import { packDepthwiseF32, packDepthwiseI8 } from "../pack.ts";
import type { NodePlan, PlanContext } from "../program.ts";
import { activationCode, fitsTile, floatPost, padRecord, tilePost, windowRecord } from "../records.ts";
import { padCall } from "./float/problem.ts";
import { widenCall } from "./integer/problem.ts";
import { centered } from "./operands.ts";
import type { Operands } from "./operands.ts";
import { relaxedDepthwise } from "./relaxed-depthwise.ts";
import { scalarDepthwiseFloat, scalarDepthwiseInteger } from "./scalar-depthwise.ts";
import { RATE, splitWindows } from "./split.ts";

/** Neighbouring outputs that the tiled kernels compute at once, by kernel width and horizontal stride (tools/wasm-gen/depthwise.ts). */
const DEPTHWISE_COLUMNS: Readonly<Record<"f32" | "i8", Readonly<Record<string, number>>>> = {
  f32: { w3s1: 4, w3s2: 3, w5s1: 2, w5s2: 2 },
  i8: { w3s1: 4, w3s2: 4, w5s1: 4, w5s2: 4 },
};

function depthwiseKernel(type: "f32" | "i8", { strides, dilations }: Conv2DAttrs, kw: number): string {
  const tile = `w${kw}s${strides[1]}`;
  const columns = dilations[0] === 1 && dilations[1] === 1 ? DEPTHWISE_COLUMNS[type][tile] : undefined;
  return `${type}_depthwise_${columns === undefined ? "direct_1x1" : `${tile}_1x${columns}`}__wasm_simd`;
}

export function depthwiseFloat(
  context: PlanContext,
  node: NodeWith<"DepthwiseConv2D">,
  operands: Operands,
  kh: number,
  kw: number,
): NodePlan {
  const { x, w, bias, out } = operands;
  const channels = x.shape[3]!;
  const { activation } = node.attrs;
  const b = bias?.data === undefined ? new Float32Array(channels) : floatWeights(node, bias, bias.data);
  if (!context.selection.simd) {
    return scalarDepthwiseFloat(context, node.attrs, x, out, [kh, kw], floatWeights(node, w, w.data), b);
  }
  const kernel = depthwiseKernel("f32", node.attrs, kw);
  const [batch = 1, height = 1, width = 1] = x.shape;
  const [top, left, bottom, right] = node.attrs.pads;
  // Columns beyond the image lie in a copy, so that tiles run over the whole width: on 25×5×64 that is 3 times as fast as clipping each
  // border column, on 96-wide images as fast (2026-11-24, V8 11.3). Rows are clipped, which costs nothing.
  const padding = left + right === 0 ? undefined : padRecord(x.shape, [0, left, 0, right], 4);
  const padded = [batch, height, width + left + right, channels];
  const record = windowRecord(padded, out.shape, [kh, kw], { ...node.attrs, pads: [top, 0, bottom, 0] });
  const geometry = context.table(record);
  const packed = context.weights(packDepthwiseF32(floatWeights(node, w, w.data), kh * kw, channels, b));
  const [from, to] = [context.address(x), context.address(out)];
  const finish = [activationCode(activation), context.table(floatPost(activation))];
  const cost = (elementCount(out.shape) * kh * kw) / RATE.depthwise;
  const image = { input: height * padded[2]! * channels * 4, output: (elementCount(out.shape) / batch) * 4 };
  return {
    kernel,
    scratchBytes: padding === undefined ? 0 : batch * image.input,
    calls: (scratch) => {
      const start = padding === undefined ? from : scratch;
      const args = (xOffset: number, outOffset: number, part: number): readonly number[] => [
        ...[start + xOffset, packed, to + outOffset, part],
        ...finish,
      ];
      return [
        ...(padding === undefined ? [] : [padCall(context, padding, from, scratch)]),
        { kernel, args: args(0, 0, geometry), split: splitWindows(context, record, image, false, cost, args) },
      ];
    },
  };
}

export function depthwiseInteger(
  context: PlanContext,
  node: NodeWith<"DepthwiseConv2D">,
  operands: Operands,
  kh: number,
  kw: number,
): NodePlan | undefined {
  const { x, w, bias, out } = operands;
  const [batch = 1, height = 1, width = 1, channels = 1] = x.shape;
  const { activation, pads } = node.attrs;
  const [top, left, bottom, right] = pads;
  const finish = integerFinish(node, x, w, bias, out, 3, channels, activation);
  const b = (bias?.data as Int32Array | undefined) ?? new Int32Array(channels);
  const channelOf = (i: number): number => i % channels;
  const centeredWeights = centered(w, finish, channelOf);
  if (!fitsTile(centeredWeights, channelOf, b, finish.scales)) return undefined;
  if (!context.selection.simd) return scalarDepthwiseInteger(context, node.attrs, x, out, [kh, kw], centeredWeights, b, finish);
  const relaxed = relaxedDepthwise(context, node.attrs, x, out, [kh, kw], centeredWeights, b, finish);
  if (relaxed !== undefined) return relaxed;
  const kernel = depthwiseKernel("i8", node.attrs, kw);
  const weights = context.weights(packDepthwiseI8(centeredWeights, kh, kw, channels, b, finish.scales));
  const padded = [batch, height + top + bottom, width + left + right, channels];
  const record = windowRecord(padded, out.shape, [kh, kw], { ...node.attrs, pads: [top, 0, bottom, 0] });
  const geometry = context.table(record);
  const padding = padRecord(x.shape, pads, 1);
  const post = context.table(tilePost(finish.zeroPoint, finish.lo, finish.hi, out.dtype === "int8"));
  const zeroPoint = x.quant!.zeroPoints[0]!;
  // An odd kernel reads, at weight 0, one row below its last.
  const rowBytes = padded[2]! * channels * 2;
  const scratchBytes = padded.reduce((size, d) => size * d, 2) + rowBytes * node.attrs.dilations[0] + 128;
  const from = context.address(x);
  const to = context.address(out);
  return {
    kernel,
    scratchBytes,
    calls: (scratch) => {
      const args = (xOffset: number, outOffset: number, part: number): readonly number[] => [
        ...[scratch + xOffset, weights, to + outOffset, part, post],
      ];
      const cost = (elementCount(out.shape) * kh * kw) / RATE.depthwise;
      const image = { input: 2 * padded[1]! * padded[2]! * channels, output: elementCount(out.shape) / batch };
      return [
        widenCall(context, padding, from, scratch, zeroPoint, x.dtype === "int8"),
        { kernel, args: args(0, 0, geometry), split: splitWindows(context, record, image, true, cost, args) },
      ];
    },
  };
}
