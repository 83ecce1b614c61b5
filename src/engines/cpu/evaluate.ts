/** Evaluates single nodes: constant folding, and the definition of an op wherever another part of the project needs one value. */
import { createArray, elementCount } from "../../graph/dtype.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import { outputTensor, tensorOf } from "../../graph/access.ts";
import type { ConstantEvaluator, Graph } from "../../graph/ir.ts";
import { createCpuKernel } from "./kernel.ts";

/** Every input of `node` must be constant in `tensors`, and its outputs there with shape and type. */
export const evaluateNode: ConstantEvaluator = (node, tensors) => {
  const graph: Graph = { name: node.name, inputs: [], outputs: node.outputs, tensors, nodes: [node] };
  const inputs = node.inputs.map((name): TypedArray | undefined => (name === "" ? undefined : tensorOf(graph, name).data));
  const out = outputTensor(graph, node);
  const output = createArray(out.dtype, elementCount(out.shape));
  createCpuKernel(graph, node, { sparse: "off" }).run(inputs, output);
  return [output];
};
