/**
 * Resize as ONNX defines it, for any rank: per axis a list of source indices and weights (nearest: one of weight 1, linear: two, cubic:
 * four), applied axis by axis in doubles. Indices beyond the edge repeat the edge.
 */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount, isFloat } from "../../../graph/dtype.ts";
import type { TypedArray } from "../../../graph/dtype.ts";
import type { ResizeAttrs } from "../../../graph/ir.ts";
import { integerRange, roundHalfEven } from "../../../graph/numerics.ts";
import { copyMapped } from "./move.ts";
import { isQuantized, sameQuantization, stridesOf, unsupported } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";

/** Output i of an axis is Σ_t weights[i*taps + t] * x[indices[i*taps + t]]. */
export interface AxisTaps {
  readonly taps: number;
  readonly indices: Int32Array;
  readonly weights: Float64Array;
}

export function createResize(context: KernelContext<"Resize">): CpuKernel {
  const { graph, node, scratch } = context;
  const x = requireInput(graph, node, 0);
  const out = outputTensor(graph, node);
  const { attrs } = node;
  if (isQuantized(x) !== isQuantized(out) || x.dtype !== out.dtype || !sameQuantization(x.quant, out.quant)) {
    throw unsupported(node, "different grids of input and output, expected the same", "Insert a Requantize node.");
  }
  if (attrs.mode === "nearest") {
    const maps = out.shape.map((size, d) => nearestMap(attrs, d, x.shape[d]!, size));
    const strides = stridesOf(x.shape);
    return {
      name: "any_resize_nearest__cpu",
      weightBytes: 0,
      packedInputs: [],
      run: (inputs, output) => copyMapped(inputs[0]!, output, maps, strides, 0),
    };
  }
  const axes = out.shape.flatMap((size, d) => {
    const n = x.shape[d]!;
    return size === n && attrs.scales[d] === 1 ? [] : [{ d, taps: axisTaps(attrs, d, n, size) }];
  });
  // Two halves of scratch take turns as source and target of the passes.
  const shape = [...x.shape];
  let largest = elementCount(shape);
  for (const { d } of axes) {
    shape[d] = out.shape[d]!;
    largest = Math.max(largest, elementCount(shape));
  }
  scratch.reserve(2 * largest * 8);
  const [lo, hi] =
    isFloat(out.dtype) || out.dtype === "int64" || out.dtype === "bool" || out.dtype === "uint32"
      ? [-Infinity, Infinity]
      : integerRange(out.dtype);
  const whole = !isFloat(out.dtype);
  return {
    name: `any_resize_${attrs.mode}__cpu`,
    weightBytes: 0,
    packedInputs: [],
    run(inputs, output) {
      const buffer = scratch.doubles;
      let source = buffer.subarray(0, largest);
      let target = buffer.subarray(largest, 2 * largest);
      source.set(inputs[0]!);
      const current = [...x.shape];
      for (const { d, taps } of axes) {
        resizeAxis(source, target, elementCount(current.slice(0, d)), current[d]!, elementCount(current.slice(d + 1)), taps);
        current[d] = out.shape[d]!;
        [source, target] = [target, source];
      }
      store(source, output, whole, lo, hi);
    },
  };
}

function store(source: Float64Array, output: TypedArray, whole: boolean, lo: number, hi: number): void {
  for (let i = 0; i < output.length; i++) {
    const v = whole ? roundHalfEven(source[i]!) : source[i]!;
    output[i] = v < lo ? lo : v > hi ? hi : v;
  }
}

function resizeAxis(x: Float64Array, out: Float64Array, outer: number, size: number, inner: number, axis: AxisTaps): void {
  const { taps, indices, weights } = axis;
  const outSize = indices.length / taps;
  for (let o = 0, to = 0; o < outer; o++) {
    for (let i = 0; i < outSize; i++) {
      for (let e = 0; e < inner; e++) {
        let sum = 0;
        for (let t = i * taps; t < (i + 1) * taps; t++) sum += weights[t]! * x[(o * size + indices[t]!) * inner + e]!;
        out[to++] = sum;
      }
    }
  }
}

/** Position in the input's coordinates of output index i. */
function sourceCoordinate(attrs: ResizeAttrs, d: number, i: number, inSize: number, outSize: number): number {
  const scale = attrs.scales[d]!;
  // ONNX computes with the unrounded output length; when the file gives sizes, the scale is their ratio and only rounding differs.
  const exact = scale * inSize;
  const length = Math.abs(exact - outSize) < 1e-4 * outSize ? outSize : exact;
  switch (attrs.coordinates) {
    case "half_pixel":
      return (i + 0.5) / scale - 0.5;
    case "half_pixel_symmetric": {
      const center = inSize / 2;
      return center * (1 - outSize / length) + (i + 0.5) / scale - 0.5;
    }
    case "pytorch_half_pixel":
      return outSize > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return length === 1 ? 0 : (i * (inSize - 1)) / (length - 1);
    case "asymmetric":
      return i / scale;
  }
}

export function nearestMap(attrs: ResizeAttrs, d: number, inSize: number, outSize: number): Int32Array {
  const pick = (x: number): number => {
    switch (attrs.nearestMode) {
      case "round_prefer_floor":
        return Math.ceil(x - 0.5);
      case "round_prefer_ceil":
        return Math.floor(x + 0.5);
      case "floor":
        return Math.floor(x);
      case "ceil":
        return Math.ceil(x);
    }
  };
  return Int32Array.from({ length: outSize }, (_, i) => clampIndex(pick(sourceCoordinate(attrs, d, i, inSize, outSize)), inSize));
}

export function axisTaps(attrs: ResizeAttrs, d: number, inSize: number, outSize: number): AxisTaps {
  const taps = attrs.mode === "cubic" ? 4 : 2;
  const indices = new Int32Array(outSize * taps);
  const weights = new Float64Array(outSize * taps);
  for (let i = 0; i < outSize; i++) {
    const x = sourceCoordinate(attrs, d, i, inSize, outSize);
    const floor = Math.floor(x);
    const first = attrs.mode === "cubic" ? floor - 1 : floor;
    const w = attrs.mode === "cubic" ? cubicWeights(x - floor, attrs.cubicCoeff) : [1 - (x - floor), x - floor];
    let total = 0;
    for (let t = 0; t < taps; t++) {
      const index = first + t;
      const outside = index < 0 || index >= inSize;
      const weight = attrs.excludeOutside && outside ? 0 : w[t]!;
      indices[i * taps + t] = clampIndex(index, inSize);
      weights[i * taps + t] = weight;
      total += weight;
    }
    if (attrs.excludeOutside && total !== 0) for (let t = 0; t < taps; t++) weights[i * taps + t]! /= total;
  }
  return { taps, indices, weights };
}

/** Keys' cubic convolution at distances 1+r, r, 1-r, 2-r. */
function cubicWeights(r: number, a: number): number[] {
  const near = (t: number): number => ((a + 2) * t - (a + 3)) * t * t + 1;
  const far = (t: number): number => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return [far(1 + r), near(r), near(1 - r), far(2 - r)];
}

function clampIndex(index: number, size: number): number {
  return index < 0 ? 0 : index >= size ? size - 1 : index;
}
