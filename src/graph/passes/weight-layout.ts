/**
 * Brings dequantized weights into the form that fusion expects: a transpose or reshape behind the Dequantize of a constant moves into
 * the constant, and a matrix product with constant second operand becomes a dense layer.
 */
import { permuteCode, withoutCode } from "../code.ts";
import { elementCount } from "../dtype.ts";
import type { Graph, Node, NodeWith, Quantization, Shape, Tensor } from "../ir.ts";
import { permuteData, permuteList, permuteQuant } from "../permute.ts";
import { GraphEdit, makeNode } from "./edit.ts";

/** Dequantize(constant) → Transpose or Reshape becomes Dequantize(moved constant). */
export function moveIntoConstants(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (node.op !== "Transpose" && node.op !== "Reshape") return;
    const source = edit.producer(node.inputs[0]!);
    if (source?.op !== "Dequantize") return;
    const stored = edit.input(source, 0);
    const moved = stored.data === undefined ? undefined : moveConstant(edit, node, stored);
    if (moved !== undefined) edit.replace(node, makeNode("Dequantize", node.name, [edit.setTensor(moved)], node.outputs[0]!, {}));
  });
  return edit.finish();
}

function moveConstant(edit: GraphEdit, node: NodeWith<"Transpose"> | NodeWith<"Reshape">, stored: Tensor): Tensor | undefined {
  const name = edit.uniqueTensor(`${stored.name}__moved`);
  const { quant } = stored;
  if (node.op === "Transpose") {
    const { perm } = node.attrs;
    const data = permuteData(stored.data!, stored.dtype, stored.shape, perm);
    return { ...stored, name, shape: permuteList(stored.shape, perm), data, ...(quant && { quant: permuteQuant(quant, perm) }) };
  }
  const { shape } = edit.tensor(node.outputs[0]!);
  const moved = quant && reshapedQuant(quant, stored.shape, shape);
  return moved === undefined ? undefined : { ...stored, name, shape, quant: moved };
}

/** The axis of the scales survives when some axis of the new shape has its length and as many elements before it. */
function reshapedQuant(quant: Quantization, from: Shape, to: Shape): Quantization | undefined {
  if (quant.axis === undefined) return quant;
  const before = elementCount(from.slice(0, quant.axis));
  const axis = to.findIndex((d, i) => d === from[quant.axis!] && elementCount(to.slice(0, i)) === before);
  return axis < 0 ? undefined : { ...quant, axis };
}

/** MatMul(a, constant [K, N]) → Dense with the constant transposed; the constant may stand behind a Dequantize. */
export function matMulToDense(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (node.op !== "MatMul" || node.attrs.transposeA) return;
    const b = edit.input(node, 1);
    if (edit.input(node, 0).shape.length === 0 || b.shape.length !== 2) return;
    const weights = node.attrs.transposeB ? b.name : transposedConstant(edit, node, b);
    if (weights !== undefined) edit.replace(node, makeNode("Dense", node.name, [node.inputs[0]!, weights, ""], node.outputs[0]!, {}));
  });
  return edit.finish();
}

function transposedConstant(edit: GraphEdit, node: Node, b: Tensor): string | undefined {
  const dequantize = edit.producer(b.name);
  const stored = dequantize?.op === "Dequantize" ? edit.input(dequantize, 0) : b;
  if (stored.data === undefined) return undefined;
  const perm = [1, 0];
  const { quant } = stored;
  const code = stored.code && permuteCode(stored.code, stored.shape, perm);
  const transposed = edit.setTensor({
    ...withoutCode(stored),
    name: edit.uniqueTensor(`${stored.name}__transposed`),
    shape: permuteList(stored.shape, perm),
    data: permuteData(stored.data, stored.dtype, stored.shape, perm),
    ...(quant && { quant: permuteQuant(quant, perm) }),
    ...(code && { code }),
  });
  if (dequantize === undefined) return transposed;
  const real = edit.define(`${b.name}__transposed`, "float32", permuteList(b.shape, perm));
  edit.insertBefore(node, makeNode("Dequantize", edit.uniqueNode(`${node.name}__weights`), [transposed], real, {}));
  return real;
}
