/** Importers of matrix products, Softmax and reductions. */
import { formatShape } from "../../../errors.ts";
import { createArray, elementCount, isFloat } from "../../../graph/dtype.ts";
import type { ReduceFn, Tensor } from "../../../graph/ir.ts";
import { identityPerm } from "../../../graph/permute.ts";
import type { ImportContext } from "../context.ts";
import type { OnnxNode } from "../node.ts";
import type { OpImporter } from "./importer.ts";

/** A constant 2-D second operand becomes the weights of a Dense layer, stored [N, K]. */
export function matrixProduct(ctx: ImportContext, node: OnnxNode, a: Tensor, b: Tensor): void {
  if (b.shape.length === 2 && a.shape.length >= 1 && ctx.isWeight(b)) {
    ctx.result(node, "Dense", [a, ctx.transpose(node, "weights", b, [1, 0])], {});
  } else {
    ctx.result(node, "MatMul", [a, b], { transposeA: false, transposeB: false });
  }
}

const matMul = (ctx: ImportContext, node: OnnxNode): void => matrixProduct(ctx, node, ctx.input(node, 0), ctx.input(node, 1));

/** alpha * A' * B' + beta * C */
const gemm = (ctx: ImportContext, node: OnnxNode): void => {
  const [a, b] = [ctx.input(node, 0), ctx.input(node, 1)];
  const c = ctx.optional(node, 2);
  const alpha = node.float("alpha", 1);
  const beta = node.float("beta", 1);
  const [transA, transB] = [node.int("transA", 0) !== 0, node.int("transB", 0) !== 0];
  if (a.shape.length !== 2 || b.shape.length !== 2) {
    node.fail(`inputs ${formatShape(a.shape)} and ${formatShape(b.shape)}, expected two matrices`);
  }
  const columns = transB ? b.shape[0]! : b.shape[1]!;
  const bias = c && beta === 1 && alpha === 1 ? biasVector(ctx, node, c, columns) : undefined;
  const rest = c !== undefined && bias === undefined;
  const exact = alpha === 1 && !rest;

  let y: Tensor;
  if (ctx.isWeight(b)) {
    const x = transA ? ctx.transpose(node, "a", a, [1, 0]) : a;
    const inputs = [x, transB ? b : ctx.transpose(node, "weights", b, [1, 0]), ...(bias ? [bias] : [])];
    y = exact ? ctx.result(node, "Dense", inputs, {}) : ctx.helper(node, "product", "Dense", inputs, {});
  } else {
    const attrs = { transposeA: transA, transposeB: transB };
    const plain = exact && bias === undefined;
    y = plain ? ctx.result(node, "MatMul", [a, b], attrs) : ctx.helper(node, "product", "MatMul", [a, b], attrs);
    if (exact && bias !== undefined) ctx.result(node, "Binary", [y, bias], { fn: "add" });
  }
  if (exact) return;
  if (alpha !== 1) {
    const factor = ctx.scalar(`${node.name}/alpha`, a.dtype, alpha);
    y = rest ? ctx.helper(node, "scaled", "Binary", [y, factor], { fn: "mul" }) : ctx.result(node, "Binary", [y, factor], { fn: "mul" });
  }
  if (c === undefined || !rest) return;
  let added = c;
  if (beta !== 1) added = ctx.helper(node, "scaled_c", "Binary", [c, ctx.scalar(`${node.name}/beta`, c.dtype, beta)], { fn: "mul" });
  ctx.result(node, "Binary", [y, added], { fn: "add" });
};

/** C as the bias [N] of a Dense layer, or undefined when it is not one value per column. */
function biasVector(ctx: ImportContext, node: OnnxNode, c: Tensor, columns: number): Tensor | undefined {
  const count = elementCount(c.shape);
  const perColumn = count === columns && c.shape.slice(0, -1).every((d) => d === 1);
  if (!ctx.isWeight(c)) return undefined;
  if (perColumn && c.shape.length > 0) return ctx.reshape(node, "bias", c, [columns]);
  if (count !== 1 || c.data === undefined || !isFloat(c.dtype)) return undefined;
  const data = createArray(c.dtype, columns).fill(c.data[0]!);
  return ctx.constant(`${node.name}/bias`, c.dtype, [columns], data);
}

const softmax = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const rank = x.shape.length;
  const axis = ctx.axis(node, node.int("axis", node.opset < 13 ? 1 : -1), Math.max(rank, 1));
  const inner = x.shape.slice(axis + 1);
  if (node.opset >= 13 || elementCount(inner) === 1) {
    ctx.result(node, "Softmax", [x], { axis, beta: 1 });
    return;
  }
  // Before opset 13: over everything from the axis on, as one row.
  const flat = ctx.reshape(node, "rows", x, [elementCount(x.shape.slice(0, axis)), elementCount(x.shape.slice(axis))]);
  const y = ctx.helper(node, "softmax", "Softmax", [flat], { axis: 1, beta: 1 });
  ctx.result(node, "Reshape", [y], {}, { shape: x.shape });
};

/** The axes that a Reduce node names, or undefined for "none: pass through". */
function reduceAxes(ctx: ImportContext, node: OnnxNode, rank: number): readonly number[] | undefined {
  const axes = ctx.integersOrAttribute(node, 1, "axes");
  if (axes === undefined || axes.length === 0) return node.int("noop_with_empty_axes", 0) === 1 ? undefined : identityPerm(rank);
  const positive = axes.map((axis) => ctx.axis(node, axis, rank)).sort((a, b) => a - b);
  if (new Set(positive).size !== positive.length) node.fail(`axes [${axes.join(", ")}] name an axis twice`);
  return positive;
}

interface ReduceSteps {
  readonly before?: "abs" | "square";
  readonly after?: "sqrt" | "log";
}

const reduce =
  (fn: ReduceFn, steps: ReduceSteps = {}): OpImporter =>
  (ctx, node) => {
    let x = ctx.input(node, 0);
    const axes = reduceAxes(ctx, node, x.shape.length);
    if (steps.before === "abs") x = ctx.helper(node, "abs", "Unary", [x], { fn: "abs" });
    if (steps.before === "square") x = ctx.helper(node, "square", "Binary", [x, x], { fn: "mul" });
    if (axes === undefined) {
      if (steps.after === undefined) ctx.bind(node, x);
      else ctx.result(node, "Unary", [x], { fn: steps.after });
      return;
    }
    const attrs = { fn, axes, keepDims: node.int("keepdims", 1) !== 0 };
    if (steps.after === undefined) ctx.result(node, "Reduce", [x], attrs);
    else ctx.result(node, "Unary", [ctx.helper(node, "reduced", "Reduce", [x], attrs)], { fn: steps.after });
  };

export const MATRIX_OPS: readonly (readonly [string, OpImporter])[] = [
  ["MatMul", matMul],
  ["Gemm", gemm],
  ["Softmax", softmax],
  ["ReduceMean", reduce("mean")],
  ["ReduceSum", reduce("sum")],
  ["ReduceMax", reduce("max")],
  ["ReduceMin", reduce("min")],
  ["ReduceProd", reduce("prod")],
  ["ReduceL1", reduce("sum", { before: "abs" })],
  ["ReduceL2", reduce("sum", { before: "square", after: "sqrt" })],
  ["ReduceSumSquare", reduce("sum", { before: "square" })],
  ["ReduceLogSum", reduce("sum", { after: "log" })],
];
