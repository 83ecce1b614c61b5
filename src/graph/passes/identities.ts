/**
 * Removes nodes that change nothing, merges chains of reshapes and of transposes, and turns a transpose that only moves dimensions of
 * one element into a reshape, which costs no copy.
 */
import { formatShape } from "../../errors.ts";
import type { Graph, Node } from "../ir.ts";
import { composePerm, isIdentity as isIdentityPerm, movesOnlyUnits } from "../permute.ts";
import { GraphEdit, makeNode } from "./edit.ts";
import { sameGrid } from "./quant.ts";

export function removeIdentities(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    const merged = mergeChain(edit, node);
    if (isIdentity(edit, merged)) bypass(edit, merged, merged.inputs[0]!);
    else skipRoundTrip(edit, merged);
  });
  return edit.finish();
}

/** Reads past an earlier reshape or transpose; returns the node as it stands now. */
function mergeChain(edit: GraphEdit, node: Node): Node {
  if (node.op !== "Reshape" && node.op !== "Transpose") return node;
  const source = edit.producer(node.inputs[0]!);
  let result: Node = node;
  if (node.op === "Reshape" && source?.op === "Reshape" && sameGrid(edit.input(source, 0), edit.output(node))) {
    result = { ...node, inputs: source.inputs };
  } else if (node.op === "Transpose" && source?.op === "Transpose" && sameGrid(edit.input(source, 0), edit.output(node))) {
    result = { ...node, inputs: source.inputs, attrs: { perm: composePerm(source.attrs.perm, node.attrs.perm) } };
  }
  const x = edit.input(result, 0);
  if (result.op === "Transpose" && movesOnlyUnits(x.shape, result.attrs.perm) && sameGrid(x, edit.output(result))) {
    result = makeNode("Reshape", result.name, result.inputs, result.outputs[0]!, {});
  }
  if (result !== node) edit.replace(node, result);
  // A transpose that became a reshape may follow another reshape.
  return result.op !== node.op ? mergeChain(edit, result) : result;
}

function isIdentity(edit: GraphEdit, node: Node): boolean {
  const name = node.inputs[0];
  if (name === undefined || name === "") return false;
  const x = edit.tensor(name);
  const y = edit.output(node);
  if (!sameGrid(x, y) || formatShape(x.shape) !== formatShape(y.shape)) return false;
  switch (node.op) {
    case "Reshape":
    case "Expand":
    case "Cast":
    case "Requantize":
      return true;
    case "Transpose":
      return isIdentityPerm(node.attrs.perm);
    case "Slice":
      return node.attrs.steps.every((step, i) => step === 1 || x.shape[i]! <= 1) && node.attrs.starts.every((start) => start === 0);
    case "Pad":
      return [...node.attrs.before, ...node.attrs.after].every((amount) => amount === 0);
    case "Resize":
      return node.attrs.scales.every((scale) => scale === 1);
    case "Concat":
      return node.inputs.length === 1;
    case "Reduce":
      return node.attrs.axes.length === 0;
    case "Unary":
      return node.attrs.fn === "clip" && (node.attrs.min ?? -Infinity) === -Infinity && (node.attrs.max ?? Infinity) === Infinity;
    default:
      return false;
  }
}

/** Quantize(Dequantize(x)) on x's own grid is x. */
function skipRoundTrip(edit: GraphEdit, node: Node): void {
  if (node.op !== "Quantize") return;
  const source = edit.producer(node.inputs[0]!);
  if (source?.op === "Dequantize" && sameGrid(edit.input(source, 0), edit.output(node))) bypass(edit, node, source.inputs[0]!);
}

/** Lets readers of the node's output read `x`, which holds the same values on the same grid; or makes x's writer write the graph output. */
function bypass(edit: GraphEdit, node: Node, x: string): void {
  const y = node.outputs[0]!;
  if (!edit.isGraphOutput(y)) {
    edit.redirect(y, x);
    edit.remove(node);
    return;
  }
  const writer = edit.producer(x);
  if (writer === undefined || edit.isGraphOutput(x)) return;
  edit.remove(node);
  edit.replace(writer, { ...writer, outputs: [y] });
  edit.redirect(x, y);
}
