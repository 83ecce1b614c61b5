/**
 * Reshape of a permuted tensor without first undoing the permutation: dimensions that the reshape splits or merges form groups, and a
 * group moves as a whole. Dimensions of length 1 are free, so they are left out of the grouping.
 */
import type { Shape } from "../ir.ts";
import type { Perm } from "../permute.ts";

export interface ReshapePlan {
  /** The order that the stored input must have first: old input = Transpose(stored, inputPerm). Equal to the given one when nothing moves. */
  readonly inputPerm: Perm;
  /** Old output = Transpose(stored output, outputPerm). */
  readonly outputPerm: Perm;
}

interface Group {
  readonly from: number[];
  readonly to: number[];
}

/**
 * @param from old input shape, @param to old output shape, of the same element count, not 0
 * @param perm old input = Transpose(stored input, perm)
 */
export function planReshape(from: Shape, to: Shape, perm: Perm): ReshapePlan {
  const groups = groupDims(from, to);
  const groupOf = new Map<number, Group>();
  for (const group of groups) for (const d of group.from) groupOf.set(d, group);

  // A group stands where the stored tensor has its last dimension, so that what is innermost stays innermost.
  const storedOrder = perm.map((_, position) => perm.indexOf(position));
  const order: Group[] = [];
  for (const d of storedOrder.toReversed()) {
    const group = groupOf.get(d);
    if (group !== undefined && !order.includes(group)) order.unshift(group);
  }
  const wanted = order.flatMap((group) => group.from);
  const current = storedOrder.filter((d) => groupOf.has(d));
  const moves = wanted.some((d, i) => d !== current[i]);
  return {
    inputPerm: moves ? placeUnits(wanted, from) : perm,
    outputPerm: placeUnits(
      order.flatMap((group) => group.to),
      to,
    ),
  };
}

/** Minimal runs of dimensions with equal products on both sides; 1s are skipped. */
function groupDims(from: Shape, to: Shape): readonly Group[] {
  const a = nonUnits(from);
  const b = nonUnits(to);
  const groups: Group[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const group: Group = { from: [a[i]!], to: [b[j]!] };
    let left = from[a[i++]!]!;
    let right = to[b[j++]!]!;
    while (left !== right) {
      if (left < right) {
        group.from.push(a[i]!);
        left *= from[a[i++]!]!;
      } else {
        group.to.push(b[j]!);
        right *= to[b[j++]!]!;
      }
    }
    groups.push(group);
  }
  return groups;
}

function nonUnits(shape: Shape): number[] {
  return shape.flatMap((d, i) => (d === 1 ? [] : [i]));
}

/**
 * A permutation whose dimensions other than 1 are stored in the order `stored`. Leading 1s come first, the others stand before the
 * dimension that follows them, so that [1, C, 1, W] stored channels-last is [1, 1, W, C].
 */
function placeUnits(stored: readonly number[], shape: Shape): Perm {
  const real = nonUnits(shape);
  const first = real[0] ?? shape.length;
  const last = real.at(-1) ?? -1;
  const order: number[] = [];
  for (let d = 0; d < first; d++) order.push(d);
  for (const d of stored) {
    let start = d;
    while (start - 1 > first && shape[start - 1] === 1) start--;
    for (let unit = start; unit < d; unit++) order.push(unit);
    order.push(d);
  }
  for (let d = Math.max(first, last + 1); d < shape.length; d++) order.push(d);
  const perm = new Array<number>(shape.length);
  order.forEach((d, position) => (perm[d] = position));
  return perm;
}
