/** Conv2D, DepthwiseConv2D, Dense, MatMul: which kernel, and weights in its layout. */
import { inputTensor, isConstant, outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { Conv2DAttrs, Node, NodeWith, Tensor } from "../../../graph/ir.ts";
import { convDirect, denseDirect, depthwiseDirect, matMulDirect } from "../kernels/conv.ts";
import type { ConvConstants } from "../kernels/conv.ts";
import { finishParams } from "../kernels/helpers.ts";
import { convBroadcast, convTexel, depthwiseTexel } from "../kernels/texel.ts";
import { batchSteps } from "./strides.ts";
import type { Lowering, Operand } from "./context.ts";

/** What a weighted layer's kernels have in common. */
interface Weighted {
  readonly x: Tensor;
  readonly w: Tensor;
  readonly out: Tensor;
  readonly bias: Float32Array | Operand;
  readonly constants: ConvConstants;
  /** Bounds of the activation. */
  readonly numbers: readonly number[];
  /** What of the weights this engine does not make use of. */
  readonly note: string | undefined;
}

export function lowerConv(c: Lowering, node: NodeWith<"Conv2D">): void {
  const layer = weighted(c, node, node.attrs, (w) => w.shape[3]!);
  const { constants } = layer;
  const pixels = elementCount(layer.out.shape) / constants.outC;
  if (constants.groupOut === constants.outC && texelLayer(c, layer, pixels)) return;
  direct(c, layer, "f32_conv_direct_1x1__gpujs", convDirect);
}

export function lowerDepthwise(c: Lowering, node: NodeWith<"DepthwiseConv2D">): void {
  const x = requireInput(c.graph, node, 0);
  const layer = weighted(c, node, { ...node.attrs, groups: x.shape[3]! }, () => 1);
  const { constants, w, bias, out, numbers, note } = layer;
  if (c.texels && constants.inC === constants.outC && constants.outC % 4 === 0 && isConstant(w) && bias instanceof Float32Array) {
    const inputs = [texel(c.operand(x)), texel(c.operand(w)), texel(c.constant(bias))];
    const texels = constants.outC / 4;
    c.call("f32_depthwise_texel_1x4__gpujs_webgl2", depthwiseTexel, {
      constants: { ...constants, inTexels: texels, outTexels: texels },
      inputs,
      numbers,
      output: out,
      texels: true,
      why: why("channels fill texels of four", note),
    });
    return;
  }
  direct(c, layer, "f32_depthwise_direct_1x1__gpujs", depthwiseDirect);
}

export function lowerDense(c: Lowering, node: NodeWith<"Dense">): void {
  const x = requireInput(c.graph, node, 0);
  const w = requireInput(c.graph, node, 1);
  const out = outputTensor(c.graph, node);
  const [n = 1, k = 1] = w.shape;
  const rows = elementCount(out.shape) / n;
  const { kind, lo, hi } = finishParams(node.attrs.activation);
  const bias = biasOf(c, node, n);
  // A convolution of one pixel an image.
  const one = { inH: 1, inW: 1, outH: 1, outW: 1, kh: 1, kw: 1, strideY: 1, strideX: 1, dilationY: 1, dilationX: 1, padY: 0, padX: 0 };
  const constants = { ...one, inC: k, outC: n, groupIn: k, groupOut: n, act: kind };
  const layer = { x, w, out, bias, constants, numbers: [lo, hi], note: unusedStructure(w) };
  if (texelLayer(c, layer, rows)) return;
  c.call("f32_dense_direct_1x1__gpujs", denseDirect, {
    constants: { k, n, act: kind },
    inputs: [c.operand(x), c.operand(w), biasOperand(c, bias)],
    numbers: [lo, hi],
    output: out,
    why: why(undefined, layer.note),
  });
}

/** Two activations, or one and a constant that is no dense layer's. */
export function lowerMatMul(c: Lowering, node: NodeWith<"MatMul">): void {
  const a = requireInput(c.graph, node, 0);
  const b = requireInput(c.graph, node, 1);
  const out = outputTensor(c.graph, node);
  // A vector is a row on the left and a column on the right.
  const aShape = a.shape.length === 1 ? [1, ...a.shape] : [...a.shape];
  const bShape = b.shape.length === 1 ? [...b.shape, 1] : [...b.shape];
  const transposeA = node.attrs.transposeA && a.shape.length > 1;
  const transposeB = node.attrs.transposeB && b.shape.length > 1;
  const [aRows = 1, aColumns = 1] = aShape.splice(-2);
  const [bRows = 1, bColumns = 1] = bShape.splice(-2);
  const m = transposeA ? aColumns : aRows;
  const k = transposeA ? aRows : aColumns;
  const n = transposeB ? bRows : bColumns;
  const batch = batchSteps(aShape, bShape, m * k, k * n);
  if (batch === undefined) throw c.unsupported("matrices in more than two separate dimensions of broadcasting");
  c.call("f32_matmul_direct_1x1__gpujs", matMulDirect, {
    constants: {
      m,
      n,
      k,
      aRow: transposeA ? 1 : k,
      aStep: transposeA ? m : 1,
      bStep: transposeB ? 1 : n,
      bColumn: transposeB ? k : 1,
      ...batch,
    },
    inputs: [c.operand(a), c.operand(b)],
    output: out,
    why: why(undefined, unusedStructure(b)),
  });
}

function weighted(
  c: Lowering,
  node: NodeWith<"Conv2D"> | NodeWith<"DepthwiseConv2D">,
  attrs: Conv2DAttrs,
  groupIn: (w: Tensor) => number,
): Weighted {
  const x = requireInput(c.graph, node, 0);
  const w = requireInput(c.graph, node, 1);
  const out = outputTensor(c.graph, node);
  const { strides, dilations, pads, groups } = attrs;
  const { kind, lo, hi } = finishParams(attrs.activation);
  const outC = out.shape[3]!;
  const constants: ConvConstants = {
    inH: x.shape[1]!,
    inW: x.shape[2]!,
    inC: x.shape[3]!,
    outH: out.shape[1]!,
    outW: out.shape[2]!,
    outC,
    kh: w.shape[1]!,
    kw: w.shape[2]!,
    strideY: strides[0],
    strideX: strides[1],
    dilationY: dilations[0],
    dilationX: dilations[1],
    padY: pads[0],
    padX: pads[1],
    groupIn: groupIn(w),
    groupOut: outC / groups,
    act: kind,
  };
  return { x, w, out, bias: biasOf(c, node, outC), constants, numbers: [lo, hi], note: unusedStructure(w) };
}

function biasOf(c: Lowering, node: Node, length: number): Float32Array | Operand {
  const bias = inputTensor(c.graph, node, 2);
  if (bias === undefined) return new Float32Array(length);
  return isConstant(bias) ? (bias.data as Float32Array) : c.operand(bias);
}

function biasOperand(c: Lowering, bias: Float32Array | Operand): Operand {
  return bias instanceof Float32Array ? c.constant(bias) : bias;
}

function direct(c: Lowering, layer: Weighted, kernel: string, source: typeof convDirect): void {
  const { x, w, bias, out, constants, numbers, note } = layer;
  c.call(kernel, source, {
    constants,
    inputs: [c.operand(x), c.operand(w), biasOperand(c, bias)],
    numbers,
    output: out,
    why: why(undefined, note),
  });
}

/** Four output channels a call; false where they do not fill texels, or the weights come at run time. */
function texelLayer(c: Lowering, { x, w, bias, out, constants, numbers, note }: Weighted, pixels: number): boolean {
  const { inC, outC, kh, kw } = constants;
  // With one pixel the last texel's unused elements lie behind the tensor.
  if (!c.texels || (outC % 4 !== 0 && pixels > 1) || !isConstant(w) || !(bias instanceof Float32Array)) return false;
  const outTexels = Math.ceil(outC / 4);
  const whole = inC % 4 === 0;
  const [kernel, source] = whole
    ? (["f32_conv_texel_1x4__gpujs_webgl2", convTexel] as const)
    : (["f32_conv_broadcast_1x4__gpujs_webgl2", convBroadcast] as const);
  c.call(kernel, source, {
    constants: { ...constants, inTexels: inC / 4, outTexels },
    inputs: [
      { ...c.operand(x), texels: whole },
      texel(c.constant(packByInput(w.data as Float32Array, outC, kh * kw * inC))),
      texel(c.constant(bias)),
    ],
    numbers,
    output: out,
    texels: true,
    why: why(whole ? "channels fill texels of four" : "output channels fill texels of four", note),
  });
  return true;
}

/** Weights [O, K] as [ceil(O/4), K, 4], zeros behind the last output. */
export function packByInput(w: Float32Array, outputs: number, k: number): Float32Array {
  const packed = new Float32Array(Math.ceil(outputs / 4) * 4 * k);
  for (let o = 0; o < outputs; o++) {
    const base = (o >> 2) * k * 4 + (o & 3);
    for (let i = 0; i < k; i++) packed[base + i * 4] = w[o * k + i]!;
  }
  return packed;
}

function texel(operand: Operand): Operand & { readonly texels: true } {
  return { ...operand, texels: true };
}

/** What compression left in the weights that no kernel of this engine profits from. */
function unusedStructure(w: Tensor): string | undefined {
  const words: string[] = [];
  if (w.sparsity !== undefined) words.push("zeros are multiplied like other weights: no sparse kernel");
  if (w.code !== undefined) words.push(`the ${w.code.kind} code is expanded to float32: no kernel reads it`);
  return words.length === 0 ? undefined : words.join("; ");
}

function why(...reasons: readonly (string | undefined)[]): string | undefined {
  const given = reasons.filter((reason) => reason !== undefined);
  return given.length === 0 ? undefined : given.join("; ");
}
