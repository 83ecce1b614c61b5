/**
 * Gives 8-bit weights under float ops the form that engines execute: Dequantize(constant) in the place of a layer's weights becomes a float
 * constant with an int8 code. Weights off the grid that codes can express (a zero point that does not go into int8, scales along another
 * axis) keep their Dequantize, and engines widen them.
 */
import { decode } from "../code.ts";
import type { Graph, Int8Code, Quantization } from "../ir.ts";
import { GraphEdit } from "./edit.ts";
import { symmetricWeights } from "./integer-weights.ts";
import { channelAxis, isWeighted, type WeightedOp } from "./values.ts";

export function codeWeights(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (!isWeighted(node) || edit.input(node, 0).dtype !== "float32") return;
    const source = edit.producer(node.inputs[1]!);
    if (source?.op !== "Dequantize") return;
    const stored = symmetricWeights(edit, node.op, edit.input(source, 0));
    if (stored === undefined) return;
    const { data, quant, shape } = edit.tensor(stored);
    const code = codeOf(data as Int8Array, quant!, shape, node.op);
    const name = edit.uniqueTensor(`${stored}__coded`);
    edit.setTensor({ name, dtype: "float32", shape, data: decode(code, shape), code });
    edit.replace(node, { ...node, inputs: node.inputs.map((input, i) => (i === 1 ? name : input)) });
  });
  return edit.finish();
}

function codeOf(codes: Int8Array, { scales }: Quantization, shape: readonly number[], op: WeightedOp): Int8Code {
  const axis = channelAxis(op);
  const channels = shape[axis]!;
  const all = scales.length === channels ? scales : new Float32Array(channels).fill(scales[0]!);
  return { kind: "int8", axis, scales: all, codes };
}
