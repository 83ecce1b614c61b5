/**
 * Leaves one integer form for engines: activations int8, weights int8 with zero point 0. Unsigned tensors move to the signed grid by
 * subtracting 128 from values and zero point, which changes no real value; the file's own inputs and outputs keep their type, with a
 * Requantize at the border. A node whose weights fit no symmetric grid runs in float between a Dequantize and a Quantize.
 */
import type { Graph, Node, Quantization, Tensor } from "../ir.ts";
import { GraphEdit, makeNode } from "./edit.ts";
import { biasScales, symmetricWeights } from "./integer-weights.ts";
import { isByteActivation, sameGrid } from "./quant.ts";
import { isWeighted, type WeightedNode } from "./values.ts";

export function normalizeBytes(graph: Graph): Graph {
  return signActivations(symmetrizeWeights(graph));
}

function symmetrizeWeights(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (!isWeighted(node) || !isByteActivation(edit.input(node, 0))) return;
    const weights = edit.input(node, 1);
    const symmetric = node.op === "ConvTranspose2D" ? undefined : symmetricWeights(edit, node.op, weights);
    if (symmetric === undefined) lowerToFloat(edit, node);
    else if (symmetric !== weights.name) edit.replace(node, { ...node, inputs: [node.inputs[0]!, symmetric, node.inputs[2] ?? ""] });
  });
  return edit.finish();
}

/** Dequantize on every input, the op in float, Quantize on the result. */
function lowerToFloat(edit: GraphEdit, node: WeightedNode): void {
  const [x, w] = [edit.input(node, 0), edit.input(node, 1)];
  const bias = edit.optionalInput(node, 2);
  const output = edit.output(node);
  if (w.quant === undefined || x.quant === undefined) return;
  const added: Node[] = [];
  const toFloat = (tensor: Tensor): string => {
    const real = edit.define(`${tensor.name}__float`, "float32", tensor.shape);
    added.push(makeNode("Dequantize", edit.uniqueNode(`${real}__dequantize`), [tensor.name], real, {}));
    return real;
  };
  const inputs = [toFloat(x), toFloat(w)];
  if (bias === undefined) inputs.push("");
  else if (bias.dtype === "float32") inputs.push(bias.name);
  else if (bias.quant !== undefined) inputs.push(toFloat(bias));
  else {
    const scales = biasScales(x.quant, w.quant, bias.shape[0] ?? 1);
    const quant: Quantization = { scales, zeroPoints: new Int32Array(scales.length), ...(scales.length > 1 && { axis: 0 }) };
    inputs.push(toFloat({ ...bias, name: edit.setTensor({ ...bias, name: edit.uniqueTensor(`${bias.name}__scaled`), quant }), quant }));
  }
  const real = edit.define(`${output.name}__float`, "float32", output.shape);
  const quantize = makeNode("Quantize", edit.uniqueNode(`${node.name}__quantize`), [real], output.name, {});
  edit.replace(node, ...added, { ...node, inputs, outputs: [real] }, quantize);
}

function signActivations(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  for (const tensor of graph.tensors.values()) {
    if (tensor.dtype !== "uint8" || tensor.quant === undefined || readsRawBytes(edit, tensor.name)) continue;
    const signed = {
      ...tensor,
      dtype: "int8" as const,
      quant: shifted(tensor.quant),
      ...(tensor.data && { data: shiftedData(tensor.data) }),
    };
    if (edit.isGraphInput(tensor.name)) convertInput(edit, tensor.name, signed);
    else if (edit.isGraphOutput(tensor.name)) convertOutput(edit, tensor.name, signed);
    else edit.setTensor(signed);
  }
  return edit.finish();
}

/** Some node takes the stored integers as such: a Cast, or one that moves them to or from bytes without a grid. */
function readsRawBytes(edit: GraphEdit, name: string): boolean {
  const writer = edit.producer(name);
  return [...(writer === undefined ? [] : [writer]), ...edit.consumers(name)].some((node) => {
    if (node.op === "Cast") return true;
    const operands = [...node.inputs, ...node.outputs].filter((operand) => operand !== "").map((operand) => edit.tensor(operand));
    return operands.some((operand) => operand.dtype === "uint8" && operand.quant === undefined);
  });
}

function shifted(quant: Quantization): Quantization {
  return { ...quant, zeroPoints: quant.zeroPoints.map((z) => z - 128) };
}

function shiftedData(data: ArrayLike<number>): Int8Array {
  const signed = new Int8Array(data.length);
  for (let i = 0; i < signed.length; i++) signed[i] = data[i]! - 128;
  return signed;
}

function convertInput(edit: GraphEdit, name: string, signed: Tensor): void {
  const isBorder = (reader: Node): boolean => reader.op === "Requantize" && sameGrid(edit.output(reader), signed);
  if (edit.consumers(name).every(isBorder)) return;
  const inner = edit.setTensor({ ...signed, name: edit.uniqueTensor(`${name}__int8`) });
  edit.redirect(name, inner);
  edit.insertFirst(makeNode("Requantize", edit.uniqueNode(`${name}__to_int8`), [name], inner, {}));
}

function convertOutput(edit: GraphEdit, name: string, signed: Tensor): void {
  const writer = edit.producer(name);
  if (writer === undefined || (writer.op === "Requantize" && sameGrid(edit.input(writer, 0), signed))) return;
  const inner = edit.setTensor({ ...signed, name: edit.uniqueTensor(`${name}__int8`) });
  const renamed: Node = { ...writer, outputs: [inner] };
  edit.replace(writer, renamed);
  edit.redirect(name, inner);
  edit.insertAfter(renamed, makeNode("Requantize", edit.uniqueNode(`${name}__to_uint8`), [inner], name, {}));
}
