/**
 * Where depthwise windows lie. Rows of the kernel that fall outside the image are skipped for a whole output row, so that only a few
 * columns at the left and right edge need a check of their own; those between run several at once.
 */
import type { NodeWith, Tensor } from "../../../graph/ir.ts";
import { convGeometry } from "./conv_geometry.ts";
import type { ConvGeometry } from "./conv_geometry.ts";

export interface DepthwiseGeometry extends ConvGeometry {
  /** Outputs per input channel. The fields below serve kernels for 1. */
  readonly multiplier: number;
  readonly kw: number;
  /** Of each output row: first and one past the last kernel row inside the image, and the input row that the first one reads. */
  readonly kyFrom: Int32Array;
  readonly kyTo: Int32Array;
  readonly yFrom: Int32Array;
  /** Of each output column: the same for kernel columns. */
  readonly kxFrom: Int32Array;
  readonly kxTo: Int32Array;
  readonly xFrom: Int32Array;
  /** Columns [insideFrom, insideTo) have all kernel columns inside. */
  readonly insideFrom: number;
  readonly insideTo: number;
  /** Element steps in the input: one kernel row, one kernel column, one output column. */
  readonly rowStep: number;
  readonly columnStep: number;
  readonly pixelStep: number;
  readonly tile: DepthwiseTile;
}

/** Which loop runs the columns between the edges. */
export type DepthwiseTile = "k3s1" | "k3s2" | "any" | "multiplier";

export function depthwiseGeometry(node: NodeWith<"DepthwiseConv2D">, x: Tensor, w: Tensor, out: Tensor): DepthwiseGeometry {
  const conv = convGeometry({ ...node, op: "Conv2D", attrs: { ...node.attrs, groups: 1 } }, x, w, out);
  const { strides, dilations, pads } = node.attrs;
  const { channels, inH, inW, outH, outW } = conv;
  const [, kh = 1, kw = 1] = w.shape;
  const multiplier = conv.outChannels / channels;
  const rows = spans(outH, inH, kh, strides[0], dilations[0], pads[0]);
  const columns = spans(outW, inW, kw, strides[1], dilations[1], pads[1]);
  const whole = Array.from({ length: outW }, (_, i) => i).filter((i) => columns.from[i] === 0 && columns.to[i] === kw);
  const neighbours = kw === 3 && dilations[1] === 1;
  return {
    ...conv,
    multiplier,
    kw,
    kyFrom: rows.from,
    kyTo: rows.to,
    yFrom: rows.start,
    kxFrom: columns.from,
    kxTo: columns.to,
    xFrom: columns.start,
    insideFrom: whole[0] ?? 0,
    insideTo: whole.length === 0 ? 0 : whole[whole.length - 1]! + 1,
    rowStep: dilations[0] * inW * channels,
    columnStep: dilations[1] * channels,
    pixelStep: strides[1] * channels,
    tile: multiplier !== 1 ? "multiplier" : neighbours && strides[1] === 1 ? "k3s1" : neighbours && strides[1] === 2 ? "k3s2" : "any",
  };
}

/** Kernel positions [from, to) of each output along one axis that are inside the input, and the input position of the first. */
function spans(
  outSize: number,
  inSize: number,
  kernel: number,
  stride: number,
  dilation: number,
  pad: number,
): { readonly from: Int32Array; readonly to: Int32Array; readonly start: Int32Array } {
  const from = new Int32Array(outSize);
  const to = new Int32Array(outSize);
  const start = new Int32Array(outSize);
  for (let i = 0; i < outSize; i++) {
    const first = i * stride - pad;
    from[i] = first >= 0 ? 0 : Math.min(kernel, Math.ceil(-first / dilation));
    to[i] = Math.max(from[i]!, Math.min(kernel, Math.ceil((inSize - first) / dilation)));
    start[i] = first + from[i]! * dilation;
  }
  return { from, to, start };
}
