/** Loop plans for strided and broadcast kernels: dimensions that can be walked as one are merged, so that inner loops are long. */
import { stridesOf } from "../../cpu/kernels/shared.ts";

export interface LoopPlan {
  readonly dims: readonly number[];
  /** Per operand, a stride for each of `dims`. */
  readonly strides: readonly (readonly number[])[];
}

/** Drops dimensions of 1 and merges neighbours whose strides agree for every operand. An empty shape becomes one dimension of 1. */
export function mergeLoops(dims: readonly number[], strides: readonly (readonly number[])[]): LoopPlan {
  const merged: number[] = [];
  const kept: number[][] = strides.map(() => []);
  for (let d = 0; d < dims.length; d++) {
    if (dims[d] === 1) continue;
    const last = merged.length - 1;
    const joins = last >= 0 && strides.every((s, o) => kept[o]![last] === s[d]! * dims[d]!);
    if (joins) {
      merged[last] = merged[last]! * dims[d]!;
      strides.forEach((s, o) => (kept[o]![last] = s[d]!));
    } else {
      merged.push(dims[d]!);
      strides.forEach((s, o) => kept[o]!.push(s[d]!));
    }
  }
  if (merged.length === 0) return { dims: [1], strides: strides.map(() => [0]) };
  return { dims: merged, strides: kept };
}

/** Left-pads to `rank` dimensions of 1; undefined when there are more. */
export function padLoops({ dims, strides }: LoopPlan, rank: number): LoopPlan | undefined {
  const missing = rank - dims.length;
  if (missing < 0) return undefined;
  return {
    dims: [...new Array<number>(missing).fill(1), ...dims],
    strides: strides.map((s) => [...new Array<number>(missing).fill(0), ...s]),
  };
}

/** Element strides of `shape` read as `target` by numpy broadcasting: 0 where it repeats. */
export function broadcastStrides(shape: readonly number[], target: readonly number[]): number[] {
  const strides = stridesOf(shape);
  const lead = target.length - shape.length;
  return target.map((_, d) => (d < lead || shape[d - lead] === 1 ? 0 : strides[d - lead]!));
}
