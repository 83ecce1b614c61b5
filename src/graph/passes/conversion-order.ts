/**
 * Brings conversions next to the arithmetic that they belong to: a Dequantize moves behind reshapes, transposes and slices, a Quantize
 * in front of them. Values stay the same, bytes move instead of floats, and integer fusion finds its pairs.
 */
import type { Graph, Node } from "../ir.ts";
import { GraphEdit, makeNode } from "./edit.ts";
import { isIntegerActivation } from "./quant.ts";

export function orderConversions(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (isMove(node)) sinkDequantize(edit, node);
    else if (node.op === "Quantize") hoistQuantize(edit, node);
  });
  return edit.finish();
}

function isMove(node: Node | undefined): node is Extract<Node, { readonly op: "Reshape" | "Transpose" | "Slice" }> {
  return node?.op === "Reshape" || node?.op === "Transpose" || node?.op === "Slice";
}

/** move(Dequantize(x)) → Dequantize(move(x)) */
function sinkDequantize(edit: GraphEdit, node: Node): void {
  const source = edit.producer(node.inputs[0]!);
  if (source?.op !== "Dequantize" || edit.soleConsumer(source.outputs[0]!) === undefined) return;
  const x = edit.input(source, 0);
  if (!isIntegerActivation(x) || x.data !== undefined) return;
  const y = edit.output(node);
  const moved = edit.define(`${y.name}__bytes`, x.dtype, y.shape, { quant: x.quant });
  const dequantize = makeNode("Dequantize", source.name, [moved], y.name, {});
  edit.remove(source);
  edit.replace(node, { ...node, inputs: [x.name], outputs: [moved] }, dequantize);
}

/** Quantize(moves(x)) → moves(Quantize(x)), through any number of moves */
function hoistQuantize(edit: GraphEdit, quantize: Node): void {
  let node = quantize;
  for (;;) {
    const move = edit.producer(node.inputs[0]!);
    if (!isMove(move) || edit.soleConsumer(move.outputs[0]!) === undefined) return;
    const x = edit.input(move, 0);
    if (x.dtype !== "float32" || x.data !== undefined) return;
    const y = edit.output(node);
    if (!isIntegerActivation(y)) return;
    const early = edit.define(`${x.name}__bytes`, y.dtype, x.shape, { quant: y.quant });
    const earlier = makeNode("Quantize", node.name, [x.name], early, {});
    edit.remove(node);
    edit.replace(move, earlier, { ...move, inputs: [early], outputs: [y.name] });
    node = earlier;
  }
}
