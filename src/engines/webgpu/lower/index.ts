/** From a graph to dispatches: one lowering function an op, and nothing that falls back. */
import type { Graph, NodeWith, OpName } from "../../../graph/ir.ts";
import type { KernelChoice } from "../../tune/types.ts";
import type { DeviceFacts } from "../device.ts";
import type { WebGpuOptions } from "../options.ts";
import { Lowering } from "./context.ts";
import type { Lowered } from "./context.ts";
import { lowerConvTranspose } from "./general.ts";
import { lowerBinary, lowerCast, lowerDequantize, lowerQuantize, lowerRequantize, lowerUnary } from "./elementwise.ts";
import { lowerMatMul } from "./matmul.ts";
import { lowerConcat, lowerExpand, lowerGather, lowerPad, lowerReshape, lowerSlice, lowerTranspose } from "./move.ts";
import { lowerResize } from "./resize.ts";
import { lowerTrees } from "./trees.ts";
import { lowerConv2D, lowerDense, lowerDepthwise } from "./weighted.ts";
import { lowerPool, lowerReduce, lowerSoftmax } from "./window.ts";

type LowerOp<O extends OpName> = (c: Lowering, node: NodeWith<O>) => void;

const LOWER: { readonly [O in OpName]: LowerOp<O> } = {
  Conv2D: lowerConv2D,
  DepthwiseConv2D: lowerDepthwise,
  ConvTranspose2D: lowerConvTranspose,
  Dense: lowerDense,
  MatMul: lowerMatMul,
  Binary: lowerBinary,
  Unary: lowerUnary,
  Softmax: lowerSoftmax,
  MaxPool2D: lowerPool,
  AveragePool2D: lowerPool,
  Reduce: lowerReduce,
  BatchNorm: (c) => {
    throw c.unsupported("batch normalization must be folded first", "Run the standard passes on the graph.");
  },
  Concat: lowerConcat,
  Reshape: lowerReshape,
  Transpose: lowerTranspose,
  Slice: lowerSlice,
  Gather: lowerGather,
  Pad: lowerPad,
  Resize: lowerResize,
  Expand: lowerExpand,
  Cast: lowerCast,
  TreeEnsemble: lowerTrees,
  Quantize: lowerQuantize,
  Dequantize: lowerDequantize,
  Requantize: lowerRequantize,
};

function lowerNode<O extends OpName>(c: Lowering, node: NodeWith<O>): void {
  const lower: LowerOp<O> = LOWER[node.op];
  c.begin(node as never);
  lower(c, node);
}

/**
 * @param choices kernels that nodes shall run with
 * @throws UnsupportedError naming node and op for what no kernel computes, DeviceLimitError for what the device cannot hold or dispatch,
 *   UsageError for a choice that cannot be
 */
export function lowerGraph(graph: Graph, facts: DeviceFacts, options: WebGpuOptions, choices: readonly KernelChoice[] = []): Lowered {
  const c = new Lowering(graph, facts, options, choices);
  for (const node of graph.nodes) lowerNode(c, node as NodeWith<OpName>);
  return c.finish();
}
