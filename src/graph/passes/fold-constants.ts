/**
 * Computes nodes whose inputs are all constant. What would grow the model is left alone, and so are dequantized weights: an 8-bit
 * weight under a float op stays 8 bits in the graph, and the engine widens it when it compiles.
 */
import { elementCount } from "../dtype.ts";
import type { ConstantEvaluator, Graph, Node, Tensor } from "../ir.ts";
import { GraphEdit } from "./edit.ts";
import { isByte } from "./quant.ts";

/** A folded result may have this many elements even when its inputs have fewer. */
const SMALL_ELEMENTS = 65536;

/**
 * @param keepDequantize "all" while pairs of Quantize and Dequantize still wait for fusion, "weights" afterwards, "none" to widen weights
 */
export function foldConstants(graph: Graph, evaluate: ConstantEvaluator, keepDequantize: "all" | "weights" | "none" = "weights"): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    const inputs = node.inputs.filter((name) => name !== "").map((name) => edit.tensor(name));
    if (inputs.length === 0 || inputs.some((tensor) => tensor.data === undefined)) return;
    const output = edit.output(node);
    if (edit.isGraphOutput(output.name)) return;
    const inputElements = inputs.reduce((n, tensor) => n + elementCount(tensor.shape), 0);
    if (elementCount(output.shape) > Math.max(SMALL_ELEMENTS, inputElements)) return;
    if (node.op === "Dequantize" && keepDequantize !== "none") {
      if (keepDequantize === "all" || (isByte(inputs[0]!) && isWeight(edit, output.name))) return;
    }
    const tensors = new Map<string, Tensor>([...inputs, output].map((tensor) => [tensor.name, tensor]));
    const data = evaluate(node, tensors)[0];
    if (data === undefined) return;
    edit.remove(node);
    edit.setTensor({ ...output, data });
  });
  return edit.finish();
}

/** Widens 8-bit weights under float ops to float32: what an engine without such kernels does before it compiles. */
export function widenWeights(graph: Graph, evaluate: ConstantEvaluator): Graph {
  return foldConstants(graph, evaluate, "none");
}

/** Whether some reader takes the tensor as its weights. */
function isWeight(edit: GraphEdit, name: string): boolean {
  return edit.consumers(name).some((reader) => weightInput(reader) !== undefined && reader.inputs[weightInput(reader)!] === name);
}

/** Index of the input that holds a node's weights. */
function weightInput(node: Node): number | undefined {
  switch (node.op) {
    case "Conv2D":
    case "DepthwiseConv2D":
    case "ConvTranspose2D":
    case "Dense":
    case "MatMul":
      return 1;
    case "Gather":
      return 0;
    default:
      return undefined;
  }
}
