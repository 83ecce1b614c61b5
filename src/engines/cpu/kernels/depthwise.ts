/**
 * DepthwiseConv2D, channel-inner: one output pixel at a time, all channels in a row. 3×3 windows that lie inside the image take a loop
 * with the nine taps unrolled; borders and other windows collect their taps in a row of accumulators (doubles, or int32 for 8 bits).
 */
import { inputTensor, outputTensor, requireInput } from "../../../graph/access.ts";
import type { Tensor } from "../../../graph/ir.ts";
import type { IntegerFinish } from "./gemm_i8.ts";
import { createGeneralConv } from "./conv_general.ts";
import type { ConvGeometry } from "./conv_geometry.ts";
import { convGeometry } from "./conv_geometry.ts";
import { finishValue, floatFinish, requantizeValue } from "./finish.ts";
import { isByte, isQuantized, shortName } from "./shared.ts";
import type { FloatFinish } from "./finish.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";
import { floatWeights, integerFinish } from "./weights.ts";

/** A convolution's geometry with one window position per output pixel and `multiplier` outputs per input channel. */
interface Depthwise extends ConvGeometry {
  readonly multiplier: number;
  /** Offsets of the nine taps of an inside 3×3 window from its first; undefined for other windows. */
  readonly unrolled: boolean;
}

export function createDepthwise(context: KernelContext<"DepthwiseConv2D">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const w = requireInput(graph, node, 1);
  const bias = inputTensor(graph, node, 2);
  const out = outputTensor(graph, node);
  const conv = convGeometry({ ...node, op: "Conv2D", attrs: { ...node.attrs, groups: 1 } }, x, w, out);
  const multiplier = conv.outChannels / conv.channels;
  const g: Depthwise = { ...conv, multiplier, unrolled: conv.taps === 9 && multiplier === 1 };
  if (x.dtype === "float32" && out.dtype === "float32" && (w.dtype === "float32" || isQuantized(w))) {
    return createFloatDepthwise(context, g, w, bias);
  }
  if (isByte(x.dtype) && isQuantized(x)) return createIntegerDepthwise(context, g, x, w, bias, out);
  return createWithGroups(context, { ...conv, groups: conv.channels, groupIn: 1, groupOut: multiplier }, out);
}

/** Other types: as a grouped convolution, whose weights [O][taps][1] are the depthwise ones [taps][O] transposed. */
function createWithGroups(context: KernelContext<"DepthwiseConv2D">, g: ConvGeometry, out: Tensor): CpuKernel {
  const kernel = createGeneralConv(context, g, out);
  return {
    ...kernel,
    run(inputs, output) {
      const w = inputs[1]!;
      const grouped = w.slice();
      for (let o = 0; o < g.outChannels; o++) for (let t = 0; t < g.taps; t++) grouped[o * g.taps + t] = w[t * g.outChannels + o]!;
      kernel.run([inputs[0], grouped, inputs[2]], output);
    },
  };
}

function createFloatDepthwise(context: KernelContext<"DepthwiseConv2D">, g: Depthwise, w: Tensor, bias: Tensor | undefined): CpuKernel {
  const { node, scratch } = context;
  const finish = floatFinish(node.attrs.activation);
  const fixed = w.data === undefined ? undefined : floatWeights(node, w, w.data);
  const fixedBias =
    bias === undefined ? new Float32Array(g.outChannels) : bias.data === undefined ? undefined : floatWeights(node, bias, bias.data);
  scratch.reserve(g.outChannels * 8);
  return {
    name: g.unrolled ? "f32_depthwise_3x3_1x1__cpu" : "f32_depthwise_taps_1x1__cpu",
    weightBytes: (fixed?.byteLength ?? 0) + (bias === undefined ? 0 : (fixedBias?.byteLength ?? 0)),
    packedInputs: [...(fixed === undefined ? [] : [1]), ...(fixedBias === undefined ? [] : [2])],
    run(inputs, output) {
      const weights = fixed ?? floatWeights(node, w, inputs[1]!);
      depthwiseF32(
        inputs[0] as Float32Array,
        g,
        weights,
        fixedBias ?? floatWeights(node, bias!, inputs[2]!),
        output as Float32Array,
        scratch.doubles,
        finish,
      );
    },
  };
}

function depthwiseF32(
  x: Float32Array,
  g: Depthwise,
  w: Float32Array,
  bias: Float32Array,
  out: Float32Array,
  acc: Float64Array,
  finish: FloatFinish,
): void {
  const { inH, inW, channels, outH, outW, outChannels, taps, multiplier, unrolled } = g;
  const { inStepY, inStepX, dy, dx } = g.phases[0]!;
  const { lo, hi, hardswish } = finish;
  let to = 0;
  for (let image = 0; image < g.batch; image++) {
    for (let row = 0; row < outH; row++) {
      const y0 = row * inStepY;
      const insideY = y0 + dy[0]! >= 0 && y0 + dy[taps - 1]! < inH;
      for (let col = 0; col < outW; col++, to += outChannels) {
        const x0 = col * inStepX;
        if (unrolled && insideY && x0 + dx[0]! >= 0 && x0 + dx[taps - 1]! < inW) {
          const at = ((image * inH + y0) * inW + x0) * channels;
          window3x3F32(x, at, inW * channels, channels, dy, dx, w, bias, out, to, finish);
          continue;
        }
        for (let o = 0; o < outChannels; o++) acc[o] = bias[o]!;
        for (let t = 0; t < taps; t++) {
          const y = y0 + dy[t]!;
          const z = x0 + dx[t]!;
          if (y < 0 || y >= inH || z < 0 || z >= inW) continue;
          const from = ((image * inH + y) * inW + z) * channels;
          const wAt = t * outChannels;
          if (multiplier === 1) for (let c = 0; c < channels; c++) acc[c] = acc[c]! + x[from + c]! * w[wAt + c]!;
          else {
            for (let c = 0, o = 0; c < channels; c++) {
              const v = x[from + c]!;
              for (let m = 0; m < multiplier; m++, o++) acc[o] = acc[o]! + v * w[wAt + o]!;
            }
          }
        }
        for (let o = 0; o < outChannels; o++) out[to + o] = finishValue(acc[o]!, lo, hi, hardswish);
      }
    }
  }
}

function window3x3F32(
  x: Float32Array,
  at: number,
  rowStep: number,
  channels: number,
  dy: Int32Array,
  dx: Int32Array,
  w: Float32Array,
  bias: Float32Array,
  out: Float32Array,
  to: number,
  finish: FloatFinish,
): void {
  const { lo, hi, hardswish } = finish;
  const p0 = at + dy[0]! * rowStep + dx[0]! * channels;
  const p1 = at + dy[1]! * rowStep + dx[1]! * channels;
  const p2 = at + dy[2]! * rowStep + dx[2]! * channels;
  const p3 = at + dy[3]! * rowStep + dx[3]! * channels;
  const p4 = at + dy[4]! * rowStep + dx[4]! * channels;
  const p5 = at + dy[5]! * rowStep + dx[5]! * channels;
  const p6 = at + dy[6]! * rowStep + dx[6]! * channels;
  const p7 = at + dy[7]! * rowStep + dx[7]! * channels;
  const p8 = at + dy[8]! * rowStep + dx[8]! * channels;
  for (let c = 0; c < channels; c++) {
    let sum = bias[c]! + x[p0 + c]! * w[c]!;
    sum += x[p1 + c]! * w[channels + c]!;
    sum += x[p2 + c]! * w[2 * channels + c]!;
    sum += x[p3 + c]! * w[3 * channels + c]!;
    sum += x[p4 + c]! * w[4 * channels + c]!;
    sum += x[p5 + c]! * w[5 * channels + c]!;
    sum += x[p6 + c]! * w[6 * channels + c]!;
    sum += x[p7 + c]! * w[7 * channels + c]!;
    sum += x[p8 + c]! * w[8 * channels + c]!;
    out[to + c] = finishValue(sum, lo, hi, hardswish);
  }
}

function createIntegerDepthwise(
  context: KernelContext<"DepthwiseConv2D">,
  g: Depthwise,
  x: Tensor,
  w: Tensor,
  bias: Tensor | undefined,
  out: Tensor,
): CpuKernel {
  const { node, scratch } = context;
  const finish = integerFinish(node, x, w, bias, out, 3, g.outChannels, node.attrs.activation);
  const zeroPoint = x.quant!.zeroPoints[0]!;
  const fixed = w.data === undefined ? undefined : packDepthwise(w.data as Int8Array | Uint8Array, finish, g);
  const fixedBias = bias === undefined ? new Int32Array(g.outChannels) : (bias.data as Int32Array | undefined);
  scratch.reserve(g.outChannels * 4);
  return {
    name: `${shortName(x.dtype)}_depthwise_${g.unrolled ? "3x3" : "taps"}_1x1__cpu`,
    weightBytes: (fixed?.byteLength ?? 0) + (bias === undefined ? 0 : (fixedBias?.byteLength ?? 0)) + finish.scales.byteLength,
    packedInputs: [...(fixed === undefined ? [] : [1]), ...(fixedBias === undefined ? [] : [2])],
    run(inputs, output) {
      const weights = fixed ?? packDepthwise(inputs[1] as Int8Array | Uint8Array, finish, g);
      const b = fixedBias ?? (inputs[2] as Int32Array);
      depthwiseI8(inputs[0] as Int8Array | Uint8Array, zeroPoint, g, weights, b, output as Int8Array | Uint8Array, scratch.ints, finish);
    },
  };
}

/** Weights less their zero points: as they are when those are zero, else widened. */
function packDepthwise(w: Int8Array | Uint8Array, finish: IntegerFinish, g: Depthwise): Int8Array | Int16Array {
  const shift = w instanceof Uint8Array ? 128 : 0;
  const zero = finish.weightZeroPoints;
  if (zero === undefined) return shift === 0 ? (w as Int8Array) : Int8Array.from(w, (q) => q - shift);
  return Int16Array.from(w, (q, i) => q - shift - zero[i % g.outChannels]!);
}

function depthwiseI8(
  x: Int8Array | Uint8Array,
  zeroPoint: number,
  g: Depthwise,
  w: Int8Array | Int16Array,
  bias: Int32Array,
  out: Int8Array | Uint8Array,
  acc: Int32Array,
  finish: IntegerFinish,
): void {
  const { inH, inW, channels, outH, outW, outChannels, taps, multiplier, unrolled } = g;
  const { inStepY, inStepX, dy, dx } = g.phases[0]!;
  let to = 0;
  for (let image = 0; image < g.batch; image++) {
    for (let row = 0; row < outH; row++) {
      const y0 = row * inStepY;
      const insideY = y0 + dy[0]! >= 0 && y0 + dy[taps - 1]! < inH;
      for (let col = 0; col < outW; col++, to += outChannels) {
        const x0 = col * inStepX;
        if (unrolled && insideY && x0 + dx[0]! >= 0 && x0 + dx[taps - 1]! < inW) {
          const at = ((image * inH + y0) * inW + x0) * channels;
          window3x3I8(x, at, inW * channels, channels, dy, dx, zeroPoint, w, bias, acc);
        } else {
          for (let o = 0; o < outChannels; o++) acc[o] = bias[o]!;
          for (let t = 0; t < taps; t++) {
            const y = y0 + dy[t]!;
            const z = x0 + dx[t]!;
            if (y < 0 || y >= inH || z < 0 || z >= inW) continue;
            const from = ((image * inH + y) * inW + z) * channels;
            const wAt = t * outChannels;
            for (let c = 0, o = 0; c < channels; c++) {
              const v = x[from + c]! - zeroPoint;
              for (let m = 0; m < multiplier; m++, o++) acc[o] = (acc[o]! + Math.imul(v, w[wAt + o]!)) | 0;
            }
          }
        }
        storeI8(acc, outChannels, out, to, finish);
      }
    }
  }
}

function window3x3I8(
  x: Int8Array | Uint8Array,
  at: number,
  rowStep: number,
  channels: number,
  dy: Int32Array,
  dx: Int32Array,
  zeroPoint: number,
  w: Int8Array | Int16Array,
  bias: Int32Array,
  acc: Int32Array,
): void {
  const p0 = at + dy[0]! * rowStep + dx[0]! * channels;
  const p1 = at + dy[1]! * rowStep + dx[1]! * channels;
  const p2 = at + dy[2]! * rowStep + dx[2]! * channels;
  const p3 = at + dy[3]! * rowStep + dx[3]! * channels;
  const p4 = at + dy[4]! * rowStep + dx[4]! * channels;
  const p5 = at + dy[5]! * rowStep + dx[5]! * channels;
  const p6 = at + dy[6]! * rowStep + dx[6]! * channels;
  const p7 = at + dy[7]! * rowStep + dx[7]! * channels;
  const p8 = at + dy[8]! * rowStep + dx[8]! * channels;
  for (let c = 0; c < channels; c++) {
    let sum = (bias[c]! + Math.imul(x[p0 + c]! - zeroPoint, w[c]!)) | 0;
    sum = (sum + Math.imul(x[p1 + c]! - zeroPoint, w[channels + c]!)) | 0;
    sum = (sum + Math.imul(x[p2 + c]! - zeroPoint, w[2 * channels + c]!)) | 0;
    sum = (sum + Math.imul(x[p3 + c]! - zeroPoint, w[3 * channels + c]!)) | 0;
    sum = (sum + Math.imul(x[p4 + c]! - zeroPoint, w[4 * channels + c]!)) | 0;
    sum = (sum + Math.imul(x[p5 + c]! - zeroPoint, w[5 * channels + c]!)) | 0;
    sum = (sum + Math.imul(x[p6 + c]! - zeroPoint, w[6 * channels + c]!)) | 0;
    sum = (sum + Math.imul(x[p7 + c]! - zeroPoint, w[7 * channels + c]!)) | 0;
    acc[c] = (sum + Math.imul(x[p8 + c]! - zeroPoint, w[8 * channels + c]!)) | 0;
  }
}

function storeI8(acc: Int32Array, channels: number, out: Int8Array | Uint8Array, to: number, finish: IntegerFinish): void {
  const { scales, zeroPoint, lo, hi, narrow } = finish;
  for (let o = 0; o < channels; o++) {
    out[to + o] = requantizeValue(acc[o]!, scales[o]!, zeroPoint, lo, hi, narrow);
  }
}
