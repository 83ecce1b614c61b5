/** From a node to the CPU kernel that computes it. */
import { inputTensor } from "../../graph/access.ts";
import type { Graph, Node, OpName } from "../../graph/ir.ts";
import { noKernelText } from "../candidates.ts";
import { createBinary } from "./kernels/binary.ts";
import { createCast, createDequantize, createQuantize, createRequantize } from "./kernels/cast.ts";
import { createConv } from "./kernels/conv.ts";
import { createDepthwise } from "./kernels/depthwise.ts";
import { createMatMul } from "./kernels/matmul.ts";
import { createConcat, createExpand, createGather, createPad, createReshape, createSlice, createTranspose } from "./kernels/move.ts";
import { createPool } from "./kernels/pool.ts";
import { createReduce } from "./kernels/reduce.ts";
import { createResize } from "./kernels/resize.ts";
import { Scratch, unsupported } from "./kernels/shared.ts";
import type { CpuKernel, KernelContext, NodeFor, SparsePolicy } from "./kernels/shared.ts";
import { createSoftmax } from "./kernels/softmax.ts";
import { createTreeEnsemble } from "./kernels/trees.ts";
import { createUnary } from "./kernels/unary.ts";

export type { CpuKernel, SparsePolicy } from "./kernels/shared.ts";

type Factory<O extends OpName> = (context: KernelContext<O>) => CpuKernel;

const FACTORIES: { readonly [O in OpName]: Factory<O> } = {
  Conv2D: createConv,
  DepthwiseConv2D: createDepthwise,
  ConvTranspose2D: createConv,
  Dense: createConv,
  MatMul: createMatMul,
  Binary: createBinary,
  Unary: createUnary,
  Softmax: createSoftmax,
  MaxPool2D: createPool,
  AveragePool2D: createPool,
  Reduce: createReduce,
  BatchNorm: ({ node }) => {
    throw unsupported(node, "batch normalization must be folded first", "Run the standard passes on the graph.");
  },
  Concat: createConcat,
  Reshape: createReshape,
  Transpose: createTranspose,
  Slice: createSlice,
  Gather: createGather,
  Pad: createPad,
  Resize: createResize,
  Expand: createExpand,
  Cast: createCast,
  TreeEnsemble: createTreeEnsemble,
  Quantize: createQuantize,
  Dequantize: createDequantize,
  Requantize: createRequantize,
};

export interface CpuKernelOptions {
  /** Scratch memory to share between kernels that never run at once; by default the kernel has its own. */
  readonly scratch?: Scratch;
  /** Default `auto`. */
  readonly sparse?: SparsePolicy;
}

/**
 * @param graph supplies the node's tensors; their shapes are taken as inferred and consistent
 * @throws UnsupportedError for types, grids and fused activations that the CPU engine does not implement
 */
export function createCpuKernel(graph: Graph, node: Node, options: CpuKernelOptions = {}): CpuKernel {
  const kernel = create(graph, node, options.scratch ?? new Scratch(), options.sparse ?? "auto");
  const code = inputTensor(graph, node, 1)?.code;
  return code === undefined || kernel.why !== undefined ? kernel : { ...kernel, why: noKernelText(code) };
}

function create<O extends OpName>(graph: Graph, node: NodeFor<O> & { readonly op: O }, scratch: Scratch, sparse: SparsePolicy): CpuKernel {
  const factory: Factory<O> = FACTORIES[node.op];
  return factory({ graph, node, scratch, sparse });
}
