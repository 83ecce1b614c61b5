/** Moves zero padding of height and width into the convolution that reads it. */
import type { Graph, NodeWith, Pads2D } from "../ir.ts";
import { GraphEdit } from "./edit.ts";
import { sameGrid } from "./quant.ts";

export function foldPads(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (node.op !== "Conv2D" && node.op !== "DepthwiseConv2D") return;
    const source = edit.producer(node.inputs[0]!);
    if (source?.op !== "Pad" || edit.soleConsumer(source.outputs[0]!)?.name !== node.name || !isSpatialZeroPad(edit, source)) return;
    const { before, after } = source.attrs;
    const pads: Pads2D = [
      node.attrs.pads[0] + before[1]!,
      node.attrs.pads[1] + before[2]!,
      node.attrs.pads[2] + after[1]!,
      node.attrs.pads[3] + after[2]!,
    ];
    edit.remove(source);
    edit.replace(node, { ...node, inputs: [source.inputs[0]!, ...node.inputs.slice(1)], attrs: { ...node.attrs, pads } });
  });
  return edit.finish();
}

/** A convolution's padding adds nothing to its sums: real zero, which on an integer grid is the zero point that Pad fills in. */
function isSpatialZeroPad(edit: GraphEdit, node: NodeWith<"Pad">): boolean {
  const { mode, value, before, after } = node.attrs;
  return (
    mode === "constant" &&
    value === 0 &&
    before.length === 4 &&
    [before[0], before[3], after[0], after[3]].every((amount) => amount === 0) &&
    [...before, ...after].every((amount) => amount >= 0) &&
    sameGrid(edit.input(node, 0), edit.output(node))
  );
}
