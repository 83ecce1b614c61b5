/**
 * Weight clustering: each layer's weights share at most N values, so a weight is stored as an index. One table a layer: a table for each
 * output channel would follow the channels' ranges better, but costs N × 4 bytes a channel, more than the indices of most channels. Conv2D and
 * Dense by default; depthwise layers hold few weights and lose most accuracy. Zeros of a sparse layer stay zeros, by a shared value of their own.
 */
import { UsageError } from "../../errors.ts";
import { withoutCode } from "../../graph/code.ts";
import { countNonzero } from "../../graph/cost.ts";
import type { Constant, Graph, Tensor } from "../../graph/ir.ts";
import { layersOf, withTensors } from "../layers.ts";
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
  for (const layer of layersOf(graph)) {
    const { node, weight } = layer;
    const why = reasonToSkip(layer, step);
    if (why !== undefined) skipped.push({ layer: node.name, op: node.op, why });
    else if (!tensors.has(weight.name)) {
      const { table, indices } = clusterValues(weight.data as Float32Array, step.values, isSparse(weight), step.init);
      const data = Float32Array.from(indices, (index) => table[index]!);
      tensors.set(weight.name, { ...withoutCode(weight), data, code: { kind: "codebook", table, indices } });
      promises.push({ kind: "distinct", layer: node.name, tensor: weight.name, by, most: step.values });
    }
  }
  if (tensors.size === 0) throw new UsageError(`recipe step ${by}: no layer of "${graph.name}" can be clustered. Use another model`);
  return { graph: withTensors(graph, tensors.values()), layers: promises.map(({ layer }) => layer), skipped, promises };
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
