/**
 * Weight clustering: each layer's weights share at most N values, so a weight is stored as an index. With `per=channel` each output channel has N
 * values of its own, which follow its range better but cost N × 4 bytes a channel, more than the indices of most channels; indices are bytes, so that
 * layers with more than 256 values altogether stay float32. Conv2D and Dense by default; depthwise layers hold few weights and lose most accuracy.
 * Zeros of a sparse layer stay zeros, by a shared value of their own.
 */
import { UsageError } from "../../errors.ts";
import { MOST_VALUES, withoutCode } from "../../graph/code.ts";
import { countNonzero } from "../../graph/cost.ts";
import { elementCount } from "../../graph/dtype.ts";
import type { CodebookCode, Constant, Graph, Tensor } from "../../graph/ir.ts";
import { channelAxis, layersOf, withTensors } from "../layers.ts";
import type { Layer } from "../layers.ts";
import { isNamed, leftOut } from "../recipe-fields.ts";
import type { Promised } from "../promises.ts";
import { stepText } from "../recipe.ts";
import type { ClusterStep } from "../recipe.ts";
import type { SkippedLayer, StepResult } from "../steps.ts";
import { clusterValues } from "./kmeans.ts";

/** Share of exact zeros from which a layer counts as sparse though no step of this recipe pruned it. */
const SPARSE_SHARE = 0.1;

/** @throws UsageError when no layer is left to cluster */
export function cluster(graph: Graph, step: ClusterStep): StepResult {
  const by = stepText(step);
  const tensors = new Map<string, Tensor>();
  const skipped: SkippedLayer[] = [];
  const promises: Promised[] = [];
  const uncoded: string[] = [];
  for (const layer of layersOf(graph)) {
    const { node, weight } = layer;
    const why = reasonToSkip(layer, step);
    if (why !== undefined) skipped.push({ layer: node.name, op: node.op, why });
    else if (!tensors.has(weight.name)) {
      const axis = step.per === "channel" ? channelAxis(node.op) : undefined;
      const { data, code } = clusterWeight(weight, step, axis);
      if (code === undefined) uncoded.push(node.name);
      tensors.set(weight.name, { ...withoutCode(weight), data, ...(code && { code }) });
      promises.push({
        kind: "distinct",
        layer: node.name,
        tensor: weight.name,
        by,
        most: step.values,
        ...(axis !== undefined && { axis }),
      });
    }
  }
  if (tensors.size === 0) throw new UsageError(`recipe step ${by}: no layer of "${graph.name}" can be clustered. Use another model`);
  const notes =
    uncoded.length === 0
      ? []
      : [`more than ${MOST_VALUES} values in all channels of ${uncoded.join(", ")}, too many for indices of a byte: kept as float32`];
  return { graph: withTensors(graph, tensors.values()), layers: promises.map(({ layer }) => layer), skipped, promises, notes };
}

/**
 * @param axis of the channels with values of their own; undefined: all weights share theirs
 * @returns no code where there are too many values for one
 */
function clusterWeight(
  weight: Constant,
  { values, init, seed, refine }: ClusterStep,
  axis: number | undefined,
): { readonly data: Float32Array; readonly code?: CodebookCode } {
  const [all, keepZero] = [weight.data as Float32Array, isSparse(weight)];
  const options = { start: init, seed, refine: refine !== "no" };
  if (axis === undefined) {
    const { table, indices } = clusterValues(all, values, keepZero, options);
    return { data: Float32Array.from(indices, (index) => table[index]!), code: { kind: "codebook", table, indices } };
  }
  const channels = weight.shape[axis]!;
  const inner = elementCount(weight.shape.slice(axis + 1));
  const size = all.length / channels;
  /** Position of weight j of channel c. */
  const place = (c: number, j: number): number => (Math.floor(j / inner) * channels + c) * inner + (j % inner);
  const data = new Float32Array(all.length);
  const known = new Map<number, number>();
  for (let c = 0; c < channels; c++) {
    const own = Float32Array.from({ length: size }, (_, j) => all[place(c, j)]!);
    const { table, indices } = clusterValues(own, values, keepZero, options);
    for (const value of table) if (!known.has(value)) known.set(value, known.size);
    for (let j = 0; j < size; j++) data[place(c, j)] = table[indices[j]!]!;
  }
  if (known.size > MOST_VALUES) return { data };
  const indices = Uint8Array.from(data, (value) => known.get(value)!);
  return { data, code: { kind: "codebook", table: Float32Array.from(known.keys()), indices } };
}

function isSparse(weight: Constant): boolean {
  return weight.sparsity !== undefined || countNonzero(weight) <= (1 - SPARSE_SHARE) * weight.data.length;
}

function reasonToSkip({ node, weight }: Layer, step: ClusterStep): string | undefined {
  const why = leftOut(node.name, step);
  if (why !== undefined) return why;
  if (!(weight.data instanceof Float32Array)) return `weights are ${weight.dtype}, expected float32`;
  if (weight.data.length === 0) return "no weights";
  if (!weight.data.every(Number.isFinite)) return "weights are not all finite";
  if (node.op === "Conv2D" || node.op === "Dense" || isNamed(node.name, step)) return undefined;
  return node.op === "DepthwiseConv2D" ? "depthwise: few weights" : "only Conv2D and Dense are clustered by default";
}
