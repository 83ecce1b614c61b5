/**
 * Residual connections that the layer before them adds to its sums: `y = act(x + conv(…))` is one kernel, and what the layer alone would
 * give is never stored. A Binary qualifies when it adds two float32 tensors of its own shape and one of them is a layer with constant
 * weights and without activation that nothing else reads. That layer must come behind whatever gives the other tensor.
 */
import { consumersOf, inputTensor, isConstant, producersOf, tensorOf } from "../graph/access.ts";
import { elementCount } from "../graph/dtype.ts";
import { isDynamic } from "../graph/dynamic.ts";
import type { Activation, Graph, Node, NodeWith, Tensor } from "../graph/ir.ts";

export interface Residual {
  /** The layer that adds. */
  readonly layer: string;
  /** What it adds. */
  readonly other: Tensor;
  readonly activation: Activation | undefined;
  /** Of the addition, which the layer writes. */
  readonly out: Tensor;
}

/** By name of the addition. */
export type Residuals = ReadonlyMap<string, Residual>;

export const NO_RESIDUALS: Residuals = new Map();

/** The same by name of the layer. */
export function byLayer(residuals: Residuals): ReadonlyMap<string, Residual> {
  return new Map([...residuals.values()].map((residual) => [residual.layer, residual]));
}

export function findResiduals(graph: Graph): Residuals {
  const found = new Map<string, Residual>();
  const producers = producersOf(graph);
  const consumers = consumersOf(graph);
  const order = new Map(graph.nodes.map((node, i) => [node, i]));
  const placeOf = (name: string): number => {
    const producer = producers.get(name);
    return producer === undefined ? -1 : order.get(producer)!;
  };
  for (const node of graph.nodes) {
    if (node.op !== "Binary" || node.attrs.fn !== "add") continue;
    const [a, b] = node.inputs as readonly [string, string];
    const [early, late] = placeOf(a) < placeOf(b) ? [a, b] : [b, a];
    const layer = producers.get(late);
    if (a === b || layer === undefined || !isPlainLayer(graph, layer)) continue;
    if (consumers.get(late)?.length !== 1 || graph.outputs.includes(late)) continue;
    const [out, sum, other] = [node.outputs[0]!, late, early].map((name) => tensorOf(graph, name)) as [Tensor, Tensor, Tensor];
    if (![out, sum, other].every((tensor) => tensor.dtype === "float32" && hasShape(tensor, out)) || isConstant(other)) continue;
    found.set(node.name, { layer: layer.name, other, activation: node.attrs.activation, out });
  }
  return found;
}

function isPlainLayer(graph: Graph, node: Node): node is NodeWith<"Conv2D"> | NodeWith<"Dense"> {
  if ((node.op !== "Conv2D" && node.op !== "Dense") || isDynamic(node) || node.attrs.activation !== undefined) return false;
  // Cropping convolutions and empty tensors have kernels of their own.
  if (node.op === "Conv2D" && node.attrs.pads.some((pad) => pad < 0)) return false;
  const [x, ...constants] = [0, 1, 2].map((i) => inputTensor(graph, node, i));
  if ([x, constants[0]].some((tensor) => tensor === undefined || elementCount(tensor.shape) === 0)) return false;
  return x?.dtype === "float32" && constants.every((tensor) => tensor === undefined || isConstant(tensor));
}

function hasShape(tensor: Tensor, { shape }: Tensor): boolean {
  return tensor.shape.length === shape.length && tensor.shape.every((size, d) => size === shape[d]);
}
