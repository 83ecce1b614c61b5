/**
 * Walks over tensors with broadcasting and permutation. Neighbouring dimensions that every operand steps through alike are merged
 * first, so that the usual cases end as one or two loops: same shape → one run, scalar → one run with step 0, per channel → [rows, C].
 */

export interface Walk {
  /** Merged sizes, at least one entry. */
  readonly sizes: readonly number[];
  /** Steps of each operand, parallel to `sizes`. */
  readonly steps: readonly (readonly number[])[];
}

/** Numpy broadcasting: steps of `shape` when walked as `target`; 0 where it repeats. */
export function broadcastSteps(shape: readonly number[], target: readonly number[]): number[] {
  const lead = target.length - shape.length;
  const steps = new Array<number>(target.length).fill(0);
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1) steps[lead + d] = step;
    step *= shape[d]!;
  }
  return steps;
}

export function planWalk(sizes: readonly number[], operands: readonly (readonly number[])[]): Walk {
  const mergedSizes: number[] = [];
  const merged = operands.map((): number[] => []);
  for (let d = 0; d < sizes.length; d++) {
    if (sizes[d] === 1) continue;
    const last = mergedSizes.length - 1;
    const joins = last >= 0 && operands.every((steps, o) => merged[o]![last] === steps[d]! * sizes[d]!);
    if (joins) {
      mergedSizes[last] = mergedSizes[last]! * sizes[d]!;
      operands.forEach((steps, o) => (merged[o]![last] = steps[d]!));
    } else {
      mergedSizes.push(sizes[d]!);
      operands.forEach((steps, o) => merged[o]!.push(steps[d]!));
    }
  }
  if (mergedSizes.length === 0) {
    mergedSizes.push(1);
    merged.forEach((steps) => steps.push(0));
  }
  return { sizes: mergedSizes, steps: merged };
}

/** Length of the innermost run. */
export function innerSize(walk: Walk): number {
  return walk.sizes[walk.sizes.length - 1]!;
}

export function innerStep(walk: Walk, operand: number): number {
  return walk.steps[operand]![walk.sizes.length - 1]!;
}

/** Starts of every innermost run of an operand, in output order. */
export function runStarts(walk: Walk, operand: number, offset = 0): Int32Array {
  const outer = walk.sizes.slice(0, -1);
  const steps = walk.steps[operand]!;
  const total = outer.reduce((n, s) => n * s, 1);
  const starts = new Int32Array(total);
  const index = new Int32Array(outer.length);
  let at = offset;
  for (let i = 0; i < total; i++) {
    starts[i] = at;
    for (let d = outer.length - 1; d >= 0; d--) {
      index[d]!++;
      at += steps[d]!;
      if (index[d]! < outer[d]!) break;
      at -= steps[d]! * outer[d]!;
      index[d] = 0;
    }
  }
  return starts;
}
