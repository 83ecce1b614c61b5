/**
 * Fuses relu, relu6, clip (as a clamp) and, for float convolutions, dense layers and additions, hard-swish into the node before them.
 * On integer tensors only where both share one grid and the bound falls clearly on one integer, so that results stay identical.
 */
import { isFloat } from "../dtype.ts";
import type { Activation, Graph, Node, NodeWith, Tensor } from "../ir.ts";
import { GraphEdit } from "./edit.ts";
import { isIntegerActivation, sameGrid } from "./quant.ts";
import { activationOf, withActivation } from "./values.ts";

export function fuseActivations(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (node.op !== "Unary") return;
    const activation = activationFrom(node);
    const source = edit.producer(node.inputs[0]!);
    if (activation === undefined || source === undefined || edit.soleConsumer(source.outputs[0]!)?.name !== node.name) return;
    const fused = combine(edit, source, activation, edit.output(node));
    if (fused === undefined) return;
    edit.remove(source);
    edit.replace(node, { ...withActivation(source, fused), outputs: node.outputs });
  });
  return edit.finish();
}

function activationFrom(node: NodeWith<"Unary">): Activation | undefined {
  switch (node.attrs.fn) {
    case "relu":
      return { kind: "clamp", min: 0, max: Infinity };
    case "clip": {
      const [min, max] = [node.attrs.min ?? -Infinity, node.attrs.max ?? Infinity];
      return min <= max ? { kind: "clamp", min, max } : undefined;
    }
    case "hardswish":
      return { kind: "hardswish" };
    default:
      return undefined;
  }
}

/** What the source carries after taking the activation over; undefined when it cannot. */
function combine(edit: GraphEdit, source: Node, activation: Activation, result: Tensor): Activation | undefined {
  const before = activationOf(source);
  const own = edit.output(source);
  if (activation.kind === "hardswish") return takesHardSwish(source) && before === undefined && isFloat(own.dtype) ? activation : undefined;
  if (!takesClamp(source) || before?.kind === "hardswish") return undefined;
  if (!isFloat(own.dtype)) {
    if (!isIntegerActivation(own) || !sameGrid(own, result)) return undefined;
    if (!unambiguous(activation.min, own) || !unambiguous(activation.max, own)) return undefined;
  }
  if (before === undefined) return activation;
  // clamp(clamp(x)) clamps to the outer bounds of the inner ones.
  const clamp = (v: number): number => Math.min(Math.max(v, activation.min), activation.max);
  return { kind: "clamp", min: clamp(before.min), max: clamp(before.max) };
}

function takesHardSwish(node: Node): boolean {
  return node.op === "Conv2D" || node.op === "DepthwiseConv2D" || node.op === "Dense" || (node.op === "Binary" && node.attrs.fn === "add");
}

function takesClamp(node: Node): boolean {
  switch (node.op) {
    case "Conv2D":
    case "DepthwiseConv2D":
    case "ConvTranspose2D":
    case "Dense":
    case "Binary":
    case "MaxPool2D":
    case "AveragePool2D":
      return true;
    default:
      return false;
  }
}

/** The bound is infinite or not near the middle between two integers of the grid, where two ways of rounding could differ. */
function unambiguous(bound: number, tensor: Tensor): boolean {
  if (!Number.isFinite(bound)) return true;
  const steps = bound / tensor.quant!.scales[0]!;
  return Math.abs(steps - Math.floor(steps) - 0.5) > 1e-3;
}
