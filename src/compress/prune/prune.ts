/**
 * Pruning by zeros: the smallest weights, or blocks of weights, become zero. Which layers:
 * - single weights: every Conv2D and Dense with float weights. Depthwise layers hold few weights and lose most accuracy for them.
 * - blocks: Conv2D with one group and Dense, without the two kinds of layer where blocks cost accuracy and win no time:
 *   convolutions of at most 4 input channels, usually the first one on an image, and the layer that makes the graph's output.
 * - N:M (`nm`): by default for each weight row of its own, as sparse tensor cores have it; with a block 1×C the C output channels of a block
 *   keep the same inputs, which kernels can skip. Layers as above, less those with fewer input channels than a group.
 * A step's `include` adds layers to that choice, `exclude` removes them. The amount is the share to reach, so pruning twice does not add up.
 */
import { UsageError } from "../../errors.ts";
import { withoutCode } from "../../graph/code.ts";
import { elementCount } from "../../graph/dtype.ts";
import { producersOf } from "../../graph/access.ts";
import type { Graph, Sparsity, Tensor } from "../../graph/ir.ts";
import type { PruneStep } from "../recipe.ts";
import { stepText } from "../recipe.ts";
import { isWeighted, layersOf, withTensors } from "../layers.ts";
import type { Layer } from "../layers.ts";
import { isNamed, leftOut } from "../recipe-fields.ts";
import type { Promised } from "../promises.ts";
import type { SkippedLayer, StepResult } from "../steps.ts";
import { lampScores, randomScores, weightScores } from "./importance.ts";
import { belowThreshold, blockScores, expandBlocks, pruneCount, smallest, zerosOfGroups } from "./select.ts";
import type { BlockGrid } from "./select.ts";

/** Convolutions with no more input channels have too few blocks to skip. */
const FEW_CHANNELS = 4;

/** What can be zeroed in a layer, one score a unit, and the weights that go with chosen units. */
interface Target {
  readonly scores: Float64Array;
  readonly expand: (chosen: Uint8Array) => Uint8Array;
}

/** @throws UsageError when no layer is left to prune */
export function prune(graph: Graph, step: PruneStep): StepResult {
  const text = stepText(step);
  const heads = outputLayers(graph);
  const layers = new Map<string, Layer>();
  const skipped: SkippedLayer[] = [];
  for (const layer of layersOf(graph)) {
    const why = reasonToSkip(layer, step, heads);
    if (why !== undefined) skipped.push({ layer: layer.node.name, op: layer.node.op, why });
    else if (!layers.has(layer.weight.name)) layers.set(layer.weight.name, layer);
  }
  if (layers.size === 0) {
    throw new UsageError(
      `recipe step ${text}: no layer of "${graph.name}" can be pruned that way. Use prune:${step.amount}, or another model`,
    );
  }

  const pruned = [...layers.values()];
  const masks = step.nm === undefined ? choose(pruned, step) : pruned.map((layer) => groupMask(layer, step));
  const tensors: Tensor[] = [];
  const promises: Promised[] = [];
  pruned.forEach((layer, i) => {
    const zeros = masks[i]!;
    tensors.push(zeroed(layer, zeros, step));
    promises.push({ kind: "zeroMask", layer: layer.node.name, tensor: layer.weight.name, by: text, zeros });
  });
  return { graph: withTensors(graph, tensors), layers: promises.map((p) => p.layer), skipped, promises };
}

function zeroed({ weight }: Layer, zeros: Uint8Array, step: PruneStep): Tensor {
  const data = new Float32Array(weight.data);
  for (let w = 0; w < data.length; w++) if (zeros[w] === 1) data[w] = 0;
  return { ...withoutCode(weight), data, sparsity: sparsityOf(step) };
}

function sparsityOf({ block, nm }: PruneStep): Sparsity {
  if (nm !== undefined) return { pattern: "nm", ...nm, cols: block?.cols ?? 1 };
  return block === undefined ? { pattern: "unstructured" } : { pattern: "block", ...block };
}

function targetOf({ weight }: Layer, step: PruneStep, index: number): Target {
  const { data, shape } = weight;
  const { block, importance } = step;
  const seed = (step.seed ?? 1) + index;
  if (block === undefined) return { scores: weightScores(data, importance ?? "l1", seed), expand: (chosen) => chosen };
  const n = shape[0]!;
  const grid: BlockGrid = { n, k: elementCount(shape) / n, ...block };
  const pooled = blockScores(data, grid, step.pool);
  const expand = (chosen: Uint8Array): Uint8Array => expandBlocks(chosen, grid);
  if (importance === undefined) return { scores: pooled, expand };
  return { scores: importance === "lamp" ? lampScores(pooled.map((score) => score * score)) : randomScores(pooled.length, seed), expand };
}

/** For each layer, 1 per weight to zero. */
function choose(layers: readonly Layer[], step: PruneStep): readonly Uint8Array[] {
  const targets = layers.map((layer, i) => targetOf(layer, step, i));
  const weakest = (scores: Float64Array): Uint8Array =>
    step.ties === "keep" ? belowThreshold(scores, step.amount) : smallest(scores, pruneCount(step.amount, scores.length));
  if (step.scope === "layer") return targets.map(({ scores, expand }) => expand(weakest(scores)));
  const all = new Float64Array(targets.reduce((sum, { scores }) => sum + scores.length, 0));
  let offset = 0;
  for (const { scores } of targets) {
    all.set(scores, offset);
    offset += scores.length;
  }
  const chosen = weakest(all);
  offset = 0;
  return targets.map(({ scores, expand }) => expand(chosen.subarray(offset, (offset += scores.length))));
}

function groupMask({ weight }: Layer, { nm, block }: PruneStep): Uint8Array {
  const { data, shape } = weight;
  const n = shape[0]!;
  return zerosOfGroups(data, { n, k: elementCount(shape) / n, run: shape[shape.length - 1]!, cols: block?.cols ?? 1, ...nm! });
}

function reasonToSkip(layer: Layer, step: PruneStep, heads: ReadonlySet<string>): string | undefined {
  const { node, weight } = layer;
  const why = leftOut(node.name, step);
  if (why !== undefined) return why;
  if (weight.dtype !== "float32") return `weights are ${weight.dtype}, expected float32`;
  if (elementCount(weight.shape) === 0) return "no weights";
  const included = isNamed(node.name, step);
  if (step.nm !== undefined) {
    if (node.op !== "Conv2D" && node.op !== "Dense") return `${node.op} has no N:M form`;
    const channels = weight.shape[weight.shape.length - 1]!;
    if (channels < step.nm.of && !included) return `only ${channelsText(channels)}, fewer than a group`;
  }
  if (step.block === undefined) {
    if (included || node.op === "Conv2D" || node.op === "Dense") return undefined;
    return node.op === "DepthwiseConv2D" ? "depthwise: few weights" : "only Conv2D and Dense are pruned by default";
  }
  if (node.op !== "Conv2D" && node.op !== "Dense") return `${node.op} has no block-sparse form`;
  if (node.op === "Conv2D" && node.attrs.groups !== 1) return "grouped convolutions have no block-sparse form";
  if (included) return undefined;
  if (node.op === "Conv2D" && weight.shape[3]! <= FEW_CHANNELS) return `only ${channelsText(weight.shape[3]!)}`;
  return heads.has(node.name) ? "makes the model's output" : undefined;
}

function channelsText(channels: number): string {
  return `${channels} input ${channels === 1 ? "channel" : "channels"}`;
}

/** Weighted nodes whose result reaches a graph output through nodes without weights only. */
function outputLayers(graph: Graph): ReadonlySet<string> {
  const producers = producersOf(graph);
  const heads = new Set<string>();
  const seen = new Set<string>();
  const pending = [...graph.outputs];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const node = producers.get(name);
    if (node === undefined || seen.has(node.name)) continue;
    seen.add(node.name);
    if (isWeighted(node)) heads.add(node.name);
    else pending.push(...node.inputs);
  }
  return heads;
}
