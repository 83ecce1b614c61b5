/**
 * Turns Dequantize → float op → Quantize into the integer op on the quantized tensors, which is what such a model means: its float ops
 * only carry the structure. A node whose operands or result are not quantized, or that has no integer arithmetic, stays in float.
 */
import { elementCount } from "../dtype.ts";
import { INT16_UNIT_SCALE, MOST_INT16_CLASSES, MOST_INT16_PRODUCTS, MOST_INT16_TERMS } from "../int16.ts";
import type { Graph, Node, NodeWith, Tensor } from "../ir.ts";
import { GraphEdit, makeNode } from "./edit.ts";
import { biasScales, integerBias, symmetricWeights } from "./integer-weights.ts";
import { isByte, isIntegerActivation, sameGrid, type QuantizedTensor } from "./quant.ts";
import { activationOf, channelAxis, isWeighted, type WeightedNode } from "./values.ts";

export function fuseQdq(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (node.op === "Dequantize") return;
    if (node.op === "Quantize") requantize(edit, node);
    else fuse(edit, node);
  });
  return edit.finish();
}

/** Quantize(Dequantize(x)) onto another grid needs no float in between. */
function requantize(edit: GraphEdit, node: NodeWith<"Quantize">): void {
  const x = quantizedSource(edit, node.inputs[0]!);
  const y = edit.output(node);
  if (x?.data === undefined && x !== undefined && isIntegerActivation(y)) {
    edit.replace(node, makeNode("Requantize", node.name, [x.name], y.name, {}));
  }
}

/** The integer tensor that a Dequantize turns into this float tensor. */
function quantizedSource(edit: GraphEdit, name: string): QuantizedTensor | undefined {
  const producer = edit.producer(name);
  if (producer?.op !== "Dequantize") return undefined;
  const x = edit.input(producer, 0);
  return isIntegerActivation(x) ? x : undefined;
}

/** The Quantize that alone reads the node's result. */
function quantizedResult(edit: GraphEdit, node: Node): { readonly quantize: Node; readonly output: QuantizedTensor } | undefined {
  const quantize = edit.soleConsumer(node.outputs[0]!);
  if (quantize?.op !== "Quantize") return undefined;
  const output = edit.output(quantize);
  return isIntegerActivation(output) ? { quantize, output } : undefined;
}

function fuse(edit: GraphEdit, node: Node): void {
  const result = quantizedResult(edit, node);
  if (result === undefined || activationOf(node)?.kind === "hardswish") return;
  const { quantize, output } = result;
  if (isWeighted(node)) {
    const inputs = weightedInputs(edit, node, output);
    if (inputs !== undefined) put(edit, node, quantize, { ...node, inputs, outputs: [output.name] });
    return;
  }
  const sources = dataInputs(node).map((i) => quantizedSource(edit, node.inputs[i]!));
  const [x] = sources;
  if (x === undefined || sources.includes(undefined)) return;
  // An op is of 8 bits or of 16.
  if (sources.some((source) => isByte(source!) !== isByte(output))) return;
  const kind = integerForm(node, sources as readonly QuantizedTensor[], output);
  if (kind === "none") return;
  const inputs = [...sources.map((source) => source!.name), ...node.inputs.slice(sources.length)];
  if (kind === "compute" || sameGrid(x, output)) {
    put(edit, node, quantize, { ...node, inputs, outputs: [output.name] });
    return;
  }
  // Moves bytes on the input's grid, then changes the grid.
  const moved = edit.define(`${output.name}__moved`, x.dtype, output.shape, { quant: x.quant });
  const requantized = makeNode("Requantize", edit.uniqueNode(`${node.name}__requantize`), [moved], output.name, {});
  put(edit, node, quantize, { ...node, inputs, outputs: [moved] }, requantized);
}

/** The replacements stand where the float node stood: all quantized inputs are ready there. */
function put(edit: GraphEdit, node: Node, quantize: Node, ...replacements: readonly Node[]): void {
  edit.remove(quantize);
  edit.replace(node, ...replacements);
}

/** Indices of the inputs that carry data (not indices, not absent). */
function dataInputs(node: Node): readonly number[] {
  if (node.op === "Binary") return [0, 1];
  if (node.op === "Concat") return node.inputs.map((_, i) => i);
  return [0];
}

/**
 * "compute": the op has integer arithmetic that also changes the grid; "move": it moves elements, on one grid; "none": it has no
 * integer form.
 */
function integerForm(node: Node, inputs: readonly QuantizedTensor[], output: QuantizedTensor): "compute" | "move" | "none" {
  switch (node.op) {
    case "Reshape":
    case "Transpose":
    case "Slice":
    case "Gather":
    case "Expand":
      return "move";
    case "Pad":
      return node.attrs.mode !== "constant" || node.attrs.value === 0 ? "move" : "none";
    case "Resize":
      return node.attrs.mode === "nearest" ? "move" : "none";
    case "MaxPool2D":
      return sameGrid(inputs[0]!, output) ? "compute" : node.attrs.activation === undefined ? "move" : "none";
    case "AveragePool2D":
    case "Concat":
      return "compute";
    case "Reduce":
      return node.attrs.fn === "mean" && (isByte(output) || elementCount(inputs[0]!.shape) / elementCount(output.shape) <= MOST_INT16_TERMS)
        ? "compute"
        : "none";
    case "Binary":
      return hasIntegerArithmetic(node, inputs, output) ? "compute" : "none";
    case "Unary":
      // The others have no real value for some inputs, which no table entry stands for.
      return ["sqrt", "log", "reciprocal"].includes(node.attrs.fn) ? "none" : "compute";
    case "Softmax":
      return isPinned(output) && (isByte(output) || inputs[0]!.shape[node.attrs.axis]! <= MOST_INT16_CLASSES) ? "compute" : "none";
    default:
      return "none";
  }
}

/** Additions keep 20 bits of each multiplier, enough while the larger scale ratio is from 2^-10 to 2^8. */
function hasIntegerArithmetic(node: NodeWith<"Binary">, inputs: readonly QuantizedTensor[], output: QuantizedTensor): boolean {
  const { fn } = node.attrs;
  if (fn === "mul") return true;
  if (fn !== "add" && fn !== "sub") return false;
  const largest = Math.max(...inputs.map((x) => Math.fround(x.quant.scales[0]! / output.quant.scales[0]!)));
  return largest >= 2 ** -10 && largest < 2 ** 8;
}

/** Softmax's integer result is in 256 steps from 0 to 1, or in 2^15. */
function isPinned(output: Tensor): boolean {
  if (output.dtype === "int16") return output.quant?.scales[0] === INT16_UNIT_SCALE;
  return output.quant?.scales[0] === 1 / 256 && output.quant.zeroPoints[0] === (output.dtype === "int8" ? -128 : 0);
}

function weightedInputs(edit: GraphEdit, node: WeightedNode, output: Tensor): readonly string[] | undefined {
  if (node.op === "ConvTranspose2D") return undefined;
  const x = quantizedSource(edit, node.inputs[0]!);
  const dequantize = edit.producer(node.inputs[1]!);
  if (x === undefined || dequantize?.op !== "Dequantize" || isByte(x) !== isByte(output)) return undefined;
  const { shape } = edit.tensor(node.inputs[1]!);
  const products = elementCount(shape) / shape[channelAxis(node.op)]!;
  if (!isByte(x) && products > MOST_INT16_PRODUCTS) return undefined;
  const weights = symmetricWeights(edit, node.op, edit.input(dequantize, 0));
  if (weights === undefined) return undefined;
  const bias = node.inputs[2] ?? "";
  if (bias === "") return [x.name, weights, ""];
  const channels = edit.output(node).shape.at(-1)!;
  const integer = integerBias(edit, bias, biasScales(x.quant, edit.tensor(weights).quant!, channels), !isByte(x));
  return integer === undefined ? undefined : [x.name, weights, integer];
}
