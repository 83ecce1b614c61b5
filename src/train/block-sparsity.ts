/**
 * Sparsity that training induces: single weights shrink (lasso), or blocks of 8 consecutive output channels at one input position do, the unit
 * that `prune:X,block=1x8` zeroes (group lasso); and one-shot pruning to measure what a net would lose. Weights are [O, K...] row-major; a last
 * block of fewer than 8 channels counts as a block.
 */
import type { Parameter } from "./layer.ts";

export const BLOCK = 8;

/** Calls `visit` for each block: (index of its first element, elements, distance between elements). */
function forEachBlock(shape: readonly number[], visit: (start: number, count: number, stride: number) => void): void {
  const outputs = shape[0] ?? 0;
  const depth = shape.slice(1).reduce((a, b) => a * b, 1);
  for (let o = 0; o < outputs; o += BLOCK) for (let k = 0; k < depth; k++) visit(o * depth + k, Math.min(BLOCK, outputs - o), depth);
}

/**
 * The proximal step of the group-lasso penalty λ·Σ‖block‖₂: each block shrinks towards zero by `amount` (learning rate × λ) and
 * stays at zero when shorter than that (Yuan and Lin 2006). Small blocks vanish, so a later pruning takes little away.
 */
export function shrinkBlocks(p: Parameter, amount: number): void {
  const w = p.value;
  forEachBlock(p.shape, (start, count, stride) => {
    let squares = 0;
    for (let i = 0, at = start; i < count; i++, at += stride) squares += w[at]! * w[at]!;
    const factor = squares === 0 ? 0 : Math.max(0, 1 - amount / Math.sqrt(squares));
    for (let i = 0, at = start; i < count; i++, at += stride) w[at] = w[at]! * factor;
  });
}

/** The proximal step of the lasso λ·Σ|w|: each weight moves towards zero by `amount` (learning rate × λ), and those that reach it stay. */
export function shrinkWeights(p: Parameter, amount: number): void {
  const w = p.value;
  for (let i = 0; i < w.length; i++) w[i] = Math.sign(w[i]!) * Math.max(0, Math.abs(w[i]!) - amount);
}

/** Zeroes the share `sparsity` of the blocks with the smallest mean |w|, in place; ties fall to the earlier block. */
export function pruneBlocks(w: Float32Array, shape: readonly number[], sparsity: number): void {
  const blocks: { start: number; count: number; stride: number; magnitude: number }[] = [];
  forEachBlock(shape, (start, count, stride) => {
    let sum = 0;
    for (let i = 0, at = start; i < count; i++, at += stride) sum += Math.abs(w[at]!);
    blocks.push({ start, count, stride, magnitude: sum / count });
  });
  blocks.sort((a, b) => a.magnitude - b.magnitude || a.start - b.start);
  for (const { start, count, stride } of blocks.slice(0, Math.round(blocks.length * sparsity))) {
    for (let i = 0, at = start; i < count; i++, at += stride) w[at] = 0;
  }
}

/** Share of blocks that are entirely zero. */
export function zeroBlockShare(p: Parameter): number {
  let zero = 0;
  let total = 0;
  forEachBlock(p.shape, (start, count, stride) => {
    total++;
    for (let i = 0, at = start; i < count; i++, at += stride) if (p.value[at] !== 0) return;
    zero++;
  });
  return zero / total;
}

/** Share of weights that are zero. */
export function zeroShare(p: Parameter): number {
  return p.value.reduce((zeros, w) => (w === 0 ? zeros + 1 : zeros), 0) / p.value.length;
}
