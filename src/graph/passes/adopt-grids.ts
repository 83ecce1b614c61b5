/**
 * Bytes whose file states no grid, but that are only read as (q - zero point)·scale written out: the graph input or moved input gets
 * that grid as its quantization, and the arithmetic becomes a Dequantize, so that integer fusion can start there.
 */
import type { Graph, Node, Quantization } from "../ir.ts";
import { GraphEdit, makeNode } from "./edit.ts";
import { isByte, sameQuant } from "./quant.ts";
import { scalarConstant } from "./values.ts";

export function adoptGrids(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (node.op !== "Cast") return;
    const chain = rawChain(edit, node.inputs[0]!);
    if (chain === undefined) return;
    const readers = edit.consumers(chain[0]!).map((reader) => writtenOut(edit, reader));
    const first = readers[0];
    if (first === undefined || !readers.every((reader) => reader !== undefined && sameQuant(reader.quant, first.quant))) return;
    for (const name of chain) edit.setTensor({ ...edit.tensor(name), quant: first.quant });
    for (const reader of readers) {
      const { last } = reader!;
      edit.replace(last, makeNode("Dequantize", last.name, [chain[0]!], last.outputs[0]!, {}));
    }
  });
  return edit.finish();
}

/** The tensor and those that it was moved from, back to a graph input: all bytes without a grid, each read once on the way. */
function rawChain(edit: GraphEdit, name: string): readonly string[] | undefined {
  const chain: string[] = [];
  for (let at = name; ;) {
    const tensor = edit.tensor(at);
    if (!isByte(tensor) || tensor.quant !== undefined || tensor.data !== undefined || edit.isGraphOutput(at)) return undefined;
    if (chain.length > 0 && edit.soleConsumer(at) === undefined) return undefined;
    chain.push(at);
    const producer = edit.producer(at);
    if (producer === undefined) return chain;
    if (producer.op !== "Reshape" && producer.op !== "Transpose" && producer.op !== "Slice") return undefined;
    at = producer.inputs[0]!;
  }
}

/** Cast → subtraction of a whole number → multiplication by a positive one. */
function writtenOut(edit: GraphEdit, cast: Node): { readonly quant: Quantization; readonly last: Node } | undefined {
  if (cast.op !== "Cast" || edit.output(cast).dtype !== "float32") return undefined;
  const sub = edit.soleConsumer(cast.outputs[0]!);
  if (sub?.op !== "Binary" || sub.attrs.fn !== "sub" || sub.inputs[0] !== cast.outputs[0]) return undefined;
  const mul = edit.soleConsumer(sub.outputs[0]!);
  if (mul?.op !== "Binary" || mul.attrs.fn !== "mul" || mul.inputs[0] !== sub.outputs[0]) return undefined;
  if (sub.attrs.activation !== undefined || mul.attrs.activation !== undefined) return undefined;
  const [zero, scale] = [scalarConstant(edit, sub.inputs[1]!), scalarConstant(edit, mul.inputs[1]!)];
  const [low, high] = edit.input(cast, 0).dtype === "int8" ? [-128, 127] : [0, 255];
  if (zero === undefined || scale === undefined || !Number.isInteger(zero) || zero < low || zero > high) return undefined;
  if (!(scale > 0 && Number.isFinite(scale))) return undefined;
  return { quant: { scales: Float32Array.of(scale), zeroPoints: Int32Array.of(zero) }, last: mul };
}
