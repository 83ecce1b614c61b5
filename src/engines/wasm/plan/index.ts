/** Which planner covers which op. What is not here, or what a planner returns `undefined` for, runs on the CPU engine. */
import { outputTensor } from "../../../graph/access.ts";
import type { Node, OpName } from "../../../graph/ir.ts";
import type { NodePlan, PlanContext, Planner } from "../program.ts";
import { planConv2D, planDense, planDepthwise, planMatMulConstant } from "./conv.ts";
import { planBinary, planDequantize, planQuantize, planRequantize, planUnary } from "./elementwise.ts";
import { planMatMul } from "./matmul.ts";
import { planConcat, planExpand, planGather, planPad, planReshape, planSlice, planTranspose } from "./move.ts";
import { planPool, planReduce, planSoftmax } from "./reduce.ts";
import { planResize } from "./resize.ts";
import { planTrees } from "./trees.ts";

const PLANNERS: { readonly [O in OpName]?: Planner<O> } = {
  Conv2D: planConv2D,
  DepthwiseConv2D: planDepthwise,
  Dense: planDense,
  MatMul: planMatMul,
  Binary: planBinary,
  Unary: planUnary,
  Softmax: planSoftmax,
  MaxPool2D: planPool,
  AveragePool2D: planPool,
  Reduce: planReduce,
  Concat: planConcat,
  Reshape: planReshape,
  Transpose: planTranspose,
  Slice: planSlice,
  Gather: planGather,
  Pad: planPad,
  Resize: planResize,
  Expand: planExpand,
  TreeEnsemble: planTrees,
  Quantize: planQuantize,
  Dequantize: planDequantize,
  Requantize: planRequantize,
};

/** What has kernels without vector instructions: layers with constant weights. */
const SCALAR_PLANNERS: { readonly [O in OpName]?: Planner<O> } = {
  Conv2D: planConv2D,
  DepthwiseConv2D: planDepthwise,
  Dense: planDense,
  MatMul: planMatMulConstant,
};

/** Only float32, 8-bit and byte moves have kernels; an address is asked for only once a planner has accepted the types. */
export function planNode(context: PlanContext, node: Node): NodePlan | undefined {
  const planner = (context.selection.simd ? PLANNERS : SCALAR_PLANNERS)[node.op] as Planner<OpName> | undefined;
  if (planner === undefined || outputTensor(context.graph, node).shape.includes(0)) return undefined;
  return planner(context, node);
}
