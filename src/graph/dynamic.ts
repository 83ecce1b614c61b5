/** Layers that quantize their float32 input when they run: what they are, and what is wrong with one. */
import { inputTensor, outputTensor, requireInput } from "./access.ts";
import { elementCount } from "./dtype.ts";
import type { Constant, Graph, Node, NodeWith, Quantization, Tensor } from "./ir.ts";

export type DynamicNode = (NodeWith<"Conv2D"> | NodeWith<"Dense">) & { readonly attrs: { readonly dynamic: true } };

/** Sums stay in int32: 2^31 / (255 × 128) products. */
export const MOST_PRODUCTS = Math.floor(2 ** 31 / (255 * 128));

export function isDynamic(node: Node): node is DynamicNode {
  return (node.op === "Conv2D" || node.op === "Dense") && node.attrs.dynamic === true;
}

/** Tensors of a dynamic layer, as validation found them. */
export interface DynamicLayer {
  readonly x: Tensor;
  readonly w: Constant & { readonly data: Int8Array; readonly quant: Quantization };
  /** One weight scale for each output channel. */
  readonly scales: Float32Array;
  /** One for each output channel, zeros where the layer has none. */
  readonly bias: Float32Array;
  readonly hasBias: boolean;
  readonly out: Tensor;
}

export function dynamicLayer(graph: Graph, node: DynamicNode): DynamicLayer {
  const w = requireInput(graph, node, 1) as DynamicLayer["w"];
  const channels = w.shape[0]!;
  const bias = inputTensor(graph, node, 2);
  const { scales } = w.quant;
  return {
    x: requireInput(graph, node, 0),
    w,
    scales: scales.length === channels ? scales : new Float32Array(channels).fill(scales[0]!),
    bias: (bias?.data as Float32Array | undefined) ?? new Float32Array(channels),
    hasBias: bias !== undefined,
    out: outputTensor(graph, node),
  };
}

/** What is wrong with a layer marked dynamic, as the end of a sentence; undefined when it is sound, or no such layer. */
export function dynamicFault(graph: Graph, node: Node): string | undefined {
  if (!isDynamic(node)) return undefined;
  const [x, w, bias] = [requireInput(graph, node, 0), requireInput(graph, node, 1), inputTensor(graph, node, 2)];
  const out = outputTensor(graph, node);
  if (x.dtype !== "float32" || out.dtype !== "float32")
    return `quantizes its input, got ${x.dtype} → ${out.dtype}, expected float32 → float32`;
  if (!(w.data instanceof Int8Array) || w.quant === undefined)
    return `quantizes its input, but its weights are no int8 constant with a scale`;
  if (w.quant.axis !== undefined && w.quant.axis !== 0) return `has weight scales along axis ${w.quant.axis}, expected 0`;
  if (w.quant.zeroPoints.some((z) => z !== 0)) return "quantizes its input, but its weights have a zero point, expected 0";
  if (bias !== undefined && !(bias.data instanceof Float32Array)) return `has a bias that is no float32 constant`;
  const products = elementCount(w.shape.slice(1));
  return products > MOST_PRODUCTS ? `adds ${products} products, expected at most ${MOST_PRODUCTS}, which fit int32` : undefined;
}
