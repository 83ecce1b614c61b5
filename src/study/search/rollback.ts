/**
 * Rollback: where a recipe loses too much, the layers that lose most go back to what they were, until the goals are met. Each layer is reverted alone
 * first, which ranks them; then one after the other, the worst first, together.
 */
import { changedLayers, reverted } from "./space.ts";
import type { Point, Space } from "./space.ts";

export interface Rollback {
  /** Meets the goals; absent: not even the original's layers do, where a step of the whole model stays. */
  readonly point?: Point;
  /** In the order in which they were reverted. */
  readonly layers: readonly string[];
}

/**
 * @param shortfallOf a point: how far it stays below the goals; infinite where it is no model
 * @param most layers to revert, at most
 */
export async function rollBack(
  space: Space,
  point: Point,
  shortfallOf: (point: Point) => Promise<number>,
  most = Infinity,
): Promise<Rollback> {
  const layers = changedLayers(space, point);
  const ranked: { readonly layer: string; readonly left: number }[] = [];
  for (const layer of layers) ranked.push({ layer, left: await shortfallOf(reverted(space, point, new Set([layer]))) });
  ranked.sort((a, b) => a.left - b.left || 0);
  const gone = new Set<string>();
  for (const { layer, left } of ranked) {
    if (gone.size >= most) break;
    gone.add(layer);
    const next = reverted(space, point, gone);
    // The first one is known already.
    const missing = gone.size === 1 ? left : await shortfallOf(next);
    if (missing === 0) return { point: next, layers: [...gone] };
  }
  return { layers: [...gone] };
}
