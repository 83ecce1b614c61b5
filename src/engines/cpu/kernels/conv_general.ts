/** Convolution and matrix products of types without a fast kernel (float64, plain integers): direct loops in doubles. */
import type { TypedArray } from "../../../graph/dtype.ts";
import type { Tensor } from "../../../graph/ir.ts";
import type { ConvGeometry } from "./conv_geometry.ts";
import { activate } from "./finish.ts";
import { isQuantized, unsupported } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";

export function createGeneralConv(
  context: KernelContext<"Conv2D" | "ConvTranspose2D" | "Dense" | "DepthwiseConv2D">,
  g: ConvGeometry,
  out: Tensor,
): CpuKernel {
  const { node } = context;
  if (isQuantized(out)) throw unsupported(node, `quantized output of type ${out.dtype} from inputs that are not 8-bit`);
  return {
    name: "any_conv_general__cpu",
    weightBytes: 0,
    packedInputs: [],
    run(inputs, output) {
      const x = inputs[0]!;
      const w = inputs[1]!;
      const bias = inputs[2];
      for (const phase of g.phases) {
        for (let image = 0; image < g.batch; image++) {
          for (let i = 0; i < phase.rows; i++) {
            for (let j = 0; j < phase.cols; j++) {
              const at = ((image * g.outH + phase.y0 + i * phase.stepY) * g.outW + phase.x0 + j * phase.stepX) * g.outChannels;
              for (let o = 0; o < g.outChannels; o++) {
                let sum = bias === undefined ? 0 : bias[o]!;
                for (let t = 0; t < phase.tap.length; t++) {
                  const y = i * phase.inStepY + phase.dy[t]!;
                  const z = j * phase.inStepX + phase.dx[t]!;
                  if (y < 0 || y >= g.inH || z < 0 || z >= g.inW) continue;
                  sum += dot(
                    x,
                    ((image * g.inH + y) * g.inW + z) * g.channels + Math.floor(o / g.groupOut) * g.groupIn,
                    w,
                    (o * g.taps + phase.tap[t]!) * g.groupIn,
                    g.groupIn,
                  );
                }
                output[at + o] = activate(sum, node.attrs.activation);
              }
            }
          }
        }
      }
    },
  };
}

function dot(x: TypedArray, xStart: number, w: TypedArray, wStart: number, n: number): number {
  let sum = 0;
  for (let c = 0; c < n; c++) sum += x[xStart + c]! * w[wStart + c]!;
  return sum;
}
