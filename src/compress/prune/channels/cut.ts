/** Takes index classes out of a graph: every tensor loses those of its indices, attributes that count channels follow. */
import { requireInput } from "../../../graph/access.ts";
import { withoutCode } from "../../../graph/code.ts";
import { createArray, elementCount } from "../../../graph/dtype.ts";
import type { DType, TypedArray } from "../../../graph/dtype.ts";
import type { Graph, Node, Quantization, Tensor } from "../../../graph/ir.ts";
import type { ClassId, IndexClasses } from "./classes.ts";

export interface CutGraph {
  readonly graph: Graph;
  /** For each constant that lost elements: where the ones that are left stood before. */
  readonly survivors: ReadonlyMap<string, Int32Array>;
}

/** @param removed representatives as `classes.of` gives them, none of them fixed */
export function cutClasses(graph: Graph, classes: IndexClasses, removed: ReadonlySet<ClassId>): CutGraph {
  const tensors = new Map<string, Tensor>();
  const survivors = new Map<string, Int32Array>();
  for (const tensor of graph.tensors.values()) {
    const kept = tensor.shape.map((size, axis) => {
      const all = Array.from({ length: size }, (_, i) => i);
      return all.filter((i) => !removed.has(classes.of(tensor.name, axis, i)));
    });
    const shape = kept.map((indices) => indices.length);
    if (shape.every((size, axis) => size === tensor.shape[axis])) {
      tensors.set(tensor.name, tensor);
      continue;
    }
    const { data, quant } = tensor;
    const positions = data === undefined ? undefined : positionsOf(tensor.shape, kept);
    if (positions !== undefined) survivors.set(tensor.name, positions);
    tensors.set(tensor.name, {
      ...withoutCode(tensor),
      shape,
      ...(data && positions && { data: take(data, positions, tensor.dtype) }),
      ...(quant && { quant: cutQuant(quant, kept) }),
      // Blocks and groups of consecutive channels fall apart; their zeros stay.
      ...(tensor.sparsity && { sparsity: { pattern: "unstructured" } }),
    });
  }
  return { graph: { ...graph, tensors, nodes: graph.nodes.map((node) => cutNode(graph, node, classes, removed)) }, survivors };
}

function positionsOf(shape: readonly number[], kept: readonly (readonly number[])[]): Int32Array {
  const positions = new Int32Array(elementCount(kept.map((indices) => indices.length)));
  let at = 0;
  const visit = (axis: number, offset: number): void => {
    if (axis === shape.length) positions[at++] = offset;
    else for (const index of kept[axis]!) visit(axis + 1, offset * shape[axis]! + index);
  };
  visit(0, 0);
  return positions;
}

function take(data: TypedArray, positions: Int32Array, dtype: DType): TypedArray {
  const taken = createArray(dtype, positions.length);
  for (let i = 0; i < positions.length; i++) taken[i] = data[positions[i]!]!;
  return taken;
}

function cutQuant(quant: Quantization, kept: readonly (readonly number[])[]): Quantization {
  if (quant.axis === undefined) return quant;
  const indices = kept[quant.axis]!;
  return {
    ...quant,
    scales: Float32Array.from(indices, (i) => quant.scales[i]!),
    zeroPoints: Int32Array.from(indices, (i) => quant.zeroPoints[i]!),
  };
}

function cutNode(graph: Graph, node: Node, classes: IndexClasses, removed: ReadonlySet<ClassId>): Node {
  switch (node.op) {
    case "Slice": {
      const x = requireInput(graph, node, 0);
      const starts = node.attrs.starts.map((start, axis) => {
        let kept = 0;
        for (let i = 0; i < start; i++) if (!removed.has(classes.of(x.name, axis, i))) kept++;
        return kept;
      });
      return { ...node, attrs: { ...node.attrs, starts } };
    }
    case "DepthwiseConv2D": {
      const { name, shape } = requireInput(graph, node, 0);
      let groups = 0;
      for (let i = 0; i < shape[3]!; i++) if (!removed.has(classes.of(name, 3, i))) groups++;
      return { ...node, attrs: { ...node.attrs, groups } };
    }
    default:
      return node;
  }
}
