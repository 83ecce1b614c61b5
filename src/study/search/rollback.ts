/**
 * Rollback: where a recipe loses too much, the layers that lose most go back to what they were, as few of them as it takes to meet the goals. Each layer is
 * reverted alone first, which ranks them; how many of the worst it takes is found by halving, since more of them lose less.
 */
import { changedLayers, reverted } from "./space.ts";
import type { Point, Space } from "./space.ts";

export interface Rollback {
  /** Meets the goals; absent: not even the original's layers do, where a step of the whole model stays. */
  readonly point?: Point;
  /** That were reverted, the worst first. */
  readonly layers: readonly string[];
}

/**
 * @param shortfallOf a point: how far it stays below the goals; infinite where it is no model
 */
export async function rollBack(space: Space, point: Point, shortfallOf: (point: Point) => Promise<number>): Promise<Rollback> {
  const layers = changedLayers(space, point);
  const ranking = new Map<string, number>();
  for (const layer of layers) ranking.set(layer, await shortfallOf(reverted(space, point, new Set([layer]))));
  const worst = [...layers].sort((a, b) => (ranking.get(a) ?? 0) - (ranking.get(b) ?? 0) || 0);
  const without = (count: number): Point => reverted(space, point, new Set(worst.slice(0, count)));
  if (worst.length === 0 || (await shortfallOf(without(worst.length))) > 0) return { layers: worst };
  let [fails, meets] = [0, worst.length];
  while (meets - fails > 1) {
    const middle = (fails + meets) >> 1;
    if ((await shortfallOf(without(middle))) === 0) meets = middle;
    else fails = middle;
  }
  return { point: without(meets), layers: worst.slice(0, meets) };
}
