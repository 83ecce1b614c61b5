/**
 * Which int8 or int16 grid each activation gets, by TFLite's specification: softmax, sigmoid and tanh have pinned ones; ops that only move or
 * select values share their input's; everything else has the grid of its own calibrated range. A Concat joins the ranges of its
 * inputs, except pinned ones, which it requantizes.
 */
import { UsageError } from "../../errors.ts";
import { isConstant, tensorOf } from "../../graph/access.ts";
import { INT16_UNIT_SCALE } from "../../graph/int16.ts";
import type { Graph, Node, Quantization } from "../../graph/ir.ts";
import { isGrid } from "./overrides.ts";
import type { GridParams } from "./overrides.ts";
import { INT8_FORM, activationParams, perTensorQuant, sameQuant } from "./params.ts";
import type { ActivationForm, Range, RangeRule } from "./params.ts";

const PINNED_UNIT = { scale: 1 / 256, zeroPoint: -128 };
const PINNED_SIGNED = { scale: 1 / 128, zeroPoint: 0 };
const PINNED_INT16 = { scale: INT16_UNIT_SCALE, zeroPoint: 0 };

export function pinnedParams(
  node: Node,
  { dtype }: ActivationForm = INT8_FORM,
): { readonly scale: number; readonly zeroPoint: number } | undefined {
  if (dtype === "int16") {
    const isUnit = node.op === "Softmax" || (node.op === "Unary" && (node.attrs.fn === "sigmoid" || node.attrs.fn === "tanh"));
    return isUnit ? PINNED_INT16 : undefined;
  }
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
 * @param rule how a range becomes a grid
 * @param overrides grids or ranges of tensors; those that share a grid with them follow
 * @param step text of the recipe step, for messages
 * @returns quantization of each calibrated tensor
 * @throws UsageError where an override cannot be followed
 */
export function chooseGrids(
  graph: Graph,
  ranges: ReadonlyMap<string, Range>,
  integerNodes: ReadonlySet<Node>,
  rule: RangeRule,
  overrides: ReadonlyMap<string, Range | GridParams>,
  step: string,
  form: ActivationForm = INT8_FORM,
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
    const pin = pinnedParams(node, form);
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
  const ofRoot = settled(overrides, rule, rootOf, pinned, step, form);
  for (const name of ranges.keys()) {
    const root = rootOf(name);
    let quant = ofRoot.get(root);
    if (quant === undefined) ofRoot.set(root, (quant = perTensorQuant(pinned.get(root) ?? activationParams(joint.get(root)!, rule, form))));
    grids.set(name, quant);
  }
  return grids;
}

/** Grids that the recipe sets, by the root of those who share them. */
function settled(
  overrides: ReadonlyMap<string, Range | GridParams>,
  rule: RangeRule,
  rootOf: (name: string) => string,
  pinned: ReadonlyMap<string, GridParams>,
  step: string,
  form: ActivationForm,
): Map<string, Quantization> {
  const [lowest, highest] = form.dtype === "int8" ? form.codes : [0, 0];
  const ofRoot = new Map<string, { readonly name: string; readonly quant: Quantization }>();
  for (const [name, set] of overrides) {
    const root = rootOf(name);
    if (pinned.has(root))
      throw new UsageError(
        `recipe step ${step}: the grid of "${name}" is that of a softmax, sigmoid or tanh, which is fixed. Leave it out`,
      );
    if (isGrid(set) && (set.zeroPoint < lowest || set.zeroPoint > highest))
      throw new UsageError(
        `recipe step ${step}: the zero point of "${name}": got ${set.zeroPoint}, expected ${lowest === highest ? lowest : `${lowest}..${highest}`}`,
      );
    const quant = perTensorQuant(isGrid(set) ? set : activationParams(set, rule, form));
    const other = ofRoot.get(root);
    if (other !== undefined && !sameQuant(other.quant, quant))
      throw new UsageError(`recipe step ${step}: "${other.name}" and "${name}" share a grid, but two are set. Set one of them`);
    ofRoot.set(root, { name, quant });
  }
  return new Map([...ofRoot].map(([root, { quant }]) => [root, quant]));
}
