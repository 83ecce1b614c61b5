/** DepthwiseConv2D: chooses the kernel by type and packs its weights; the loops are in depthwise_f32.ts and depthwise_i8.ts. */
import { inputTensor, outputTensor, requireInput } from "../../../graph/access.ts";
import type { Tensor } from "../../../graph/ir.ts";
import { createGeneralConv } from "./conv_general.ts";
import type { ConvGeometry } from "./conv_geometry.ts";
import { depthwiseF32 } from "./depthwise_f32.ts";
import { depthwiseGeometry } from "./depthwise_geometry.ts";
import type { DepthwiseGeometry, DepthwiseTile } from "./depthwise_geometry.ts";
import { createInt16Depthwise } from "./depthwise_i16.ts";
import { depthwiseI8, rowBiases } from "./depthwise_i8.ts";
import type { DepthwiseI8, DepthwiseWeights } from "./depthwise_i8.ts";
import { floatFinish } from "./finish.ts";
import { scaleBytes } from "./gemm_i8.ts";
import type { IntegerFinish } from "./gemm_i8.ts";
import { isByte, isQuantized, shortName } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";
import { floatWeights, integerFinish } from "./weights.ts";

export function createDepthwise(context: KernelContext<"DepthwiseConv2D">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const w = requireInput(graph, node, 1);
  const bias = inputTensor(graph, node, 2);
  const out = outputTensor(graph, node);
  const g = depthwiseGeometry(node, x, w, out);
  if (x.dtype === "float32" && out.dtype === "float32" && (w.dtype === "float32" || isQuantized(w))) {
    return createFloatDepthwise(context, g, w, bias);
  }
  if (isByte(x.dtype) && isQuantized(x)) return createIntegerDepthwise(context, g, x, w, bias, out);
  if (x.dtype === "int16" && isQuantized(x)) return createInt16Depthwise(context, g);
  return createWithGroups(context, { ...g, groups: g.channels, groupIn: 1, groupOut: g.multiplier }, out);
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

const TILE_NAMES: Readonly<Record<DepthwiseTile, string>> = { k3s1: "w3s1_1x4", k3s2: "w3s2_1x2", any: "window_1x4", multiplier: "taps" };

function kernelName(type: string, tile: DepthwiseTile): string {
  return `${type}_depthwise_${TILE_NAMES[tile]}__cpu`;
}

function createFloatDepthwise(
  context: KernelContext<"DepthwiseConv2D">,
  g: DepthwiseGeometry,
  w: Tensor,
  bias: Tensor | undefined,
): CpuKernel {
  const { node, scratch } = context;
  const finish = floatFinish(node.attrs.activation);
  const fixed = w.data === undefined ? undefined : floatWeights(node, w, w.data);
  const fixedBias =
    bias === undefined ? new Float32Array(g.outChannels) : bias.data === undefined ? undefined : floatWeights(node, bias, bias.data);
  scratch.reserve(g.outChannels * 8);
  return {
    name: kernelName("f32", g.tile),
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

function createIntegerDepthwise(
  context: KernelContext<"DepthwiseConv2D">,
  g: DepthwiseGeometry,
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
  scratch.reserve(4 * g.outChannels * 4);
  const layer = (weights: DepthwiseWeights, b: Int32Array): DepthwiseI8 => {
    return { g, zeroPoint, w: weights, bias: b, rowBias: rowBiases(g, weights, b, zeroPoint), finish };
  };
  const fixedLayer = fixed === undefined || fixedBias === undefined ? undefined : layer(fixed, fixedBias);
  return {
    name: kernelName(shortName(x.dtype), g.tile),
    weightBytes:
      (fixed?.byteLength ?? 0) +
      (bias === undefined ? 0 : (fixedBias?.byteLength ?? 0)) +
      [...new Set(fixedLayer?.rowBias)].reduce((sum, b) => sum + b.byteLength, 0) +
      scaleBytes(finish),
    packedInputs: [...(fixed === undefined ? [] : [1]), ...(fixedBias === undefined ? [] : [2])],
    run(inputs, output) {
      const current =
        fixedLayer ?? layer(fixed ?? packDepthwise(inputs[1] as Int8Array | Uint8Array, finish, g), fixedBias ?? (inputs[2] as Int32Array));
      depthwiseI8(inputs[0] as Int8Array | Uint8Array, current, output as Int8Array | Uint8Array, scratch.ints);
    },
  };
}

/** Weights less their zero points: as they are when those are zero, else widened. */
function packDepthwise(w: Int8Array | Uint8Array, finish: IntegerFinish, g: DepthwiseGeometry): DepthwiseWeights {
  const shift = w instanceof Uint8Array ? 128 : 0;
  const zero = finish.weightZeroPoints;
  if (zero === undefined) return shift === 0 ? (w as Int8Array) : Int8Array.from(w, (q) => q - shift);
  return Int16Array.from(w, (q, i) => q - shift - zero[i % g.outChannels]!);
}
