/**
 * Weights in 4 bits: each output channel's weights, flattened, in blocks with a float32 scale of their own, symmetric: scale = largest |w| / 7,
 * code = w / scale rounded half to even, -7..7, weight = fround(code × scale). Activations and arithmetic stay float32. Conv2D and Dense.
 */
import { UsageError } from "../../errors.ts";
import { blocksOf, decode, withoutCode } from "../../graph/code.ts";
import type { Graph, Int4Code, Shape, Tensor } from "../../graph/ir.ts";
import { roundHalfEven } from "../../graph/numerics.ts";
import { layersOf, withTensors } from "../layers.ts";
import type { Layer } from "../layers.ts";
import { leftOut } from "../recipe-fields.ts";
import type { Promised } from "../promises.ts";
import { stepText } from "../recipe.ts";
import type { Int4Step } from "../recipe.ts";
import type { SkippedLayer, StepResult } from "../steps.ts";

/** Codes are symmetric: -8 is not used. */
export const INT4_LIMIT = 7;
/** Below it a scale is no normal float32; such a block counts as zeros. */
const SMALLEST_SCALE = 2 ** -126;

/** @throws UsageError when no layer is left */
export function quantizeInt4(graph: Graph, step: Int4Step): StepResult {
  const by = stepText(step);
  const tensors = new Map<string, Tensor>();
  const skipped: SkippedLayer[] = [];
  const promises: Promised[] = [];
  for (const layer of layersOf(graph)) {
    const { node, weight } = layer;
    const why = reasonToSkip(layer, step);
    if (why !== undefined) skipped.push({ layer: node.name, op: node.op, why });
    else if (!tensors.has(weight.name)) {
      const code = int4Code(weight.data as Float32Array, weight.shape, step.block);
      tensors.set(weight.name, { ...withoutCode(weight), data: decode(code, weight.shape), code });
      promises.push({ kind: "int4Grid", layer: node.name, tensor: weight.name, by });
    }
  }
  if (tensors.size === 0) throw new UsageError(`recipe step ${by}: no layer of "${graph.name}" has an int4 form. Use another model`);
  return { graph: withTensors(graph, tensors.values()), layers: promises.map(({ layer }) => layer), skipped, promises };
}

/** @param data finite, rows [shape[0]][K] */
export function int4Code(data: Float32Array, shape: Shape, block: number): Int4Code {
  const { rows, k, blocks } = blocksOf({ block }, shape);
  const scales = new Float32Array(rows * blocks);
  const codes = new Int8Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let b = 0; b < blocks; b++) {
      const begin = row * k + b * block;
      const end = row * k + Math.min(k, (b + 1) * block);
      let limit = 0;
      for (let i = begin; i < end; i++) limit = Math.max(limit, Math.abs(data[i]!));
      const scale = Math.fround(limit / INT4_LIMIT);
      scales[row * blocks + b] = scale < SMALLEST_SCALE ? 1 : scale;
      if (scale < SMALLEST_SCALE) continue;
      for (let i = begin; i < end; i++) codes[i] = Math.min(Math.max(roundHalfEven(data[i]! / scale), -INT4_LIMIT), INT4_LIMIT);
    }
  }
  return { kind: "int4", block, scales, codes };
}

function reasonToSkip({ node, weight }: Layer, step: Int4Step): string | undefined {
  const why = leftOut(node.name, step);
  if (why !== undefined) return why;
  if (!(weight.data instanceof Float32Array)) return `weights are ${weight.dtype}, expected float32`;
  if (node.op !== "Conv2D" && node.op !== "Dense") return `${node.op} has no int4 form`;
  if (weight.data.length === 0) return "no weights";
  return weight.data.every(Number.isFinite) ? undefined : "weights are not all finite";
}
