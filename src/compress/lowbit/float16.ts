/**
 * Weights rounded to float16, half to even; activations, biases and all arithmetic stay float32. A clustered layer keeps its indices: only
 * its shared values are rounded.
 */
import { UsageError } from "../../errors.ts";
import { withoutCode } from "../../graph/code.ts";
import { FLOAT16_MAX, fromFloat16Bits, toFloat16Bits } from "../../graph/float16.ts";
import type { Constant, Graph, Tensor } from "../../graph/ir.ts";
import { layersOf, withTensors } from "../layers.ts";
import type { Layer } from "../layers.ts";
import { leftOut } from "../recipe-fields.ts";
import type { Promised } from "../promises.ts";
import { stepText } from "../recipe.ts";
import type { Float16Step } from "../recipe.ts";
import type { SkippedLayer, StepResult } from "../steps.ts";

/** @throws UsageError when no layer is left */
export function roundToFloat16(graph: Graph, step: Float16Step): StepResult {
  const by = stepText(step);
  const tensors = new Map<string, Tensor>();
  const skipped: SkippedLayer[] = [];
  const promises: Promised[] = [];
  for (const layer of layersOf(graph)) {
    const { node, weight } = layer;
    const why = reasonToSkip(layer, step);
    if (why !== undefined) skipped.push({ layer: node.name, op: node.op, why });
    else if (!tensors.has(weight.name)) {
      tensors.set(weight.name, rounded(weight, weight.data as Float32Array));
      promises.push({ kind: "float16Grid", layer: node.name, tensor: weight.name, by });
    }
  }
  if (tensors.size === 0) throw new UsageError(`recipe step ${by}: no layer of "${graph.name}" has weights to round. Use another model`);
  return { graph: withTensors(graph, tensors.values()), layers: promises.map(({ layer }) => layer), skipped, promises };
}

function rounded(weight: Constant, data: Float32Array): Tensor {
  const { code } = weight;
  if (code?.kind === "codebook") {
    const table = code.table.map((value) => fromFloat16Bits(toFloat16Bits(value)));
    return { ...weight, data: Float32Array.from(code.indices, (index) => table[index]!), code: { ...code, table } };
  }
  const bits = Uint16Array.from(data, toFloat16Bits);
  return { ...withoutCode(weight), data: Float32Array.from(bits, fromFloat16Bits), code: { kind: "float16", bits } };
}

function reasonToSkip({ node, weight }: Layer, step: Float16Step): string | undefined {
  const why = leftOut(node.name, step);
  if (why !== undefined) return why;
  if (!(weight.data instanceof Float32Array)) return `weights are ${weight.dtype}, expected float32`;
  if (weight.data.length === 0) return "no weights";
  return weight.data.every((value) => Math.abs(value) <= FLOAT16_MAX) ? undefined : `weights beyond ±${FLOAT16_MAX}, float16's largest`;
}
