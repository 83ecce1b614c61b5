/** Grids that a recipe sets itself: a range, or scale and zero point, of tensors by name. */
import { UsageError } from "../../errors.ts";
import { producersOf } from "../../graph/access.ts";
import type { Graph } from "../../graph/ir.ts";
import { suggestion } from "../names.ts";
import { matchesGlob } from "../patterns.ts";
import type { Range } from "./params.ts";

export interface GridParams {
  readonly scale: number;
  readonly zeroPoint: number;
}

export interface GridOverride {
  /** Name of a tensor, or of the node that writes it; `*` for any characters. */
  readonly tensor: string;
  readonly set: Range | GridParams;
}

/**
 * @param tensors the ones that have a grid
 * @param step text of the recipe step, for messages
 * @throws UsageError where a name is that of none of them, or two entries name the same one
 */
export function resolveOverrides(
  graph: Graph,
  tensors: Iterable<string>,
  overrides: readonly GridOverride[],
  step: string,
): ReadonlyMap<string, Range | GridParams> {
  const writers = producersOf(graph);
  const names = [...tensors];
  const found = new Map<string, Range | GridParams>();
  for (const { tensor, set } of overrides) {
    const hits = names.filter((name) => matchesGlob(name, tensor) || matchesGlob(writers.get(name)?.name ?? name, tensor));
    if (hits.length === 0)
      throw new UsageError(`recipe step ${step}: no activation of "${graph.name}" is named "${tensor}". ${suggestion(tensor, names)}`);
    for (const hit of hits) {
      if (found.has(hit)) throw new UsageError(`recipe step ${step}: two entries set the grid of "${hit}". Keep one`);
      found.set(hit, set);
    }
  }
  return found;
}

export function isGrid(set: Range | GridParams): set is GridParams {
  return "scale" in set;
}
