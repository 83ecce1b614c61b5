/** Which ops have an integer form here, and which of their inputs are activations on a grid. */
import { inputTensor, isConstant, outputTensor } from "../../graph/access.ts";
import type { Graph, Node } from "../../graph/ir.ts";
import { sharesInput } from "./grid.ts";

/** Why a node cannot run on integers; undefined when it can. Takes a graph whose fused hardswish is split off. */
export function reasonForFloat(graph: Graph, node: Node): string | undefined {
  const x = inputTensor(graph, node, 0);
  if (x?.dtype !== "float32" || outputTensor(graph, node).dtype !== "float32") return "its tensors are not float32";
  switch (node.op) {
    case "Conv2D":
    case "DepthwiseConv2D":
    case "Dense": {
      const [w, bias] = [inputTensor(graph, node, 1), inputTensor(graph, node, 2)];
      if (w === undefined || !isConstant(w) || w.dtype !== "float32") return "its weights are not a float32 constant";
      if (bias !== undefined && (!isConstant(bias) || bias.dtype !== "float32")) return "its bias is not a float32 constant";
      return undefined;
    }
    case "Binary":
      return ["add", "sub", "mul"].includes(node.attrs.fn) ? undefined : `${node.attrs.fn} has no integer form`;
    case "Reduce":
      return node.attrs.fn === "mean" ? undefined : `${node.attrs.fn} has no integer form`;
    case "Softmax":
      return (x.shape[node.attrs.axis] ?? 0) <= 4096 ? undefined : "more than 4096 classes";
    case "Pad":
      return node.attrs.mode === "constant" && node.attrs.value !== 0 ? `pads with ${node.attrs.value}, expected 0` : undefined;
    case "Gather":
      return isConstant(x) ? "looks up a constant table" : undefined;
    case "Unary":
    case "Concat":
      return undefined;
    default:
      return sharesInput(node) ? undefined : `${node.op}${node.op === "Resize" ? ` (${node.attrs.mode})` : ""} has no integer form`;
  }
}

/** Ops that only move values: integers when their input already is, since a detour over int8 would only cost accuracy. */
export function followsInput(node: Node): boolean {
  return node.op === "Concat" || (sharesInput(node) && node.op !== "MaxPool2D" && node.op !== "AveragePool2D");
}

/** Positions of the inputs that are activations; the others are weights, biases and indices. */
export function activationInputs(node: Node): readonly number[] {
  switch (node.op) {
    case "Binary":
    case "Concat":
      return node.inputs.map((_, i) => i);
    default:
      return [0];
  }
}
