/**
 * Folds a multiplication, division, addition or subtraction by a constant (one value, or one per output channel) into the weights and
 * bias of the convolution or dense layer before it.
 */
import { elementCount } from "../dtype.ts";
import type { Graph, NodeWith, Shape } from "../ir.ts";
import { GraphEdit } from "./edit.ts";
import { activationOf, isWeighted, realConstant, rescaledInputs } from "./values.ts";

export function foldAffine(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (node.op === "Binary" && edit.output(node).dtype === "float32") foldInto(edit, node);
  });
  return edit.finish();
}

function foldInto(edit: GraphEdit, node: NodeWith<"Binary">): void {
  const { fn, activation } = node.attrs;
  if (fn !== "add" && fn !== "sub" && fn !== "mul" && fn !== "div") return;
  const commutes = fn === "add" || fn === "mul";
  const [left, right] = [node.inputs[0]!, node.inputs[1]!];
  const swapped = commutes && !isWeighted(edit.producer(left));
  const [variable, constant] = swapped ? [right, left] : [left, right];
  const source = edit.producer(variable);
  if (source === undefined || !isWeighted(source) || activationOf(source) !== undefined) return;
  if (edit.soleConsumer(variable)?.name !== node.name) return;
  const { shape } = edit.tensor(variable);
  const channels = shape.at(-1) ?? 1;
  const values = perChannel(realConstant(edit, constant), edit.tensor(constant).shape, shape);
  if (values === undefined) return;
  const scales = fn === "mul" ? values : fn === "div" ? values.map((v) => 1 / v) : undefined;
  const shifts = fn === "add" ? values : fn === "sub" ? values.map((v) => -v) : undefined;
  if ([...(scales ?? []), ...(shifts ?? [])].some((v) => !Number.isFinite(v))) return;
  const inputs = rescaledInputs(edit, source, channels, scales, shifts);
  if (inputs === undefined) return;
  edit.remove(source);
  const attrs = { ...source.attrs, ...(activation && { activation }) };
  edit.replace(node, { ...source, inputs, outputs: node.outputs, attrs } as typeof source);
}

/** One value per channel when the constant broadcasts over everything but the last axis and does not change the shape. */
function perChannel(values: Float32Array | undefined, shape: Shape, target: Shape): Float64Array | undefined {
  if (values === undefined || shape.length > target.length) return undefined;
  const channels = target.at(-1) ?? 1;
  if (values.length === 1) return new Float64Array(channels).fill(values[0]!);
  if (shape.at(-1) !== channels || elementCount(shape) !== channels) return undefined;
  return Float64Array.from(values);
}
