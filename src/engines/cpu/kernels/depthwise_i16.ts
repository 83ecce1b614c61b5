/** DepthwiseConv2D on int16 activations: exact sums in doubles, tap by tap into a row of accumulators, and one requantization. */
import { int16Layer } from "../../../graph/int16.ts";
import { requantize } from "../../../graph/numerics.ts";
import { int16WeightBytes } from "./conv_i16.ts";
import type { DepthwiseGeometry } from "./depthwise_geometry.ts";
import { unsupported } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";

export function createInt16Depthwise({ graph, node, scratch }: KernelContext<"DepthwiseConv2D">, g: DepthwiseGeometry): CpuKernel {
  const layer = int16Layer(graph, node);
  if (typeof layer === "string") throw unsupported(node, layer, "Leave this node in float32.");
  const { scales, bias, lo, hi } = layer;
  const { batch, inH, inW, channels, outH, outW, outChannels } = g;
  scratch.reserve(outChannels * 8);
  return {
    name: "i16_depthwise_taps__cpu",
    weightBytes: int16WeightBytes(layer),
    packedInputs: [1, ...(layer.hasBias ? [2] : [])],
    run(inputs, output) {
      const acc = scratch.doubles;
      let to = 0;
      for (let image = 0; image < batch; image++) {
        for (let row = 0; row < outH; row++) {
          const line = (image * inH + g.yFrom[row]!) * inW;
          for (let col = 0; col < outW; col++, to += outChannels) {
            for (let o = 0; o < outChannels; o++) acc[o] = bias[o]!;
            for (let ky = g.kyFrom[row]!, p = (line + g.xFrom[col]!) * channels; ky < g.kyTo[row]!; ky++, p += g.rowStep) {
              for (let kx = g.kxFrom[col]!, q = p; kx < g.kxTo[col]!; kx++, q += g.columnStep)
                addTap(inputs[0] as Int16Array, q, layer.w.data, (ky * g.kw + kx) * outChannels, g, acc);
            }
            for (let o = 0; o < outChannels; o++) output[to + o] = requantize(acc[o]!, scales[o]!, 0, lo, hi);
          }
        }
      }
    },
  };
}

/** acc[c × multiplier + m] += x[from + c] × w[start + c × multiplier + m] */
function addTap(x: Int16Array, from: number, w: Int8Array, start: number, g: DepthwiseGeometry, acc: Float64Array): void {
  for (let c = 0, o = 0; c < g.channels; c++) {
    const v = x[from + c]!;
    for (let m = 0; m < g.multiplier; m++, o++) acc[o] = acc[o]! + v * w[start + o]!;
  }
}
