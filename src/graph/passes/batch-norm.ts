/**
 * BatchNorm is y = (x - mean)·scale/√(variance + epsilon) + offset with constants per channel: folded into the weights of the node
 * before it, or lowered to a multiplication and an addition. No BatchNorm is left afterwards.
 */
import { UnsupportedError } from "../../errors.ts";
import type { Graph, Node, NodeWith } from "../ir.ts";
import { GraphEdit, makeNode } from "./edit.ts";
import { activationOf, isWeighted, realConstant, rescaledInputs } from "./values.ts";

/** @throws UnsupportedError when its parameters are computed at run time */
export function foldBatchNorm(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (node.op !== "BatchNorm") return;
    const { factor, offset } = affineOf(edit, node);
    const source = edit.producer(node.inputs[0]!);
    if (
      source !== undefined &&
      isWeighted(source) &&
      activationOf(source) === undefined &&
      edit.soleConsumer(source.outputs[0]!) === node
    ) {
      const inputs = rescaledInputs(edit, source, factor.length, factor, offset);
      if (inputs !== undefined) {
        edit.remove(source);
        edit.replace(node, { ...source, inputs, outputs: node.outputs });
        return;
      }
    }
    edit.replace(node, ...lowered(edit, node, factor, offset));
  });
  return edit.finish();
}

/** The per-channel factor and offset, in double precision. */
function affineOf(edit: GraphEdit, node: NodeWith<"BatchNorm">): { factor: Float64Array; offset: Float64Array } {
  const parameters = [1, 2, 3, 4].map((i) => realConstant(edit, node.inputs[i]!));
  const [scale, bias, mean, variance] = parameters;
  if (scale === undefined || bias === undefined || mean === undefined || variance === undefined) {
    throw new UnsupportedError(`node "${node.name}" (BatchNorm): its parameters are not constant`, "Export the model for inference.");
  }
  const factor = Float64Array.from(scale, (s, c) => s / Math.sqrt(variance[c]! + node.attrs.epsilon));
  return { factor, offset: Float64Array.from(bias, (b, c) => b - mean[c]! * factor[c]!) };
}

function lowered(edit: GraphEdit, node: NodeWith<"BatchNorm">, factor: Float64Array, offset: Float64Array): readonly Node[] {
  const { shape } = edit.output(node);
  const channels = [factor.length];
  const a = edit.define(`${node.name}__factor`, "float32", channels, { data: Float32Array.from(factor) });
  const b = edit.define(`${node.name}__offset`, "float32", channels, { data: Float32Array.from(offset) });
  const scaled = edit.define(`${node.name}__scaled`, "float32", shape);
  return [
    makeNode("Binary", edit.uniqueNode(`${node.name}__scale`), [node.inputs[0]!, a], scaled, { fn: "mul" }),
    makeNode("Binary", node.name, [scaled, b], node.outputs[0]!, { fn: "add" }),
  ];
}
