/** Which ops have an integer form here, and which of their inputs are activations on a grid. */
import { inputTensor, isConstant, outputTensor } from "../../graph/access.ts";
import { elementCount } from "../../graph/dtype.ts";
import { MOST_INT16_CLASSES, MOST_INT16_PRODUCTS, MOST_INT16_TERMS } from "../../graph/int16.ts";
import type { Graph, Node } from "../../graph/ir.ts";
import { sharesInput } from "./grid.ts";
import { INT8_FORM } from "./params.ts";
import type { ActivationForm } from "./params.ts";

/** Why a node cannot run on integers; undefined when it can. Takes a graph whose fused hardswish is split off. */
export function reasonForFloat(graph: Graph, node: Node, { dtype }: ActivationForm = INT8_FORM): string | undefined {
  const x = inputTensor(graph, node, 0);
  if (x?.dtype !== "float32" || outputTensor(graph, node).dtype !== "float32") return "its tensors are not float32";
  switch (node.op) {
    case "Conv2D":
    case "DepthwiseConv2D":
    case "Dense": {
      const [w, bias] = [inputTensor(graph, node, 1), inputTensor(graph, node, 2)];
      if (w === undefined || !isConstant(w) || w.dtype !== "float32") return "its weights are not a float32 constant";
      if (bias !== undefined && (!isConstant(bias) || bias.dtype !== "float32")) return "its bias is not a float32 constant";
      if (dtype === "int8") return undefined;
      const products = elementCount(w.shape) / (node.op === "DepthwiseConv2D" ? w.shape[3]! : w.shape[0]!);
      return products > MOST_INT16_PRODUCTS ? `sums of ${products} products, expected at most ${MOST_INT16_PRODUCTS}` : undefined;
    }
    case "Binary":
      return ["add", "sub", "mul"].includes(node.attrs.fn) ? undefined : `${node.attrs.fn} has no integer form`;
    case "Reduce": {
      if (node.attrs.fn !== "mean") return `${node.attrs.fn} has no integer form`;
      const count = node.attrs.axes.reduce((n, axis) => n * x.shape[axis]!, 1);
      return dtype === "int16" && count > MOST_INT16_TERMS ? `a mean of ${count} values, expected at most ${MOST_INT16_TERMS}` : undefined;
    }
    case "MaxPool2D":
    case "AveragePool2D": {
      const count = node.attrs.kernel[0] * node.attrs.kernel[1];
      return dtype === "int16" && count > MOST_INT16_TERMS
        ? `a window of ${count} values, expected at most ${MOST_INT16_TERMS}`
        : undefined;
    }
    case "Softmax": {
      const most = dtype === "int8" ? 4096 : MOST_INT16_CLASSES;
      return (x.shape[node.attrs.axis] ?? 0) <= most ? undefined : `more than ${most} classes`;
    }
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
