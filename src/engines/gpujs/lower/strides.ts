/** Shapes and steps as kernels take them: few dimensions, neighbours that move together merged. */

/** Numpy broadcasting: steps of `shape` when walked as `target`; 0 where it repeats. */
export function broadcastSteps(shape: readonly number[], target: readonly number[], unit = 1): number[] {
  const lead = target.length - shape.length;
  const steps = new Array<number>(target.length).fill(0);
  let step = unit;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1) steps[lead + d] = step;
    step *= shape[d]!;
  }
  return steps;
}

/** Steps of a whole tensor. */
export function denseSteps(shape: readonly number[]): number[] {
  const steps = new Array<number>(shape.length).fill(0);
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    steps[d] = step;
    step *= shape[d]!;
  }
  return steps;
}

export interface Walk {
  readonly sizes: readonly number[];
  /** Steps of each operand, parallel to `sizes`. */
  readonly steps: readonly (readonly number[])[];
}

/** Merges neighbouring dimensions that every operand steps through alike, drops those of one, and fills up with ones in front. */
export function planWalk(sizes: readonly number[], operands: readonly (readonly number[])[], rank: number): Walk | undefined {
  const mergedSizes: number[] = [];
  const merged = operands.map((): number[] => []);
  sizes.forEach((size, d) => {
    if (size === 1) return;
    const last = mergedSizes.length - 1;
    if (last >= 0 && operands.every((steps, o) => merged[o]![last] === steps[d]! * size)) {
      mergedSizes[last] = mergedSizes[last]! * size;
      operands.forEach((steps, o) => (merged[o]![last] = steps[d]!));
    } else {
      mergedSizes.push(size);
      operands.forEach((steps, o) => merged[o]!.push(steps[d]!));
    }
  });
  if (mergedSizes.length > rank) return undefined;
  const lead = rank - mergedSizes.length;
  return {
    sizes: [...new Array<number>(lead).fill(1), ...mergedSizes],
    steps: merged.map((steps) => [...new Array<number>(lead).fill(0), ...steps]),
  };
}

/** Batch dimensions of a matrix product as two; undefined where they need more. */
export function batchSteps(
  a: readonly number[],
  b: readonly number[],
  sizeA: number,
  sizeB: number,
): { readonly batch1: number; readonly a0: number; readonly a1: number; readonly b0: number; readonly b1: number } | undefined {
  const rank = Math.max(a.length, b.length);
  const at = (shape: readonly number[], d: number): number => shape[d - rank + shape.length] ?? 1;
  const target = Array.from({ length: rank }, (_, d) => Math.max(at(a, d), at(b, d)));
  const walk = planWalk(target, [broadcastSteps(a, target, sizeA), broadcastSteps(b, target, sizeB)], 2);
  if (walk === undefined) return undefined;
  const [[a0 = 0, a1 = 0] = [], [b0 = 0, b1 = 0] = []] = walk.steps;
  return { batch1: walk.sizes[1]!, a0, a1, b0, b1 };
}
