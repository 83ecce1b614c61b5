/** Dense and Conv2D (any groups that suit the tiles) as matrix products: which kernel, which layout, which parameters. */
import { inputTensor, outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { Activation, Conv2DAttrs, NodeWith, Tensor } from "../../../graph/ir.ts";
import { kUnits, packBlockSparse, packColumns, packFloatGemm, packIntegerGemm, padPerGroup, runUnits } from "../pack.ts";
import type { BlockSparse, GemmShape, PositionAt, WeightAt } from "../pack.ts";
import { f, u } from "../step.ts";
import type { Operand } from "../step.ts";
import { formatOf, rowLength, rowWords } from "../storage.ts";
import { activationParams } from "./context.ts";
import type { Lowering } from "./context.ts";
import { floatValues, int32Bias, integerFinish, signedWeights } from "./integer.ts";
import type { IntegerFinish } from "./integer.ts";
import { lowerGeneralConv } from "./conv_general.ts";

/** Below this many rows a 4-row tile would compute mostly nothing. */
const FEW_ROWS = 4;
/** A hardware GPU runs few rows with k split over threads, if k is worth it. */
const SPLIT_MIN_K4 = 16;
/**
 * Stored share of 1×8 blocks up to which skipping pays, from interleaved runs on SwiftShader 5.0 (784×64×64, zeros 0 to 0.7): a stored block
 * costs about as much as a dense one in float32, and 1.6 times in int8, where single bytes are gathered and widened.
 */
const SPARSE_MAX_DENSITY = { f32: 0.85, i8: 0.6 } as const;

/** A matrix product over rows or image windows, without its weights. */
interface Problem {
  readonly conv: boolean;
  readonly m: number;
  readonly shape: GemmShape;
  readonly weight: WeightAt;
  readonly position: PositionAt;
  /** Units (values, or words of bytes) between output rows, and between rows of A when it is a matrix. */
  readonly outStride: number;
  readonly aStride: number;
  readonly geometry: readonly number[];
  /** Whether A can be read four values at once. */
  readonly vec4: boolean;
}

type WeightData = Float32Array | Int8Array;

/** Channels up to which an integer convolution runs over gathered patches: half or more of each word would be padding. */
const IM2COL_MAX_CHANNELS = 2;

function denseProblem(x: Tensor, w: Tensor, out: Tensor, data: WeightData): Problem {
  const k = w.shape[1]!;
  const bytes = formatOf(x) === "i8";
  const padded = rowWords(x.shape) * 4;
  return {
    conv: false,
    m: elementCount(x.shape) / k,
    shape: { groups: 1, groupOut: w.shape[0]!, segmentsY: 1, segmentsX: 1, run: bytes ? padded : k, runWeights: k },
    weight: (o, _sy, _sx, p) => (p < k ? data[o * k + p]! : 0),
    position: (_sy, _sx, p) => p,
    outStride: bytes ? rowWords(out.shape) : w.shape[0]!,
    aStride: bytes ? rowWords(x.shape) : k,
    geometry: new Array<number>(12).fill(0),
    vec4: k % 4 === 0,
  };
}

/** True when a window is one pixel, in order, so that the image is a matrix as it lies. */
function isPointwise(attrs: Conv2DAttrs, w: Tensor): boolean {
  return (
    w.shape[1] === 1 && w.shape[2] === 1 && attrs.groups === 1 && attrs.strides.every((s) => s === 1) && attrs.pads.every((p) => p === 0)
  );
}

function convProblem(attrs: Conv2DAttrs, x: Tensor, w: Tensor, out: Tensor, data: WeightData): Problem {
  const { groups } = attrs;
  const [outC, kh, kw, groupIn] = w.shape as unknown as readonly [number, number, number, number];
  const bytes = formatOf(x) === "i8";
  const [, inH, inW, inC] = x.shape as unknown as readonly [number, number, number, number];
  const pixel = bytes ? rowWords(x.shape) * 4 : inC;
  const merged = groups === 1 && attrs.dilations[1] === 1;
  const run = merged ? kw * pixel : groupIn;
  const unit = bytes ? 4 : 1;
  const weight: WeightAt = (o, sy, sx, p) => {
    const kx = merged ? Math.floor(p / pixel) : sx;
    const c = merged ? p % pixel : p;
    return c < groupIn ? data[((o * kh + sy) * kw + kx) * groupIn + c]! : 0;
  };
  const position: PositionAt = (sy, sx, p) => {
    const y = sy * attrs.dilations[0];
    const offset = merged ? p : sx * attrs.dilations[1] * pixel + p;
    return y < 256 && offset < 2 ** 24 ? y * 2 ** 24 + offset : undefined;
  };
  return {
    conv: true,
    m: out.shape[0]! * out.shape[1]! * out.shape[2]!,
    shape: { groups, groupOut: outC / groups, segmentsY: kh, segmentsX: merged ? 1 : kw, run, runWeights: merged ? kw * groupIn : groupIn },
    weight,
    position,
    outStride: bytes ? rowWords(out.shape) : outC,
    aStride: 0,
    geometry: [
      out.shape[1]!,
      out.shape[2]!,
      inH,
      (inW * pixel) / unit,
      pixel / unit,
      groupIn / unit,
      attrs.strides[0],
      attrs.strides[1],
      attrs.pads[0],
      attrs.pads[1],
      attrs.dilations[0],
      attrs.dilations[1],
    ],
    vec4: inC % 4 === 0 && groupIn % 4 === 0,
  };
}

/** Writes the patches of an image of bytes as a matrix. @returns the matrix product over them, and where they are */
function gatherPatches(
  c: Lowering,
  attrs: Conv2DAttrs,
  x: Tensor,
  w: Tensor,
  out: Tensor,
  data: WeightData,
  inZero: number,
): { problem: Problem; patches: Operand } {
  const [outC, kh, kw, channels] = w.shape as unknown as readonly [number, number, number, number];
  const k = kh * kw * channels;
  const words = Math.ceil(k / 4);
  const m = out.shape[0]! * out.shape[1]! * out.shape[2]!;
  const name = c.scratch("patches", m * words);
  const params = [
    ...u(m * words, words, k, channels, kw, x.shape[1]!, x.shape[2]!, rowWords(x.shape) * 4, out.shape[1]!, out.shape[2]!),
    ...u(...attrs.strides, attrs.pads[0], attrs.pads[1], ...attrs.dilations, inZero),
  ];
  c.flat({ kernel: "i8_im2col_rows__wgsl", params, inputs: [c.operand(x)], output: name, threads: m * words });
  const matrix: Tensor = { name, dtype: x.dtype, shape: [m, k] };
  return { problem: denseProblem(matrix, { ...w, shape: [outC, k] }, out, data), patches: { kind: "tensor", name } };
}

/** The uniform of common/gemm_params.wgsl. `scale` turns units of words into units of bytes, which gathers count in. */
function gemmParams(p: Problem, activation: Activation | undefined, integer: IntegerFinish | undefined, scale = 1): number[] {
  const { shape, geometry } = p;
  const { kind, lo, hi } = activationParams(integer === undefined ? activation : undefined);
  const [outH, outW, inH, line, pixel, groupRun, ...rest] = geometry as unknown as readonly [
    number,
    number,
    number,
    number,
    number,
    number,
    ...number[],
  ];
  const pad = (integer?.inZero ?? 0) & 255;
  return [
    ...u(p.m, shape.groupOut, Math.ceil(shape.groupOut / 4), kUnits(shape), p.outStride, p.aStride * scale),
    ...u(outH, outW, inH, line * scale, pixel * scale, groupRun * scale, ...rest),
    ...u(shape.segmentsY, shape.segmentsX, runUnits(shape), kind),
    ...f(lo, hi),
    ...u(pad * 0x01010101, integer?.outZero ?? 0, integer?.lo ?? 0, integer?.hi ?? 0, Math.ceil(shape.groupOut / 8)),
  ];
}

function sparsePack(
  c: Lowering,
  p: Problem,
  type: keyof typeof SPARSE_MAX_DENSITY,
  create: (n: number) => WeightData,
): BlockSparse | undefined {
  const { sparse } = c.options;
  if (sparse === "off") return undefined;
  const packed = packBlockSparse(p.shape, p.weight, p.position, create);
  if (packed === undefined || packed.positions.length === 0) return undefined;
  return sparse === "on" || packed.density <= SPARSE_MAX_DENSITY[type] ? packed : undefined;
}

/** Rows that a sparse kernel's thread computes, and that kernel's name. */
function sparseTile(p: Problem, type: "f32" | "i8"): { readonly kernel: string; readonly threads: number } {
  const rows = p.m < FEW_ROWS ? 1 : 4;
  const kernel = `${type}_${p.conv ? "conv" : "gemm"}_block1x8_${rows}x8__wgsl`;
  return { kernel, threads: Math.ceil(p.m / rows) * Math.ceil(p.shape.groupOut / 8) };
}

/** Workgroup memory pays on hardware; on SwiftShader a barrier costs more than all loads that it saves. */
function policy(c: Lowering): "tiled" | "split" | "direct" {
  const { gemm } = c.options;
  return gemm === "auto" ? (c.facts.software ? "direct" : "split") : gemm;
}

type Tile = "tiled" | "4x4" | "1x4" | "split";

function chooseTile(c: Lowering, p: Problem): Tile {
  const chosen = policy(c);
  if (p.m >= FEW_ROWS) return chosen === "direct" ? "4x4" : "tiled";
  return chosen === "split" && !p.conv && kUnits(p.shape) >= SPLIT_MIN_K4 ? "split" : "1x4";
}

function dispatchGemm(
  c: Lowering,
  p: Problem,
  tile: Tile,
  kernel: string,
  params: readonly number[],
  inputs: readonly Operand[],
  out: Tensor,
): void {
  const { groups, groupOut } = p.shape;
  const n4 = Math.ceil(groupOut / 4);
  const base = { kernel, params, inputs, output: out };
  switch (tile) {
    case "tiled":
      c.dispatch({ ...base, groups: c.fold(Math.ceil(p.m / 32) * Math.ceil(n4 / 8), groups) });
      return;
    case "split":
      c.dispatch({ ...base, groups: [Math.ceil(n4 / 4), p.m, 1] });
      return;
    case "4x4":
      c.flat({ ...base, threads: Math.ceil(p.m / 4) * n4, z: groups });
      return;
    case "1x4":
      c.flat({ ...base, threads: p.m * n4, z: groups });
  }
}

function lowerFloat(c: Lowering, p: Problem, x: Tensor, bias: Tensor | undefined, activation: Activation | undefined, out: Tensor): void {
  const family = p.conv ? "conv" : "gemm";
  const { groups, groupOut } = p.shape;
  const values = bias === undefined ? new Float32Array(groups * groupOut) : floatValues(c, bias);
  const sparse = sparsePack(c, p, "f32", (n) => new Float32Array(n));
  if (sparse !== undefined) {
    c.flat({
      ...sparseTile(p, "f32"),
      params: gemmParams(p, activation, undefined),
      inputs: [
        c.operand(x),
        c.constant("weights", sparse.values as Float32Array),
        c.constant("bias", padPerGroup(values, groups, 8)),
        c.constant("starts", sparse.starts),
        c.constant("positions", sparse.positions),
      ],
      output: out,
      z: groups,
    });
    return;
  }
  const tile = chooseTile(c, p);
  const name = {
    tiled: `f32_${family}_tiled_32x32`,
    "4x4": `f32_${family}_direct_4x4`,
    "1x4": `f32_${family}_direct_1x4`,
    split: "f32_gemm_split_1x4",
  }[tile];
  const inputs = [
    c.operand(x),
    c.constant("weights", packFloatGemm(p.shape, p.weight)),
    c.constant("bias", padPerGroup(values, groups, 4)),
  ];
  dispatchGemm(c, p, tile, `${name}__wgsl${p.vec4 ? "" : "_scalar"}`, gemmParams(p, activation, undefined), inputs, out);
}

/** bias - zero point × Σ weights, over every weight: padding reads the zero point too, so it takes part on both sides. */
function foldedBias(p: Problem, bias: Int32Array, inZero: number): Int32Array {
  const { groups, groupOut, segmentsY, segmentsX, run } = p.shape;
  return Int32Array.from({ length: groups * groupOut }, (_, o) => {
    let sum = 0;
    for (let sy = 0; sy < segmentsY; sy++)
      for (let sx = 0; sx < segmentsX; sx++) for (let i = 0; i < run; i++) sum += p.weight(o, sy, sx, i);
    return (bias[o]! - Math.imul(inZero, sum)) | 0;
  });
}

function lowerInteger(c: Lowering, p: Problem, x: Operand, bias: Tensor | undefined, finish: IntegerFinish, out: Tensor): void {
  const family = p.conv ? "conv" : "gemm";
  const { groups, groupOut } = p.shape;
  const folded = foldedBias(p, int32Bias(c, bias, groups * groupOut), finish.inZero);
  const sparse = sparsePack(c, p, "i8", (n) => new Int8Array(n));
  if (sparse !== undefined) {
    c.flat({
      ...sparseTile(p, "i8"),
      params: gemmParams(p, undefined, finish, 4),
      inputs: [
        x,
        c.constant("weights", new Uint32Array(sparse.values.buffer)),
        c.constant("columns", packColumns(folded, finish.scales, groups, 8)),
        c.constant("starts", sparse.starts),
        c.constant("positions", sparse.positions),
      ],
      output: out,
      z: groups,
    });
    return;
  }
  const tile = p.m < FEW_ROWS ? "1x4" : policy(c) === "direct" ? "4x4" : "tiled";
  const dot = chooseDot(c);
  const size = tile === "tiled" ? "32x32" : tile;
  const inputs = [
    x,
    c.constant("weights", packIntegerGemm(p.shape, p.weight)),
    c.constant("columns", packColumns(folded, finish.scales, groups, 4)),
  ];
  dispatchGemm(c, p, tile, `i8_${family}_${dot}_${size}__wgsl`, gemmParams(p, undefined, finish), inputs, out);
}

function chooseDot(c: Lowering): "dot4" | "unpack" {
  const { dot4 } = c.options;
  if (dot4 === "native" && !c.facts.dot4) {
    throw c.unsupported("dot4=native, but the device's WGSL lacks packed_4x8_integer_dot_product", "Use dot4=unpack.");
  }
  return dot4 === "unpack" || !c.facts.dot4 ? "unpack" : "dot4";
}

/** x [...,K] × b [K,N] or [N,K], b constant, as a dense layer. */
export function lowerConstantMatMul(c: Lowering, x: Tensor, b: Tensor, transposed: boolean, out: Tensor): void {
  const [k, n] = transposed ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!];
  const data = floatValues(c, b);
  const rows = new Float32Array(n * k);
  for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) rows[j * k + i] = data[transposed ? j * k + i : i * n + j]!;
  lowerFloat(c, denseProblem(x, { ...b, shape: [n, k] }, out, rows), x, undefined, undefined, out);
}

export function lowerDense(c: Lowering, node: NodeWith<"Dense">): void {
  const x = requireInput(c.graph, node, 0);
  const w = requireInput(c.graph, node, 1);
  const bias = inputTensor(c.graph, node, 2);
  const out = outputTensor(c.graph, node);
  const { activation } = node.attrs;
  if (formatOf(x) === "f32") {
    lowerFloat(c, denseProblem(x, w, out, floatValues(c, w)), x, bias, activation, out);
    return;
  }
  const finish = integerFinish(c, x, w, bias, out, 0, w.shape[0]!, activation);
  if (finish.weightZeros === undefined) {
    lowerInteger(c, denseProblem(x, w, out, signedWeights(c, w)), c.operand(x), bias, finish, out);
    return;
  }
  const k = rowLength(x.shape);
  const m = elementCount(x.shape) / k;
  lowerGeneralConv(c, {
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
  });
}

export function lowerConv2D(c: Lowering, node: NodeWith<"Conv2D">): void {
  const x = requireInput(c.graph, node, 0);
  const w = requireInput(c.graph, node, 1);
  const bias = inputTensor(c.graph, node, 2);
  const out = outputTensor(c.graph, node);
  const { attrs } = node;
  const pointwise = isPointwise(attrs, w);
  const matrix = { ...w, shape: [w.shape[0]!, w.shape[3]!] };
  if (formatOf(x) === "f32") {
    const data = floatValues(c, w);
    lowerFloat(c, pointwise ? denseProblem(x, matrix, out, data) : convProblem(attrs, x, w, out, data), x, bias, attrs.activation, out);
    return;
  }
  const finish = integerFinish(c, x, w, bias, out, 0, w.shape[0]!, attrs.activation);
  const groupOut = w.shape[0]! / attrs.groups;
  const tiles = attrs.groups === 1 || (groupOut % 4 === 0 && w.shape[3]! % 4 === 0);
  if (finish.weightZeros === undefined && tiles) {
    const data = signedWeights(c, w);
    if (!pointwise && attrs.groups === 1 && w.shape[3]! <= IM2COL_MAX_CHANNELS) {
      const { problem, patches } = gatherPatches(c, attrs, x, w, out, data, finish.inZero);
      lowerInteger(c, problem, patches, bias, finish, out);
      return;
    }
    const problem = pointwise ? denseProblem(x, matrix, out, data) : convProblem(attrs, x, w, out, data);
    lowerInteger(c, problem, c.operand(x), bias, finish, out);
    return;
  }
  lowerGeneralConv(c, {
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
    outC: w.shape[0]!,
    kernel: [w.shape[1]!, w.shape[2]!],
    groupIn: w.shape[3]!,
    groups: attrs.groups,
    strides: attrs.strides,
    dilations: attrs.dilations,
    pads: [attrs.pads[0], attrs.pads[1]],
  });
}
