/** Ops that move elements, and Resize. */
import type { OpAttrs, ResizeAttrs } from "../../src/graph/ir.ts";
import { naiveRequantize, quantizeReal } from "./quantize.ts";
import { allIndices, at, roundEven, saturate } from "./tensor.ts";
import type { NaiveOutput, NaiveTensor } from "./tensor.ts";

/** The input on the output's grid, when both are quantized. */
export function onGrid(x: NaiveTensor, output: NaiveOutput): NaiveTensor {
  if (x.quant === undefined || output.quant === undefined) return x;
  return { ...x, dtype: output.dtype, quant: output.quant, data: naiveRequantize(x, output) };
}

export function naiveTranspose(x: NaiveTensor, attrs: OpAttrs["Transpose"], output: NaiveOutput): number[] {
  return allIndices(output.shape).map((index) => {
    const source = new Array<number>(index.length);
    attrs.perm.forEach((from, to) => (source[from] = index[to]!));
    return at(x, source);
  });
}

export function naiveSlice(x: NaiveTensor, attrs: OpAttrs["Slice"], output: NaiveOutput): number[] {
  return allIndices(output.shape).map((index) =>
    at(
      x,
      index.map((i, d) => attrs.starts[d]! + i * attrs.steps[d]!),
    ),
  );
}

export function naiveExpand(x: NaiveTensor, output: NaiveOutput): number[] {
  return allIndices(output.shape).map((index) =>
    at(
      x,
      index.slice(index.length - x.shape.length).map((i, d) => (x.shape[d] === 1 ? 0 : i)),
    ),
  );
}

export function naiveConcat(inputs: readonly NaiveTensor[], attrs: OpAttrs["Concat"], output: NaiveOutput): number[] {
  const parts = inputs.map((x) => onGrid(x, output));
  return allIndices(output.shape).map((index) => {
    let position = index[attrs.axis]!;
    for (const part of parts) {
      if (position < part.shape[attrs.axis]!) return at(part, index.with(attrs.axis, position));
      position -= part.shape[attrs.axis]!;
    }
    throw new Error("concat: output longer than its parts");
  });
}

export function naiveGather(x: NaiveTensor, indices: NaiveTensor, attrs: OpAttrs["Gather"], output: NaiveOutput): number[] {
  const rank = indices.shape.length;
  return allIndices(output.shape).map((index) => {
    const which = at(indices, index.slice(attrs.axis, attrs.axis + rank));
    const position = which < 0 ? which + x.shape[attrs.axis]! : which;
    return at(x, [...index.slice(0, attrs.axis), position, ...index.slice(attrs.axis + rank)]);
  });
}

export function naivePad(x: NaiveTensor, attrs: OpAttrs["Pad"], output: NaiveOutput): number[] {
  const fill = x.quant === undefined ? attrs.value : quantizeReal(attrs.value, x.quant.scales[0]!, x.quant.zeroPoints[0]!, x);
  return allIndices(output.shape).map((index) => {
    const source = index.map((i, d) => {
      const size = x.shape[d]!;
      let position = i - attrs.before[d]!;
      if (attrs.mode === "edge") position = Math.min(Math.max(position, 0), size - 1);
      if (attrs.mode === "reflect")
        while (position < 0 || position >= size) position = position < 0 ? -position : 2 * (size - 1) - position;
      return position;
    });
    return source.every((i, d) => i >= 0 && i < x.shape[d]!) ? at(x, source) : fill;
  });
}

export function naiveResize(x: NaiveTensor, attrs: ResizeAttrs, output: NaiveOutput): number[] {
  const float = output.dtype === "float32" || output.dtype === "float64";
  return allIndices(output.shape).map((index) => {
    // Each axis: the input positions that matter and their weights; an untouched axis takes its own position.
    const axes = index.map((i, d) => {
      const untouched = output.shape[d] === x.shape[d] && attrs.scales[d] === 1;
      return untouched ? [{ position: i, weight: 1 }] : axisSamples(attrs, d, i, x.shape[d]!, output.shape[d]!);
    });
    let sum = 0;
    for (const choice of allIndices(axes.map((samples) => samples.length))) {
      let weight = 1;
      const position = choice.map((c, d) => {
        weight *= axes[d]![c]!.weight;
        return axes[d]![c]!.position;
      });
      sum += weight * at(x, position);
    }
    return float ? sum : saturate(roundEven(sum), output.dtype);
  });
}

function axisSamples(attrs: ResizeAttrs, d: number, i: number, inSize: number, outSize: number): { position: number; weight: number }[] {
  const s = attrs.scales[d]!;
  const p = {
    half_pixel: (i + 0.5) / s - 0.5,
    half_pixel_symmetric: (inSize / 2) * (1 - outSize / (s * inSize)) + (i + 0.5) / s - 0.5,
    pytorch_half_pixel: outSize > 1 ? (i + 0.5) / s - 0.5 : 0,
    align_corners: s * inSize === 1 ? 0 : (i * (inSize - 1)) / (s * inSize - 1),
    asymmetric: i / s,
  }[attrs.coordinates];
  const below = Math.floor(p);
  const f = p - below;
  const edge = (position: number): number => Math.min(Math.max(position, 0), inSize - 1);
  if (attrs.mode === "nearest") {
    const nearest = {
      round_prefer_floor: f <= 0.5 ? below : below + 1,
      round_prefer_ceil: f < 0.5 ? below : below + 1,
      floor: below,
      ceil: Math.ceil(p),
    }[attrs.nearestMode];
    return [{ position: edge(nearest), weight: 1 }];
  }
  const samples =
    attrs.mode === "linear"
      ? [below, below + 1].map((q) => ({ q, weight: 1 - Math.abs(p - q) }))
      : [below - 1, below, below + 1, below + 2].map((q) => ({ q, weight: cubic(Math.abs(p - q), attrs.cubicCoeff) }));
  const kept = samples.filter(({ q }) => !attrs.excludeOutside || (q >= 0 && q < inSize));
  const total = attrs.excludeOutside ? kept.reduce((sum, { weight }) => sum + weight, 0) : 1;
  return kept.map(({ q, weight }) => ({ position: edge(q), weight: weight / total }));
}

/** Keys, 1981. */
function cubic(t: number, a: number): number {
  if (t <= 1) return (a + 2) * t ** 3 - (a + 3) * t ** 2 + 1;
  if (t < 2) return a * t ** 3 - 5 * a * t ** 2 + 8 * a * t - 4 * a;
  return 0;
}
