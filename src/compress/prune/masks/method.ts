/**
 * A rule that says which entries of a parameter stay, after torch.nn.utils.prune's BasePruningMethod: subclass `PruningMethod`, give a type and a
 * mask. The type says what a rule sees that comes second on a parameter: unstructured rules only the entries that are still there, structured
 * ones only the channels that are not all gone, global ones everything.
 */
import { ShapeError, UsageError, formatShape } from "../../../errors.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { Shape } from "../../../graph/ir.ts";

/** Numbers with a shape, row-major. */
export interface Values {
  readonly shape: Shape;
  readonly data: Float32Array;
}

export type PruningType = "unstructured" | "structured" | "global";

export abstract class PruningMethod {
  abstract readonly type: PruningType;
  /** Structured methods only: the axis of channels, negative from the last. */
  readonly dim?: number;

  /**
   * @param scores importance of each entry: the parameter itself, or what the caller gave
   * @param mask 1 for each entry that is still there; not to be changed
   * @returns 1 for each entry that stays; `mask` is applied to it once more
   */
  abstract computeMask(scores: Values, mask: Uint8Array): Uint8Array;
}

/**
 * The mask after one more method, which sees what its type lets it see.
 * @param mask of the methods before; all ones for the first
 * @throws UsageError for a method whose mask does not fit, and what the method throws
 */
export function nextMask(method: PruningMethod, scores: Values, mask: Uint8Array): Uint8Array {
  const positions = visible(method, scores.shape, mask);
  const part: Values = {
    shape: positions.shape,
    data: Float32Array.from(positions.indices, (i) => scores.data[i]!),
  };
  const before = Uint8Array.from(positions.indices, (i) => mask[i]!);
  const after = method.computeMask(part, before.slice());
  if (after.length !== before.length)
    throw new UsageError(`pruning: ${method.constructor.name}: its mask has ${after.length} entries, expected ${before.length}`);
  const next = mask.slice();
  positions.indices.forEach((position, i) => (next[position] = before[i] === 1 && after[i] !== 0 ? 1 : 0));
  return next;
}

interface Visible {
  readonly shape: Shape;
  readonly indices: Int32Array;
}

function visible(method: PruningMethod, shape: Shape, mask: Uint8Array): Visible {
  const all = Int32Array.from(mask, (_, i) => i);
  switch (method.type) {
    case "global":
      return { shape, indices: all };
    case "unstructured": {
      const indices = all.filter((i) => mask[i] === 1);
      return indices.length === all.length ? { shape, indices } : { shape: [indices.length], indices };
    }
    case "structured": {
      if (method.dim === undefined) throw new UsageError(`pruning: ${method.constructor.name}: structured, but it has no dim`);
      const axis = axisOf(method.dim, shape);
      const channel = channelOf(shape, axis);
      const alive = new Set<number>();
      mask.forEach((kept, i) => kept === 1 && alive.add(channel(i)));
      return { shape: shape.map((size, d) => (d === axis ? alive.size : size)), indices: all.filter((i) => alive.has(channel(i))) };
    }
  }
}

/** @param dim negative from the last @throws UsageError */
export function axisOf(dim: number, shape: Shape): number {
  const axis = dim < 0 ? dim + shape.length : dim;
  if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length)
    throw new UsageError(`pruning: dim: got ${dim}, expected an axis of ${formatShape(shape)}`);
  return axis;
}

/** Which index of `axis` a flat position has. */
export function channelOf(shape: Shape, axis: number): (position: number) => number {
  const stride = elementCount(shape.slice(axis + 1));
  const size = shape[axis]!;
  return (position) => Math.floor(position / stride) % size;
}

/** @throws ShapeError */
export function checkShape(what: string, got: Shape, expected: Shape): void {
  if (formatShape(got) !== formatShape(expected))
    throw new ShapeError(`pruning: ${what}: got shape ${formatShape(got)}, expected ${formatShape(expected)}, the parameter's`);
}
