/** Layers with constant weights (Dense, Conv2D, DepthwiseConv2D, MatMul with a constant right side): the problem for their candidates. */
import { inputTensor, outputTensor, requireInput } from "../../../graph/access.ts";
import { floatCode, int8Codebook, permuteCode } from "../../../graph/code.ts";
import { elementCount } from "../../../graph/dtype.ts";
import { isDynamic } from "../../../graph/dynamic.ts";
import { isInt16 } from "../../../graph/int16.ts";
import type { Activation, Conv2DAttrs, NodeWith, Tensor } from "../../../graph/ir.ts";
import { u } from "../step.ts";
import type { Operand } from "../step.ts";
import { formatOf, rowLength, rowWords } from "../storage.ts";
import { lowerBest } from "./candidates.ts";
import type { Lowering } from "./context.ts";
import type { DepthwiseProblem } from "./depthwise.ts";
import { lowerDynamic } from "./dynamic.ts";
import { FLOAT_CANDIDATES, FLOAT_DEPTHWISE_CANDIDATES } from "./float/index.ts";
import { floatProblem } from "./float/problem.ts";
import type { GeneralConv } from "./general.ts";
import { FIXED_CANDIDATES, FIXED_DEPTHWISE_CANDIDATES, INTEGER_CANDIDATES, INTEGER_DEPTHWISE_CANDIDATES } from "./integer/index.ts";
import { lowerInt16Layer } from "./int16.ts";
import { convProblem, denseProblem, isPointwise } from "./problem.ts";
import type { GemmProblem } from "./problem.ts";
import { floatValues, integerFinish, signedWeights } from "./quantized.ts";
import type { IntegerFinish } from "./quantized.ts";

/** x [...,K] × b [K,N] or [N,K], b constant, as a dense layer. */
export function lowerConstantMatMul(c: Lowering, x: Tensor, b: Tensor, transposed: boolean, out: Tensor): void {
  const [k, n] = transposed ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!];
  const data = floatValues(c, b);
  const rows = new Float32Array(n * k);
  for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) rows[j * k + i] = data[transposed ? j * k + i : i * n + j]!;
  const gemm = denseProblem(x, { ...b, shape: [n, k] }, out, rows);
  const stored = floatCode(b);
  const code = stored && (transposed ? stored : permuteCode(stored, b.shape, [1, 0]));
  lowerBest(
    c,
    FLOAT_CANDIDATES,
    floatProblem({ gemm, x, code, weightShape: [n, k], bias: undefined, activation: undefined, residual: undefined, out }),
    stored,
  );
}

/** What becomes of the sums: those of a residual connection where the layer adds for it. */
function finishOf(
  c: Lowering,
  activation: Activation | undefined,
  out: Tensor,
): { readonly activation: Activation | undefined; readonly residual: Tensor | undefined; readonly out: Tensor } {
  const { residual } = c;
  return residual === undefined
    ? { activation, residual: undefined, out }
    : { activation: residual.activation, residual: residual.other, out: residual.out };
}

export function lowerDense(c: Lowering, node: NodeWith<"Dense">): void {
  if (isDynamic(node)) {
    lowerDynamic(c, node);
    return;
  }
  const x = requireInput(c.graph, node, 0);
  const w = requireInput(c.graph, node, 1);
  const bias = inputTensor(c.graph, node, 2);
  const out = outputTensor(c.graph, node);
  const { activation } = node.attrs;
  if (formatOf(x) === "f32") {
    const gemm = denseProblem(x, w, out, floatValues(c, w));
    lowerBest(
      c,
      FLOAT_CANDIDATES,
      floatProblem({ gemm, x, code: floatCode(w), weightShape: w.shape, bias, ...finishOf(c, activation, out) }),
      w.code,
    );
    return;
  }
  if (isInt16(x)) {
    lowerInt16Layer(c, node);
    return;
  }
  const finish = integerFinish(c, x, w, bias, out, 0, w.shape[0]!, activation);
  const k = rowLength(x.shape);
  const m = elementCount(x.shape) / k;
  const general: GeneralConv = {
    x,
    w,
    bias,
    out,
    activation,
    batch: 1,
    inH: 1,
    inW: m,
    outH: 1,
    outW: m,
    outC: w.shape[0]!,
    kernel: [1, 1],
    groupIn: k,
    groups: 1,
  };
  const gemm = finish.weightZeros === undefined ? denseProblem(x, w, out, signedWeights(c, w)) : undefined;
  lowerBest(c, candidatesOf(finish), { gemm, codebook: int8Codebook(w), input: () => c.operand(x), bias, finish, out, general }, w.code);
}

function candidatesOf({ fixed }: IntegerFinish): typeof INTEGER_CANDIDATES {
  return fixed === undefined ? INTEGER_CANDIDATES : FIXED_CANDIDATES;
}

/** Channels up to which an integer convolution runs over gathered patches: half or more of each word would be padding. */
const IM2COL_MAX_CHANNELS = 2;

export function lowerConv2D(c: Lowering, node: NodeWith<"Conv2D">): void {
  if (isDynamic(node)) {
    lowerDynamic(c, node);
    return;
  }
  const x = requireInput(c.graph, node, 0);
  const w = requireInput(c.graph, node, 1);
  const bias = inputTensor(c.graph, node, 2);
  const out = outputTensor(c.graph, node);
  const { attrs } = node;
  const { activation } = attrs;
  const product = (data: Float32Array | Int8Array): GemmProblem =>
    isPointwise(attrs, w) ? denseProblem(x, { ...w, shape: [w.shape[0]!, w.shape[3]!] }, out, data) : convProblem(attrs, x, w, out, data);
  if (formatOf(x) === "f32") {
    const gemm = product(floatValues(c, w));
    lowerBest(
      c,
      FLOAT_CANDIDATES,
      floatProblem({ gemm, x, code: floatCode(w), weightShape: w.shape, bias, ...finishOf(c, activation, out) }),
      w.code,
    );
    return;
  }
  if (isInt16(x)) {
    lowerInt16Layer(c, node);
    return;
  }
  const finish = integerFinish(c, x, w, bias, out, 0, w.shape[0]!, activation);
  const general: GeneralConv = {
    x,
    w,
    bias,
    out,
    activation,
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
  };
  const groupOut = w.shape[0]! / attrs.groups;
  const fillsWords = attrs.groups === 1 || (groupOut % 4 === 0 && w.shape[3]! % 4 === 0);
  const codebook = int8Codebook(w);
  if (finish.weightZeros !== undefined || !fillsWords) {
    lowerBest(c, candidatesOf(finish), { gemm: undefined, codebook, input: () => c.operand(x), bias, finish, out, general }, w.code);
    return;
  }
  const data = signedWeights(c, w);
  const gathered = !isPointwise(attrs, w) && attrs.groups === 1 && w.shape[3]! <= IM2COL_MAX_CHANNELS;
  const gemm = gathered ? patchProblem(x, w, out, data) : product(data);
  const input = (): Operand => (gathered ? gatherPatches(c, attrs, x, w, out, finish.inZero) : c.operand(x));
  lowerBest(c, candidatesOf(finish), { gemm, codebook, input, bias, finish, out, general }, w.code);
}

/** The matrix product over the patches of an image of bytes. */
function patchProblem(x: Tensor, w: Tensor, out: Tensor, data: Int8Array): GemmProblem {
  const k = w.shape[1]! * w.shape[2]! * w.shape[3]!;
  const m = out.shape[0]! * out.shape[1]! * out.shape[2]!;
  return denseProblem({ ...x, shape: [m, k] }, { ...w, shape: [w.shape[0]!, k] }, out, data);
}

/** Writes the patches of an image of bytes as a matrix. */
function gatherPatches(c: Lowering, attrs: Conv2DAttrs, x: Tensor, w: Tensor, out: Tensor, inZero: number): Operand {
  const [, kh, kw, channels] = w.shape as unknown as readonly [number, number, number, number];
  const k = kh * kw * channels;
  const words = Math.ceil(k / 4);
  const m = out.shape[0]! * out.shape[1]! * out.shape[2]!;
  const name = c.scratch("patches", m * words);
  const params = [
    ...u(m * words, words, k, channels, kw, x.shape[1]!, x.shape[2]!, rowWords(x.shape) * 4, out.shape[1]!, out.shape[2]!),
    ...u(...attrs.strides, attrs.pads[0], attrs.pads[1], ...attrs.dilations, inZero),
  ];
  c.flat({ kernel: "i8_im2col_rows__wgsl", params, inputs: [c.operand(x)], output: name, threads: m * words });
  return { kind: "tensor", name };
}

export function lowerDepthwise(c: Lowering, node: NodeWith<"DepthwiseConv2D">): void {
  const x = requireInput(c.graph, node, 0);
  const w = requireInput(c.graph, node, 1);
  const bias = inputTensor(c.graph, node, 2);
  const out = outputTensor(c.graph, node);
  const { attrs } = node;
  if (isInt16(x)) {
    lowerInt16Layer(c, node);
    return;
  }
  const outC = out.shape[3]!;
  const integer = formatOf(x) === "i8";
  const problem: DepthwiseProblem = {
    attrs,
    x,
    w,
    bias,
    out,
    finish: integer ? integerFinish(c, x, w, bias, out, 3, outC, attrs.activation) : undefined,
    general: {
      x,
      w,
      bias,
      out,
      activation: attrs.activation,
      batch: x.shape[0]!,
      inH: x.shape[1]!,
      inW: x.shape[2]!,
      outH: out.shape[1]!,
      outW: out.shape[2]!,
      outC,
      kernel: [w.shape[1]!, w.shape[2]!],
      groupIn: 1,
      groups: x.shape[3]!,
      strides: attrs.strides,
      dilations: attrs.dilations,
      pads: [attrs.pads[0], attrs.pads[1]],
      axis: 3,
      channelLast: true,
    },
  };
  const { finish } = problem;
  if (finish === undefined) lowerBest(c, FLOAT_DEPTHWISE_CANDIDATES, problem, w.code);
  else lowerBest(c, finish.fixed === undefined ? INTEGER_DEPTHWISE_CANDIDATES : FIXED_DEPTHWISE_CANDIDATES, problem, w.code);
}
