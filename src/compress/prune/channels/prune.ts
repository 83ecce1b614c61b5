/**
 * Channel pruning: the least important channels are taken out of the graph, with the filters that make them and the inputs that read them. What
 * is left is a smaller dense graph: its outputs are those of the original whose weights for these channels are zero. Channels that an op needs
 * whole stay (the model's inputs and outputs, grouped convolutions, a softmax' axis).
 */
import { UsageError } from "../../../errors.ts";
import type { Graph } from "../../../graph/ir.ts";
import { layersOf } from "../../layers.ts";
import type { Layer } from "../../layers.ts";
import { EXCLUDED, NOT_NAMED } from "../../recipe-fields.ts";
import { matchesAny } from "../../patterns.ts";
import type { Promised } from "../../promises.ts";
import { stepText } from "../../recipe.ts";
import type { ChannelStep } from "../../recipe.ts";
import type { SkippedLayer, StepResult } from "../../steps.ts";
import { pruneCount, smallest } from "../select.ts";
import type { ClassId } from "./classes.ts";
import { coupleIndices } from "./couple.ts";
import { cutClasses } from "./cut.ts";
import { channelGroups } from "./groups.ts";
import type { ChannelGroup } from "./groups.ts";
import { channelScores } from "./score.ts";

/** @throws UsageError when no channel can be removed */
export function pruneChannels(graph: Graph, step: ChannelStep): StepResult {
  const by = stepText(step);
  const classes = coupleIndices(graph);
  const { groups: all, held } = channelGroups(graph, classes, (layer) => reasonToHold(layer, step));
  const groups = all.filter((group) => isAskedFor(group, step));
  const scores = groups.map((group, i) => channelScores(group, step.importance, { graph, classes, seed: step.seed + i }));
  const removed = new Set<ClassId>();
  const changed = new Set<string>();
  const others = all.filter((group) => !groups.includes(group)).flatMap(({ filters }) => filters);
  const skipped: SkippedLayer[] = [...held, ...others.map(({ layer }) => ({ layer, why: NOT_NAMED }))].map(({ layer, why }) => ({
    layer: layer.node.name,
    op: layer.node.op,
    why,
  }));
  keptCounts(groups, scores, step).forEach((keep, g) => {
    const { channels, filters } = groups[g]!;
    const gone = smallest(scores[g]!, channels.length - keep);
    channels.forEach((id, i) => gone[i] === 1 && removed.add(id));
    for (const { layer } of filters) {
      if (keep < channels.length) changed.add(layer.node.name);
      else skipped.push({ layer: layer.node.name, op: layer.node.op, why: `${channels.length} channels, none to spare` });
    }
  });
  if (removed.size === 0) throw new UsageError(`recipe step ${by}: no channel of "${graph.name}" can be removed. ${remedy(groups, step)}`);
  const { graph: cut, survivors } = cutClasses(graph, classes, removed);
  const promises = layersOf(cut).flatMap(({ node, weight }): Promised[] => {
    return survivors.has(weight.name) ? [{ kind: "shape", layer: node.name, tensor: weight.name, by, shape: weight.shape }] : [];
  });
  return {
    graph: cut,
    layers: graph.nodes.flatMap(({ name }) => (changed.has(name) ? [name] : [])),
    skipped: skipped.filter(({ layer }) => !changed.has(layer)),
    promises,
    survivors,
  };
}

function remedy(groups: readonly ChannelGroup[], step: ChannelStep): string {
  if (groups.length === 0) return "Use prune:X";
  return step.multiple > 1 ? `Use a smaller multiple than ${step.multiple}, or more than ${step.amount}` : `Use more than ${step.amount}`;
}

/** Layers that share channels lose them together: it takes one of them to be named. */
function isAskedFor({ filters }: ChannelGroup, { only }: ChannelStep): boolean {
  return only === undefined || filters.some(({ layer }) => matchesAny(layer.node.name, only));
}

function reasonToHold({ node, weight }: Layer, step: ChannelStep): string | undefined {
  if (matchesAny(node.name, step.exclude ?? [])) return EXCLUDED;
  if (step.include !== undefined && !matchesAny(node.name, step.include)) return "not included by the recipe";
  if (!(weight.data instanceof Float32Array)) return `weights are ${weight.dtype}, expected float32`;
  return weight.data.every(Number.isFinite) ? undefined : "weights are not all finite";
}

/** How many channels each group keeps. */
function keptCounts(groups: readonly ChannelGroup[], scores: readonly Float64Array[], step: ChannelStep): readonly number[] {
  const sizes = groups.map(({ channels }) => channels.length);
  const counts = step.scope === "layer" ? sizes.map((size) => size - pruneCount(step.amount, size)) : globalCounts(sizes, scores, step);
  return counts.map((count, g) => roundedCount(count, sizes[g]!, step.multiple));
}

/** One ranking over all groups. Norms are compared as multiples of their group's mean; LAMP is comparable as it is. */
function globalCounts(sizes: readonly number[], scores: readonly Float64Array[], step: ChannelStep): readonly number[] {
  const all = scores.flatMap((of) => {
    const mean = of.reduce((sum, score) => sum + score, 0) / of.length;
    return step.importance === "lamp" || mean === 0 ? [...of] : Array.from(of, (score) => score / mean);
  });
  const gone = smallest(Float64Array.from(all), pruneCount(step.amount, all.length));
  let offset = 0;
  return sizes.map((size) => {
    const lost = gone.subarray(offset, (offset += size)).reduce((sum, one) => sum + one, 0);
    return size - lost;
  });
}

/** The nearest multiple, the higher of two; at least one multiple, at most all channels. */
export function roundedCount(count: number, size: number, multiple: number): number {
  const rounded = Math.floor(count / multiple + 0.5) * multiple;
  return Math.min(size, Math.max(rounded, multiple));
}
