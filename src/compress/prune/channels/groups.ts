/**
 * Channels that can be removed, in groups: a group holds the channels that the same layers produce, so that removing one of them takes a filter
 * from each of those layers and an input from all that read it. Groups are ranked and rounded each for itself.
 */
import type { Constant, Graph } from "../../../graph/ir.ts";
import { channelAxis, layersOf } from "../../layers.ts";
import type { Layer } from "../../layers.ts";
import type { ClassId, IndexClasses } from "./classes.ts";

/** The filters of one layer that belong to the channels of a group. */
export interface Filters {
  readonly layer: Layer;
  readonly axis: 0 | 3;
  /** For each channel of the group, indices of `axis` of the weights: one, or several with a depthwise multiplier. */
  readonly indices: readonly (readonly number[])[];
}

export interface ChannelGroup {
  readonly channels: readonly ClassId[];
  /** Every layer that produces these channels, in execution order; depthwise layers pass them on and are among them. */
  readonly filters: readonly Filters[];
}

export interface HeldLayer {
  readonly layer: Layer;
  readonly why: string;
}

export interface ChannelGroups {
  readonly groups: readonly ChannelGroup[];
  /** Layers none of whose channels can be removed. */
  readonly held: readonly HeldLayer[];
}

/**
 * @param classes of the graph, with everything fixed that must stay
 * @param why a layer is not to lose channels; undefined: it may
 */
export function channelGroups(graph: Graph, classes: IndexClasses, why: (layer: Layer) => string | undefined): ChannelGroups {
  const layers = [...new Map(layersOf(graph).map((layer) => [layer.weight.name, layer])).values()];
  for (const layer of layers) {
    const reason = why(layer);
    if (reason !== undefined) for (const id of classesOf(layer, classes)) classes.fix(id, reason);
  }
  const producers = new Map<ClassId, Map<Layer, number[]>>();
  const held: HeldLayer[] = [];
  for (const layer of layers) {
    const ids = classesOf(layer, classes);
    ids.forEach((id, index) => {
      if (classes.reason(id) !== undefined) return;
      const of = producers.get(id) ?? new Map<Layer, number[]>();
      producers.set(id, of.set(layer, [...(of.get(layer) ?? []), index]));
    });
    const reasons = ids.map((id) => classes.reason(id));
    if (ids.length > 0 && !reasons.includes(undefined)) held.push({ layer, why: reasons[0]! });
  }
  const groups = new Map<string, ClassId[]>();
  for (const [id, of] of producers) {
    const signature = JSON.stringify([...of].map(([layer, indices]) => [layer.weight.name, indices.length]));
    groups.set(signature, [...(groups.get(signature) ?? []), id]);
  }
  return { groups: [...groups.values()].map((channels) => group(channels, producers)), held };
}

function classesOf({ node, weight }: Layer, classes: IndexClasses): readonly ClassId[] {
  const axis = channelAxis(node.op);
  return Array.from({ length: weight.shape[axis]! }, (_, i) => classes.of(weight.name, axis, i));
}

function group(channels: readonly ClassId[], producers: ReadonlyMap<ClassId, ReadonlyMap<Layer, readonly number[]>>): ChannelGroup {
  const filters = [...producers.get(channels[0]!)!.keys()].map((layer): Filters => {
    return { layer, axis: channelAxis(layer.node.op), indices: channels.map((id) => producers.get(id)!.get(layer)!) };
  });
  return { channels, filters };
}

/** The weights of one channel in one layer, output by output. */
export function filterWeights(weight: Constant, axis: 0 | 3, indices: readonly number[]): Float64Array {
  const outputs = weight.shape[axis]!;
  const size = weight.data.length / outputs;
  const [from, stride] = axis === 0 ? [size, 1] : [1, outputs];
  const values = new Float64Array(indices.length * size);
  indices.forEach((index, k) => {
    for (let i = 0; i < size; i++) values[k * size + i] = weight.data[index * from + i * stride]!;
  });
  return values;
}
