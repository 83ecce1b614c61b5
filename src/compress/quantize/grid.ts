/**
 * Which int8 grid each activation gets, by TFLite's specification: softmax, sigmoid and tanh have pinned ones; ops that only move or
 * select values share their input's; everything else has the grid of its own calibrated range. A Concat joins the ranges of its
 * inputs, except pinned ones, which it requantizes.
 */
import { isConstant, tensorOf } from "../../graph/access.ts";
import type { Graph, Node, Quantization } from "../../graph/ir.ts";
import { asymmetricParams, perTensorQuant } from "./params.ts";
import type { Range } from "./params.ts";

const PINNED_UNIT = { scale: 1 / 256, zeroPoint: -128 };
const PINNED_SIGNED = { scale: 1 / 128, zeroPoint: 0 };

export function pinnedParams(node: Node): { readonly scale: number; readonly zeroPoint: number } | undefined {
  if (node.op === "Softmax") return PINNED_UNIT;
  if (node.op !== "Unary") return undefined;
  if (node.attrs.fn === "sigmoid") return PINNED_UNIT;
  return node.attrs.fn === "tanh" ? PINNED_SIGNED : undefined;
}

/** Ops whose output has the values of their first input, moved, selected or averaged: they keep its grid. */
export function sharesInput(node: Node): boolean {
  switch (node.op) {
    case "MaxPool2D":
    case "AveragePool2D":
    case "Reshape":
    case "Transpose":
    case "Slice":
    case "Gather":
    case "Pad":
      return true;
    case "Resize":
      return node.attrs.mode === "nearest";
    default:
      return false;
  }
}

/**
 * @param integerNodes the nodes that will run on integers; only they pass grids on
 * @returns quantization of each calibrated tensor
 */
export function chooseGrids(
  graph: Graph,
  ranges: ReadonlyMap<string, Range>,
  integerNodes: ReadonlySet<Node>,
): ReadonlyMap<string, Quantization> {
  const parents = new Map<string, string>();
  const rootOf = (name: string): string => {
    const parent = parents.get(name);
    return parent === undefined ? name : rootOf(parent);
  };
  const join = (a: string, b: string): void => {
    const [ra, rb] = [rootOf(a), rootOf(b)];
    if (ra !== rb) parents.set(rb, ra);
  };

  const pinned = new Map<string, { readonly scale: number; readonly zeroPoint: number }>();
  for (const node of graph.nodes) {
    if (!integerNodes.has(node)) continue;
    const pin = pinnedParams(node);
    if (pin !== undefined) pinned.set(node.outputs[0]!, pin);
    if (sharesInput(node)) join(node.inputs[0]!, node.outputs[0]!);
  }
  // Roots of pinned tensors are the tensors themselves: nothing shares into them, only out of them.
  for (const node of graph.nodes) {
    if (node.op !== "Concat" || !integerNodes.has(node)) continue;
    for (const input of node.inputs) {
      if (!isConstant(tensorOf(graph, input)) && !pinned.has(rootOf(input))) join(node.outputs[0]!, input);
    }
  }

  const joint = new Map<string, { min: number; max: number }>();
  for (const [name, { min, max }] of ranges) {
    const range = joint.get(rootOf(name));
    if (range === undefined) joint.set(rootOf(name), { min, max });
    else {
      range.min = Math.min(range.min, min);
      range.max = Math.max(range.max, max);
    }
  }
  const grids = new Map<string, Quantization>();
  const ofRoot = new Map<string, Quantization>();
  for (const name of ranges.keys()) {
    const root = rootOf(name);
    let quant = ofRoot.get(root);
    if (quant === undefined) ofRoot.set(root, (quant = perTensorQuant(pinned.get(root) ?? asymmetricParams(joint.get(root)!))));
    grids.set(name, quant);
  }
  return grids;
}
