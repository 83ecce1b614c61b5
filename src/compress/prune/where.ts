/**
 * Pruning only where it pays: zeros cost accuracy everywhere, but win time only in layers that a kernel then executes faster than the best dense one. An
 * engine says which those are; the others get their weights back.
 */
import { UsageError } from "../../errors.ts";
import type { Graph, Tensor } from "../../graph/ir.ts";
import { withTensors } from "../layers.ts";
import type { Promised } from "../promises.ts";
import { stepText } from "../recipe.ts";
import type { PruneStep } from "../recipe.ts";
import type { SkippedLayer, SparseGain, StepResult } from "../steps.ts";
import { prune } from "./prune.ts";

/**
 * @param gain of the engine that the model is for. Where it gains nowhere, the graph stays as it is.
 * @throws UsageError without `gain`, and as `prune`
 */
export async function pruneWhereFaster(graph: Graph, step: PruneStep, gain: SparseGain | undefined): Promise<StepResult> {
  if (gain === undefined)
    throw new UsageError(`recipe step ${stepText(step)}: where=faster needs an engine that says what zeros win, and none was given`);
  const everywhere = prune(graph, step);
  const promises: Promised[] = [];
  const restored: Tensor[] = [];
  const skipped: SkippedLayer[] = [...everywhere.skipped];
  for (const promise of everywhere.promises) {
    const { faster, why } = await gain(everywhere.graph, promise.layer);
    if (faster) {
      promises.push(promise);
      continue;
    }
    restored.push(graph.tensors.get(promise.tensor)!);
    const op = graph.nodes.find(({ name }) => name === promise.layer)!.op;
    skipped.push({ layer: promise.layer, op, why: `not faster: ${why}` });
  }
  return { graph: withTensors(everywhere.graph, restored), layers: promises.map(({ layer }) => layer), skipped, promises };
}
