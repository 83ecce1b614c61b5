/**
 * `int8:dynamic`: Conv2D and Dense layers with int8 weights per output channel quantize their float input when they run, each to the range that it has
 * then (src/graph/numerics.ts), and add integer products; no calibration. Layers that have no such form keep float arithmetic on int8 weights.
 * One grid for a whole input, as ONNX Runtime's DynamicQuantizeLinear; TensorFlow Lite's hybrid ops have one for each sample of a batch.
 */
import { UnsupportedError, UsageError } from "../../errors.ts";
import { consumersOf, outputTensor, requireInput } from "../../graph/access.ts";
import { decode, withoutCode } from "../../graph/code.ts";
import { MOST_PRODUCTS } from "../../graph/dynamic.ts";
import { elementCount } from "../../graph/dtype.ts";
import type { Graph, Node, Tensor } from "../../graph/ir.ts";
import { channelAxis, layersOf } from "../layers.ts";
import type { Layer } from "../layers.ts";
import type { Promised } from "../promises.ts";
import { leftOutNode } from "../recipe-int8-forms.ts";
import { stepText } from "../recipe.ts";
import type { Int8DynamicStep } from "../recipe.ts";
import type { SkippedLayer, StepResult } from "../steps.ts";
import { int8Code, reasonAgainstCodes } from "./int8-weights.ts";
import { WEIGHT_LIMIT, quantizeLayer, weightLimits } from "./weights.ts";

/** What becomes of a layer. */
type Fate =
  { readonly kind: "dynamic" } | { readonly kind: "weights"; readonly why: string } | { readonly kind: "skipped"; readonly why: string };

/** @throws UsageError when no layer is left, UnsupportedError for a model that is quantized already */
export function quantizeDynamic(graph: Graph, step: Int8DynamicStep): StepResult {
  const by = stepText(step);
  for (const tensor of graph.tensors.values()) {
    if (tensor.quant === undefined) continue;
    throw new UnsupportedError(
      `recipe step ${by}: model "${graph.name}" is quantized already: tensor "${tensor.name}" is ${tensor.dtype}. Use fp32, which runs it as it is`,
    );
  }
  const layers = layersOf(graph);
  const fates = fatesOf(graph, layers, step);
  const limitOf = weightLimits(
    step,
    layers.flatMap(({ node }) => (fates.get(node)!.kind === "dynamic" ? [node.name] : [])),
  );
  const tensors = new Map<string, Tensor>(graph.tensors);
  const skipped: SkippedLayer[] = [];
  const notes: string[] = [];
  const promises: Promised[] = [];
  for (const { node, weight } of layers) {
    const fate = fates.get(node)!;
    if (fate.kind === "skipped") {
      skipped.push({ layer: node.name, op: node.op, why: fate.why });
      continue;
    }
    if (fate.kind === "weights") notes.push(`${node.name} (${node.op}): int8 weights, but float arithmetic: ${fate.why}`);
    // Shared with an earlier layer?
    if (tensors.get(weight.name) !== weight) continue;
    if (fate.kind === "weights") {
      const code = int8Code(weight, node.op);
      tensors.set(weight.name, { ...withoutCode(weight), data: decode(code, weight.shape), code });
      promises.push({ kind: "int8Code", layer: node.name, tensor: weight.name, by });
      continue;
    }
    const { weight: data, weightQuant: quant } = quantizeLayer(weight, channelAxis(node.op), undefined, 1, limitOf(node.name));
    tensors.set(weight.name, { ...withoutCode(weight), dtype: "int8", data, quant });
    const limit = limitOf(node.name);
    promises.push({ kind: "int8Grid", layer: node.name, tensor: weight.name, by, ...(limit < WEIGHT_LIMIT && { limit }) });
    if (weight.code?.kind === "codebook")
      notes.push(
        `${node.name} (${node.op}): its ${weight.code.table.length} shared values become int8 codes, at most as many on each scale`,
      );
  }
  const changed = layers.filter(({ node }) => fates.get(node)!.kind !== "skipped").map(({ node }) => node.name);
  if (changed.length === 0) throw new UsageError(`recipe step ${by}: no layer of "${graph.name}" has an int8 form. Use another model`);
  const nodes = graph.nodes.map((node) =>
    fates.get(node)?.kind === "dynamic" ? ({ ...node, attrs: { ...node.attrs, dynamic: true } } as Node) : node,
  );
  return { graph: { ...graph, tensors, nodes }, layers: changed, skipped, promises, notes };
}

/** Weights have one form, so what stands against one of their readers stands against all. */
function fatesOf(graph: Graph, layers: readonly Layer[], step: Int8DynamicStep): ReadonlyMap<Node, Fate> {
  const own = new Map<Node, Fate>(layers.map((layer) => [layer.node, ownFate(graph, layer, step)]));
  const consumers = consumersOf(graph);
  return new Map(
    layers.map(({ node, weight }): readonly [Node, Fate] => {
      const fate = own.get(node)!;
      const others = consumers.get(weight.name)!.filter((reader) => reader !== node);
      const shared = (kind: Fate["kind"]): Node | undefined => others.find((reader) => (own.get(reader)?.kind ?? "skipped") === kind);
      if (fate.kind === "skipped") return [node, fate];
      const [float, coded] = [shared("skipped"), shared("weights")];
      if (float !== undefined) return [node, { kind: "skipped", why: `shares its weights with ${float.name}, which keeps them` }];
      if (coded === undefined || fate.kind === "weights") return [node, fate];
      return [node, { kind: "weights", why: `shares its weights with ${coded.name}` }];
    }),
  );
}

function ownFate(graph: Graph, layer: Layer, step: Int8DynamicStep): Fate {
  const why = reasonAgainstDynamic(graph, layer);
  const against = reasonAgainstCodes(layer, step);
  // Shared values are an obstacle to a code of their own only: as codes on a grid they stay as few.
  if (against !== undefined && (why !== undefined || layer.weight.code?.kind !== "codebook" || leftOutNode(layer.node, step) !== undefined))
    return { kind: "skipped", why: against };
  return why === undefined ? { kind: "dynamic" } : { kind: "weights", why };
}

/** Why a layer cannot quantize its input when it runs; undefined when it can. */
function reasonAgainstDynamic(graph: Graph, { node, weight, bias }: Layer): string | undefined {
  if (node.op !== "Conv2D" && node.op !== "Dense") return `${node.op} has few products for each input, or no dynamic form`;
  if (requireInput(graph, node, 0).dtype !== "float32" || outputTensor(graph, node).dtype !== "float32")
    return "its tensors are not float32";
  if (bias !== undefined && !(bias.data instanceof Float32Array)) return "its bias is not a float32 constant";
  if (node.op === "Conv2D" && node.attrs.groups > 1 && weight.shape[3]! % 4 !== 0)
    return `groups of ${weight.shape[3]!} channels, expected multiples of 4`;
  const products = elementCount(weight.shape.slice(1));
  return products > MOST_PRODUCTS ? `sums of ${products} products, expected at most ${MOST_PRODUCTS}, which fit int32` : undefined;
}
