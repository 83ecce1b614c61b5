/**
 * The oracle of the op tests: every op once more, written to be read, not to be fast. One element at a time, multi-dimensional indices,
 * no code shared with the engines. Values are plain numbers; the caller stores them in the output's type.
 */
import type { DType } from "../../src/graph/dtype.ts";

export interface NaiveQuantization {
  readonly scales: ArrayLike<number>;
  readonly zeroPoints: ArrayLike<number>;
  readonly axis?: number;
}

export interface NaiveTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
  readonly quant?: NaiveQuantization;
}

/** What the output must look like. */
export type NaiveOutput = Omit<NaiveTensor, "data">;

/** Every index of a shape, last dimension fastest. */
export function allIndices(shape: readonly number[]): number[][] {
  let indices: number[][] = [[]];
  for (const size of shape) indices = indices.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i]));
  return indices;
}

/** The element at an index. */
export function at(tensor: NaiveTensor, index: readonly number[]): number {
  let offset = 0;
  tensor.shape.forEach((size, d) => {
    const i = index[d]!;
    if (!(i >= 0 && i < size)) throw new Error(`index ${String(index)} outside ${String(tensor.shape)}`);
    offset = offset * size + i;
  });
  return tensor.data[offset]!;
}

/** True when the last two entries of [n, y, x, c] are inside the image. */
export function inside(tensor: NaiveTensor, y: number, x: number): boolean {
  return y >= 0 && y < tensor.shape[1]! && x >= 0 && x < tensor.shape[2]!;
}

export function scaleAt(quant: NaiveQuantization, index: readonly number[]): number {
  return quant.scales[quant.scales.length === 1 ? 0 : index[quant.axis!]!]!;
}

export function zeroPointAt(quant: NaiveQuantization, index: readonly number[]): number {
  return quant.zeroPoints[quant.zeroPoints.length === 1 ? 0 : index[quant.axis!]!]!;
}

/** Nearest integer, the even one of two equally near. */
export function roundEven(x: number): number {
  const below = Math.floor(x);
  const above = Math.ceil(x);
  if (x - below < above - x) return below;
  if (x - below > above - x) return above;
  return below % 2 === 0 ? below : above;
}

const LIMITS: Partial<Record<DType, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-2147483648, 2147483647],
  uint32: [0, 4294967295],
};

export function limits(dtype: DType): readonly [number, number] {
  return LIMITS[dtype] ?? [-Infinity, Infinity];
}

export function saturate(x: number, dtype: DType): number {
  const [lo, hi] = limits(dtype);
  return Math.min(Math.max(x, lo), hi);
}

export const f32 = Math.fround;
