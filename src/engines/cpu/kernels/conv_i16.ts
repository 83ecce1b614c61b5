/** Conv2D and Dense on int16 activations: exact sums in doubles, below 2^39, and one requantization. */
import { int16Layer } from "../../../graph/int16.ts";
import type { Int16Layer } from "../../../graph/int16.ts";
import { requantize } from "../../../graph/numerics.ts";
import { isPointwise, phaseMatrix } from "./conv_geometry.ts";
import type { ConvGeometry } from "./conv_geometry.ts";
import { gatherF32, panelRows } from "./gather.ts";
import { unsupported } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";

/** Rows of a panel. */
const ROWS = 4;

export function createInt16Conv(context: KernelContext<"Conv2D" | "ConvTranspose2D" | "Dense">, g: ConvGeometry): CpuKernel {
  const { graph, node, scratch } = context;
  const layer = node.op === "ConvTranspose2D" ? "transposed convolution of int16 activations" : int16Layer(graph, node);
  if (typeof layer === "string") throw unsupported(node, layer, "Leave this node in float32.");
  const phase = g.phases[0]!;
  const k = g.taps * g.groupIn;
  const weights = Array.from({ length: g.groups }, (_, group) =>
    phaseMatrix(layer.w.data, g, phase, group, (length) => new Int8Array(length)),
  );
  const total = g.batch * phase.rows * phase.cols;
  const rows = panelRows();
  const offsets = new Int32Array(ROWS);
  scratch.reserve(k * ROWS * 8);
  return {
    name: `i16_${isPointwise(g) ? "gemm" : "conv"}_panel_4x1__cpu`,
    weightBytes: int16WeightBytes(layer),
    packedInputs: [1, ...(layer.hasBias ? [2] : [])],
    run(inputs, output) {
      const panel = scratch.doubles;
      for (let group = 0; group < g.groups; group++) {
        for (let first = 0; first < total; first += ROWS) {
          const count = Math.min(ROWS, total - first);
          gatherF32(inputs[0] as Int16Array, g, phase, group, first, count, panel, rows, offsets);
          multiply(weights[group]!, panel, k, count, group * g.groupOut, layer, offsets, output as Int16Array);
        }
      }
    },
  };
}

/** Weights, scales, and biases as the eight bytes that hold them. */
export function int16WeightBytes({ w, scales, bias, hasBias }: Int16Layer): number {
  return w.data.byteLength + scales.byteLength + (hasBias ? bias.byteLength : 0);
}

/** out[offsets[r] + j] for r < count ≤ 4 and each row j of w [n][k]; columns of the panel [k][4] from `count` on are not used. */
function multiply(
  w: Int8Array,
  panel: Float64Array,
  k: number,
  count: number,
  channel: number,
  { scales, bias, lo, hi }: Int16Layer,
  offsets: Int32Array,
  out: Int16Array,
): void {
  for (let from = 0, j = 0; from < w.length; from += k, j++) {
    let s0 = bias[channel + j]!;
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (let i = 0, p = 0; i < k; i++, p += ROWS) {
      const v = w[from + i]!;
      s0 += panel[p]! * v;
      s1 += panel[p + 1]! * v;
      s2 += panel[p + 2]! * v;
      s3 += panel[p + 3]! * v;
    }
    const scale = scales[channel + j]!;
    out[offsets[0]! + j] = requantize(s0, scale, 0, lo, hi);
    if (count > 1) out[offsets[1]! + j] = requantize(s1, scale, 0, lo, hi);
    if (count > 2) out[offsets[2]! + j] = requantize(s2, scale, 0, lo, hi);
    if (count > 3) out[offsets[3]! + j] = requantize(s3, scale, 0, lo, hi);
  }
}
