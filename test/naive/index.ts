/** One entry to the oracle: an op, its attributes and inputs → the output's elements. */
import type { OpAttrs, OpName } from "../../src/graph/ir.ts";
import { naiveConv2D, naiveConvTranspose, naiveDense, naiveDepthwise, naiveMatMul } from "./conv.ts";
import { naiveBinary, naiveSoftmax, naiveUnary } from "./elementwise.ts";
import { naiveConcat, naiveExpand, naiveGather, naivePad, naiveResize, naiveSlice, naiveTranspose, onGrid } from "./move.ts";
import { naivePool, naiveReduce } from "./pool.ts";
import { naiveCast, naiveDequantize, naiveQuantize, naiveRequantize } from "./quantize.ts";
import { naiveTrees } from "./trees.ts";
import type { NaiveOutput, NaiveTensor } from "./tensor.ts";

export type { NaiveOutput, NaiveTensor } from "./tensor.ts";

/** Ops that an engine executes; batch normalization is folded before. */
export type EngineOp = Exclude<OpName, "BatchNorm">;

type Oracle<O extends EngineOp> = (inputs: readonly NaiveTensor[], attrs: OpAttrs[O], output: NaiveOutput) => number[];

const ORACLES: { readonly [O in EngineOp]: Oracle<O> } = {
  Conv2D: ([x, w, bias], attrs, output) => naiveConv2D(x!, w!, bias, attrs, output),
  DepthwiseConv2D: ([x, w, bias], attrs, output) => naiveDepthwise(x!, w!, bias, attrs, output),
  ConvTranspose2D: ([x, w, bias], attrs, output) => naiveConvTranspose(x!, w!, bias, attrs, output),
  Dense: ([x, w, bias], attrs, output) => naiveDense(x!, w!, bias, attrs, output),
  MatMul: ([a, b], attrs, output) => naiveMatMul(a!, b!, attrs, output),
  Binary: ([a, b], attrs, output) => naiveBinary(a!, b!, attrs, output),
  Unary: ([x], attrs, output) => naiveUnary(x!, attrs, output),
  Softmax: ([x], attrs) => naiveSoftmax(x!, attrs),
  MaxPool2D: ([x], attrs, output) => naivePool(x!, attrs, true, output),
  AveragePool2D: ([x], attrs, output) => naivePool(x!, attrs, false, output),
  Reduce: ([x], attrs, output) => naiveReduce(x!, attrs, output),
  Concat: (inputs, attrs, output) => naiveConcat(inputs, attrs, output),
  Reshape: ([x], _, output) => Array.from(onGrid(x!, output).data),
  Transpose: ([x], attrs, output) => naiveTranspose(onGrid(x!, output), attrs, output),
  Slice: ([x], attrs, output) => naiveSlice(onGrid(x!, output), attrs, output),
  Gather: ([x, indices], attrs, output) => naiveGather(onGrid(x!, output), indices!, attrs, output),
  Pad: ([x], attrs, output) => naivePad(onGrid(x!, output), attrs, output),
  Resize: ([x], attrs, output) => naiveResize(x!, attrs, output),
  Expand: ([x], _, output) => naiveExpand(onGrid(x!, output), output),
  TreeEnsemble: (inputs, attrs) => naiveTrees(inputs, attrs),
  Cast: ([x], _, output) => naiveCast(x!, output),
  Quantize: ([x], _, output) => naiveQuantize(x!, output),
  Dequantize: ([x]) => naiveDequantize(x!),
  Requantize: ([x], _, output) => naiveRequantize(x!, output),
};

export const ENGINE_OPS = Object.keys(ORACLES) as readonly EngineOp[];

export function naive<O extends EngineOp>(op: O, attrs: OpAttrs[O], inputs: readonly NaiveTensor[], output: NaiveOutput): number[] {
  const oracle: Oracle<O> = ORACLES[op];
  return oracle(inputs, attrs, output);
}
