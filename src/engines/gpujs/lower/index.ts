/** From a graph to calls of kernels: one lowering function an op that there are kernels for; the others are refused by name. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { Graph, NodeWith, OpName } from "../../../graph/ir.ts";
import { Lowering } from "./context.ts";
import type { Lowered } from "./context.ts";
import { lowerBinary, lowerUnary } from "./elementwise.ts";
import { lowerConcat, lowerExpand, lowerPad, lowerSlice, lowerTranspose } from "./move.ts";
import { lowerConv, lowerDense, lowerDepthwise, lowerMatMul } from "./weighted.ts";
import { lowerPool, lowerReduce, lowerSoftmax } from "./window.ts";

type LowerOp<O extends OpName> = (c: Lowering, node: NodeWith<O>) => void;

const LOWER: { readonly [O in OpName]?: LowerOp<O> } = {
  Conv2D: lowerConv,
  DepthwiseConv2D: lowerDepthwise,
  Dense: lowerDense,
  MatMul: lowerMatMul,
  Binary: lowerBinary,
  Unary: lowerUnary,
  Softmax: lowerSoftmax,
  MaxPool2D: lowerPool,
  AveragePool2D: lowerPool,
  Reduce: lowerReduce,
  Concat: lowerConcat,
  Reshape: (c, node) => c.alias(outputTensor(c.graph, node), requireInput(c.graph, node, 0)),
  Transpose: lowerTranspose,
  Slice: lowerSlice,
  Expand: lowerExpand,
  Pad: lowerPad,
};

function lowerNode<O extends OpName>(c: Lowering, node: NodeWith<O>): void {
  const lower: LowerOp<O> | undefined = LOWER[node.op];
  c.begin(node as never, lower === undefined);
  if (lower === undefined) throw c.unsupported(`there is no kernel for this op, expected one of ${Object.keys(LOWER).join(", ")}`);
  const out = outputTensor(c.graph, node as never);
  // Textures have at least one texel.
  if (elementCount(out.shape) === 0) throw c.unsupported("an output without elements");
  for (const name of node.inputs) {
    const tensor = c.graph.tensors.get(name);
    if (tensor !== undefined && elementCount(tensor.shape) === 0) throw c.unsupported(`input "${name}" without elements`);
  }
  lower(c, node);
}

/**
 * @param engine its name, for messages
 * @param texels kernels that compute four elements a call may be used
 * @throws UnsupportedError naming node and op for what no kernel computes, DeviceLimitError for what kernels cannot index
 */
export function lowerGraph(graph: Graph, engine: string, texels: boolean): Lowered {
  const c = new Lowering(graph, engine, texels);
  for (const node of graph.nodes) lowerNode(c, node as NodeWith<OpName>);
  return c.finish();
}
