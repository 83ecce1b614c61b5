/** Permutations of axes: `perm[i]` is the input axis that output axis i reads, as in ONNX's Transpose. */
import { createArray, elementCount, type DType, type TypedArray } from "./dtype.ts";
import type { Quantization, Shape } from "./ir.ts";

export type Perm = readonly number[];

export function identityPerm(rank: number): Perm {
  return Array.from({ length: rank }, (_, i) => i);
}

export function isIdentity(perm: Perm): boolean {
  return perm.every((p, i) => p === i);
}

export function samePerm(a: Perm, b: Perm): boolean {
  return a.length === b.length && a.every((p, i) => p === b[i]);
}

export function invertPerm(perm: Perm): Perm {
  const inverse = new Array<number>(perm.length);
  perm.forEach((p, i) => (inverse[p] = i));
  return inverse;
}

/** The one Transpose that equals Transpose(first) followed by Transpose(second). */
export function composePerm(first: Perm, second: Perm): Perm {
  return second.map((p) => first[p]!);
}

/** Values per axis (a shape, starts, pads, …) in the order after the Transpose. */
export function permuteList<T>(values: readonly T[], perm: Perm): readonly T[] {
  return perm.map((p) => values[p]!);
}

/** True when the Transpose leaves the bytes where they are: only axes of length 1 move. */
export function movesOnlyUnits(shape: Shape, perm: Perm): boolean {
  const moved = perm.filter((p) => shape[p] !== 1);
  return moved.every((p, i) => i === 0 || moved[i - 1]! < p);
}

/** Per-axis quantization follows its axis. */
export function permuteQuant(quant: Quantization, perm: Perm): Quantization {
  return quant.axis === undefined ? quant : { ...quant, axis: perm.indexOf(quant.axis) };
}

/** The transposed data, freshly allocated. */
export function permuteData(data: TypedArray, dtype: DType, shape: Shape, perm: Perm): TypedArray {
  const out = createArray(dtype, elementCount(shape));
  const rank = shape.length;
  if (rank === 0 || movesOnlyUnits(shape, perm)) {
    out.set(data);
    return out;
  }
  const strides = new Array<number>(rank).fill(1);
  for (let i = rank - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  const sizes = perm.map((p) => shape[p]!);
  const steps = perm.map((p) => strides[p]!);
  const index = new Array<number>(rank).fill(0);
  const inner = sizes[rank - 1]!;
  const innerStep = steps[rank - 1]!;
  let from = 0;
  for (let o = 0; o < out.length; o += inner) {
    for (let i = 0; i < inner; i++) out[o + i] = data[from + i * innerStep]!;
    for (let d = rank - 2; d >= 0; d--) {
      from += steps[d]!;
      if (++index[d]! < sizes[d]!) break;
      from -= steps[d]! * sizes[d]!;
      index[d] = 0;
    }
  }
  return out;
}
