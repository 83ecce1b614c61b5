/** How much each channel of a group matters, over the filters of all layers that produce it. */
import { UsageError } from "../../../errors.ts";
import { isConstant, requireInput } from "../../../graph/access.ts";
import type { Constant, Graph } from "../../../graph/ir.ts";
import { lampScores, medianDistances, norm, randomScores } from "../importance.ts";
import type { ClassId, IndexClasses } from "./classes.ts";
import { filterWeights } from "./groups.ts";
import type { ChannelGroup } from "./groups.ts";

export const CHANNEL_IMPORTANCES = ["l1", "l2", "lamp", "fpgm", "bn", "random"] as const;
/** As src/compress/prune/importance.ts; bn: the magnitude of the batch norm's scale that follows (Network Slimming, arXiv 1708.06519). */
export type ChannelImportance = (typeof CHANNEL_IMPORTANCES)[number];

/** What scoring needs besides the group. */
export interface ScoreContext {
  readonly graph: Graph;
  readonly classes: IndexClasses;
  /** Of `random`; each group adds its place. */
  readonly seed: number;
}

/** @throws UsageError for `bn` where no batch norm scales the group's channels */
export function channelScores(group: ChannelGroup, importance: ChannelImportance, context: ScoreContext): Float64Array {
  const { channels, filters } = group;
  switch (importance) {
    case "l1":
      return sumOver(group, (values) => norm(values, 1));
    case "l2":
      return sumOver(group, square).map(Math.sqrt);
    case "lamp":
      return lampScores(sumOver(group, square));
    case "fpgm": {
      const scores = new Float64Array(channels.length);
      for (const { layer, axis, indices } of filters) {
        const distances = medianDistances(indices.map((of) => filterWeights(layer.weight, axis, of)));
        distances.forEach((distance, i) => (scores[i]! += distance));
      }
      return scores;
    }
    case "bn":
      return batchNormScores(group, context);
    case "random":
      return randomScores(channels.length, context.seed);
  }
}

function square(values: Float64Array): number {
  return values.reduce((sum, w) => sum + w * w, 0);
}

function sumOver({ channels, filters }: ChannelGroup, value: (weights: Float64Array) => number): Float64Array {
  const scores = new Float64Array(channels.length);
  for (const { layer, axis, indices } of filters) {
    indices.forEach((of, i) => (scores[i]! += value(filterWeights(layer.weight, axis, of))));
  }
  return scores;
}

function batchNormScores({ channels, filters }: ChannelGroup, { graph, classes }: ScoreContext): Float64Array {
  const scores = new Map<ClassId, number>();
  for (const node of graph.nodes) {
    if (node.op !== "BatchNorm") continue;
    const scale = requireInput(graph, node, 1);
    if (!isConstant(scale)) continue;
    addScales(scale, classes, scores);
  }
  if (!channels.every((id) => scores.has(id))) {
    throw new UsageError(
      `channel pruning: importance bn: no batch norm follows "${filters[0]!.layer.node.name}"; loading a model folds them. Use l2, lamp or fpgm`,
    );
  }
  return Float64Array.from(channels, (id) => scores.get(id)!);
}

function addScales(scale: Constant, classes: IndexClasses, scores: Map<ClassId, number>): void {
  const axis = scale.shape.findIndex((size) => size === scale.data.length);
  scale.data.forEach((gamma, i) => {
    const id = classes.of(scale.name, axis, i);
    scores.set(id, (scores.get(id) ?? 0) + Math.abs(gamma));
  });
}
