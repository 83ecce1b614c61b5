/** Dense and Conv2D (any groups) as matrix products over rows or image windows, as all their kernels see them. */
import { elementCount } from "../../../graph/dtype.ts";
import type { Activation, Conv2DAttrs, Tensor } from "../../../graph/ir.ts";
import { kUnits, runUnits } from "../pack.ts";
import type { GemmShape, PositionAt, SourceAt, WeightAt } from "../pack.ts";
import { f, u } from "../step.ts";
import { formatOf, rowWords } from "../storage.ts";
import { activationParams } from "./context.ts";
import type { IntegerFinish } from "./quantized.ts";

/** A matrix product over rows or image windows. */
export interface GemmProblem {
  readonly conv: boolean;
  /** Rows: pixels of the output, or rows of a dense layer. */
  readonly m: number;
  readonly shape: GemmShape;
  readonly weight: WeightAt;
  readonly source: SourceAt;
  readonly position: PositionAt;
  /** Units (values, or words of bytes) between output rows, and between rows of A when it is a matrix. */
  readonly outStride: number;
  readonly aStride: number;
  readonly geometry: readonly number[];
  /** Whether A can be read four values at once. */
  readonly vec4: boolean;
}

export type WeightData = Float32Array | Int8Array;

/** @param w [O, K] */
export function denseProblem(x: Tensor, w: Tensor, out: Tensor, data: WeightData): GemmProblem {
  const k = w.shape[1]!;
  const bytes = formatOf(x) === "i8";
  const padded = rowWords(x.shape) * 4;
  return {
    conv: false,
    m: elementCount(x.shape) / k,
    shape: { groups: 1, groupOut: w.shape[0]!, segmentsY: 1, segmentsX: 1, run: bytes ? padded : k, runWeights: k },
    weight: (o, _sy, _sx, p) => (p < k ? data[o * k + p]! : 0),
    source: (o, _sy, _sx, p) => (p < k ? o * k + p : -1),
    position: (_sy, _sx, p) => p,
    outStride: bytes ? rowWords(out.shape) : w.shape[0]!,
    aStride: bytes ? rowWords(x.shape) : k,
    geometry: new Array<number>(12).fill(0),
    vec4: k % 4 === 0,
  };
}

/** True when a window is one pixel, in order, so that the image is a matrix as it lies. */
export function isPointwise(attrs: Conv2DAttrs, w: Tensor): boolean {
  return (
    w.shape[1] === 1 && w.shape[2] === 1 && attrs.groups === 1 && attrs.strides.every((s) => s === 1) && attrs.pads.every((p) => p === 0)
  );
}

/** @param w [O, KH, KW, I] */
export function convProblem(attrs: Conv2DAttrs, x: Tensor, w: Tensor, out: Tensor, data: WeightData): GemmProblem {
  const { groups } = attrs;
  const [outC, kh, kw, groupIn] = w.shape as unknown as readonly [number, number, number, number];
  const bytes = formatOf(x) === "i8";
  const [, inH, inW, inC] = x.shape as unknown as readonly [number, number, number, number];
  const pixel = bytes ? rowWords(x.shape) * 4 : inC;
  const merged = groups === 1 && attrs.dilations[1] === 1;
  const run = merged ? kw * pixel : groupIn;
  const unit = bytes ? 4 : 1;
  const source: SourceAt = (o, sy, sx, p) => {
    const kx = merged ? Math.floor(p / pixel) : sx;
    const c = merged ? p % pixel : p;
    return c < groupIn ? ((o * kh + sy) * kw + kx) * groupIn + c : -1;
  };
  const weight: WeightAt = (o, sy, sx, p) => {
    const at = source(o, sy, sx, p);
    return at < 0 ? 0 : data[at]!;
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
    source,
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

/** The uniform of common/gemm_params.wgsl. `scale` turns units of words into units of bytes, which gathers count in. */
export function gemmParams(
  p: GemmProblem,
  activation: Activation | undefined,
  integer: IntegerFinish | undefined,
  scale = 1,
): readonly number[] {
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

/** Below this many rows a 4-row tile would compute mostly nothing. */
export const FEW_ROWS = 4;

/** WGSL does not promise that neighbours by local index are a quad, though drivers do it: on hardware only a choice that was verified. */
export const HARDWARE_QUAD_COST = 4;

/** Computes once, at the first call. */
export function lazy<T>(compute: () => T): () => T {
  let known: { readonly value: T } | undefined;
  return () => (known ??= { value: compute() }).value;
}
