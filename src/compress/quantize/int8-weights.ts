/**
 * `int8:weights`: weights of every layer as int8 codes -127..127 with a scale for each output channel, symmetric, as the static form quantizes
 * them; activations, biases and all arithmetic stay float32. The weights are then exactly code × scale, and engines can keep only the codes.
 */
import { UnsupportedError, UsageError } from "../../errors.ts";
import { decode, withoutCode } from "../../graph/code.ts";
import type { Constant, Graph, Int8Code, Tensor } from "../../graph/ir.ts";
import { channelAxis, layersOf, withTensors } from "../layers.ts";
import type { Layer, WeightedOp } from "../layers.ts";
import type { Promised } from "../promises.ts";
import { leftOutNode } from "../recipe-int8-forms.ts";
import type { FormFilter } from "../recipe-int8-forms.ts";
import { stepText } from "../recipe.ts";
import type { Int8WeightsStep } from "../recipe.ts";
import type { SkippedLayer, StepResult } from "../steps.ts";
import { quantizeLayer } from "./weights.ts";

/** @throws UsageError when no layer is left, UnsupportedError for a model that is quantized already */
export function quantizeWeights(graph: Graph, step: Int8WeightsStep): StepResult {
  const by = stepText(step);
  const quantized = layersOf(graph).find(({ weight }) => weight.quant !== undefined);
  if (quantized !== undefined) {
    throw new UnsupportedError(
      `recipe step ${by}: model "${graph.name}" is quantized already: the weights of "${quantized.node.name}" are ${quantized.weight.dtype}. Use fp32, which runs it as it is`,
    );
  }
  const tensors = new Map<string, Tensor>();
  const skipped: SkippedLayer[] = [];
  const promises: Promised[] = [];
  for (const layer of layersOf(graph)) {
    const { node, weight } = layer;
    const why = reasonAgainstCodes(layer, step);
    if (why !== undefined) skipped.push({ layer: node.name, op: node.op, why });
    else if (!tensors.has(weight.name)) {
      const code = int8Code(weight, node.op);
      tensors.set(weight.name, { ...withoutCode(weight), data: decode(code, weight.shape), code });
      promises.push({ kind: "int8Code", layer: node.name, tensor: weight.name, by });
    }
  }
  if (tensors.size === 0) throw new UsageError(`recipe step ${by}: no layer of "${graph.name}" has weights to quantize. Use another model`);
  return { graph: withTensors(graph, tensors.values()), layers: promises.map(({ layer }) => layer), skipped, promises };
}

/** @param weight finite float32 */
export function int8Code(weight: Constant, op: WeightedOp): Int8Code {
  const axis = channelAxis(op);
  const { weight: codes, weightQuant } = quantizeLayer(weight, axis, undefined, 1);
  return { kind: "int8", axis, scales: weightQuant.scales, codes };
}

/** Why a layer's weights cannot become int8 codes; undefined when they can. */
export function reasonAgainstCodes({ node, weight }: Layer, filter: FormFilter): string | undefined {
  const left = leftOutNode(node, filter);
  if (left !== undefined) return left;
  if (!(weight.data instanceof Float32Array)) return `weights are ${weight.dtype}, expected float32`;
  if (weight.data.length === 0) return "no weights";
  if (weight.code?.kind === "codebook") return `its ${weight.code.table.length} shared values take no more bits as they are`;
  return weight.data.every(Number.isFinite) ? undefined : "weights are not all finite";
}
