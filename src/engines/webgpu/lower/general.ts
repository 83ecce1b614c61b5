/** ConvTranspose2D, and the convolutions that no tile takes. */
import { inputTensor, outputTensor, requireInput } from "../../../graph/access.ts";
import { scaleWords } from "../../../graph/fixed-point.ts";
import type { Activation, NodeWith, Pair, Tensor } from "../../../graph/ir.ts";
import { packColumns } from "../pack.ts";
import { f, u } from "../step.ts";
import { formatOf, rowWords } from "../storage.ts";
import { activationParams } from "./context.ts";
import type { Lowering } from "./context.ts";
import { fixedConstants, floatValues, int32Bias, integerFinish, signedWeights } from "./quantized.ts";

export interface GeneralConv {
  readonly x: Tensor;
  /** [O][KH][KW][groupIn], whatever its shape says */
  readonly w: Tensor;
  readonly bias: Tensor | undefined;
  readonly out: Tensor;
  readonly activation: Activation | undefined;
  readonly batch: number;
  readonly inH: number;
  readonly inW: number;
  readonly outH: number;
  readonly outW: number;
  readonly outC: number;
  readonly kernel: Pair;
  readonly groupIn: number;
  readonly groups: number;
  readonly strides?: Pair;
  readonly dilations?: Pair;
  /** [top, left] */
  readonly pads?: Pair;
  readonly transposed?: boolean;
  /** Axis of per-channel weight scales; 0 by default. */
  readonly axis?: number;
  /** Weights come as [KH][KW][O] (depthwise) and are put in order here. */
  readonly channelLast?: boolean;
}

/** [tap][o] → [o][tap] */
function channelFirst<T extends Float32Array | Int8Array>(data: T, taps: number, create: (n: number) => T): T {
  const channels = data.length / taps;
  const ordered = create(data.length);
  for (let t = 0; t < taps; t++) for (let o = 0; o < channels; o++) ordered[o * taps + t] = data[t * channels + o]!;
  return ordered;
}

export function lowerGeneralConv(c: Lowering, g: GeneralConv): void {
  const { x, w, out, kernel } = g;
  const strides = g.strides ?? [1, 1];
  const dilations = g.dilations ?? [1, 1];
  const pads = g.pads ?? [0, 0];
  const taps = kernel[0] * kernel[1];
  const integer = formatOf(x) === "i8";
  const pixels = g.batch * g.outH * g.outW;
  const threads = pixels * (integer ? Math.ceil(g.outC / 4) : g.outC);
  const geometry = [
    ...u(threads, g.inH, g.inW, integer ? rowWords(x.shape) * 4 : x.shape[x.shape.length - 1]!),
    ...u(g.outH, g.outW, g.outC, g.groupIn, g.outC / g.groups, kernel[0], kernel[1]),
    ...u(...strides, ...pads, ...dilations, g.transposed === true ? 1 : 0),
  ];
  if (!integer) {
    const { kind, lo, hi } = activationParams(g.activation);
    const data = floatValues(c, w);
    const weights = g.channelLast === true ? channelFirst(data, taps, (n) => new Float32Array(n)) : data;
    c.flat({
      kernel: "f32_conv_general_1x1__wgsl",
      params: [...geometry, ...u(kind), ...f(lo, hi), ...u(0, 0, 0, 0, 0)],
      inputs: [
        c.operand(x),
        c.constant("weights", weights),
        c.constant("bias", g.bias === undefined ? new Float32Array(g.outC) : floatValues(c, g.bias)),
      ],
      output: out,
      threads,
    });
    return;
  }
  const finish = integerFinish(c, x, w, g.bias, out, g.axis ?? 0, g.outC, g.activation);
  const bias = int32Bias(c, g.bias, g.outC);
  const signed = signedWeights(c, w);
  const ordered = g.channelLast === true ? channelFirst(signed, taps, (n) => new Int8Array(n)) : signed;
  const perChannel = taps * g.groupIn;
  const weights = Int32Array.from(ordered, (q, i) => q - (finish.weightZeros?.[Math.floor(i / perChannel)] ?? 0));
  const { fixed } = finish;
  c.flat({
    kernel: fixed === undefined ? "i8_conv_general_1x4__wgsl" : "i8_conv_general_fixed_1x4__wgsl",
    ...(fixed && { constants: fixedConstants(fixed) }),
    params: [...geometry, ...u(0), ...f(0, 0), ...u(finish.inZero, finish.outZero, finish.lo, finish.hi, 0)],
    inputs: [c.operand(x), c.constant("weights", weights), c.constant("columns", packColumns(bias, scaleWords(finish), 1, 4))],
    output: out,
    threads,
  });
}

export function lowerConvTranspose(c: Lowering, node: NodeWith<"ConvTranspose2D">): void {
  const x = requireInput(c.graph, node, 0);
  const w = requireInput(c.graph, node, 1);
  const out = outputTensor(c.graph, node);
  const { attrs } = node;
  lowerGeneralConv(c, {
    x,
    w,
    bias: inputTensor(c.graph, node, 2),
    out,
    activation: attrs.activation,
    batch: x.shape[0]!,
    inH: x.shape[1]!,
    inW: x.shape[2]!,
    outH: out.shape[1]!,
    outW: out.shape[2]!,
    outC: w.shape[0]!,
    kernel: [w.shape[1]!, w.shape[2]!],
    groupIn: w.shape[3]!,
    groups: attrs.groups,
    strides: attrs.strides,
    dilations: attrs.dilations,
    pads: [attrs.pads[0], attrs.pads[1]],
    transposed: true,
  });
}
