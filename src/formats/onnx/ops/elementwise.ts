/** Importers of elementwise ops: unary functions, broadcasting binary ones, Clip, Cast and the like. */
import { createArray, elementCount, isFloat } from "../../../graph/dtype.ts";
import type { BinaryFn, Constant, Tensor, UnaryAttrs, UnaryFn } from "../../../graph/ir.ts";
import type { ImportContext } from "../context.ts";
import type { OnnxNode } from "../node.ts";
import { irType } from "../tensor.ts";
import type { OpImporter } from "./importer.ts";

const unary =
  (fn: UnaryFn, attrs: (node: OnnxNode) => Omit<UnaryAttrs, "fn"> = () => ({})): OpImporter =>
  (ctx, node) => {
    ctx.result(node, "Unary", [ctx.input(node, 0)], { fn, ...attrs(node) });
  };

const binary =
  (fn: BinaryFn): OpImporter =>
  (ctx, node) => {
    const [a, b] = [ctx.input(node, 0), ctx.input(node, 1)];
    if (a.dtype !== b.dtype) node.fail(`inputs are ${a.dtype} and ${b.dtype}, expected one type`);
    ctx.result(node, "Binary", [a, oldBroadcast(ctx, node, a, b)], { fn });
  };

/** Before opset 7, `broadcast=1, axis=k` aligned b's first dimension with a's k-th. */
function oldBroadcast(ctx: ImportContext, node: OnnxNode, a: Tensor, b: Tensor): Tensor {
  if (node.opset >= 7 || !node.has("axis")) return b;
  const axis = ctx.axis(node, node.int("axis", 0), a.shape.length);
  const trailing = a.shape.length - axis - b.shape.length;
  return trailing <= 0 ? b : ctx.reshape(node, "broadcast", b, [...b.shape, ...new Array<number>(trailing).fill(1)]);
}

/** Sum, Mean, Min, Max of any number of inputs. */
const variadic =
  (fn: BinaryFn, mean = false): OpImporter =>
  (ctx, node) => {
    if (node.inputs.length === 0) node.fail("no inputs, expected at least one");
    const inputs = node.inputs.map((_, i) => ctx.input(node, i));
    let total = inputs[0]!;
    inputs.slice(1).forEach((next, i) => {
      const last = i === inputs.length - 2 && !mean;
      total = last ? ctx.result(node, "Binary", [total, next], { fn }) : ctx.helper(node, `step_${i}`, "Binary", [total, next], { fn });
    });
    if (mean) {
      const count = ctx.scalar(`${node.name}/count`, total.dtype, inputs.length);
      ctx.result(node, "Binary", [total, count], { fn: "div" });
    } else ctx.bind(node, total);
  };

/** Base and exponent may differ in type; the result has the base's. */
const pow = (ctx: ImportContext, node: OnnxNode): void => {
  const [base, exponent] = [ctx.input(node, 0), ctx.input(node, 1)];
  if (base.dtype === exponent.dtype) {
    ctx.result(node, "Binary", [base, exponent], { fn: "pow" });
    return;
  }
  // A constant whole exponent, by far the usual case, changes its type without loss.
  if (exponent.data !== undefined && (isFloat(base.dtype) || exponent.data.every((v) => Number.isInteger(v)))) {
    const data = createArray(base.dtype, exponent.data.length);
    data.set(exponent.data);
    const cast = ctx.constant(`${node.name}/exponent`, base.dtype, exponent.shape, data);
    ctx.result(node, "Binary", [base, cast], { fn: "pow" });
    return;
  }
  const wide = isFloat(base.dtype) ? base.dtype : "float64";
  const convert = (x: Tensor, role: string): Tensor => (x.dtype === wide ? x : ctx.helper(node, role, "Cast", [x], {}, { dtype: wide }));
  const inputs = [convert(base, "base"), convert(exponent, "exponent")];
  if (wide === base.dtype) ctx.result(node, "Binary", inputs, { fn: "pow" });
  else ctx.result(node, "Cast", [ctx.helper(node, "power", "Binary", inputs, { fn: "pow" })], {}, { dtype: base.dtype });
};

const clip = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  if (node.opset < 11) {
    const bounds = { ...(node.has("min") && { min: node.float("min", 0) }), ...(node.has("max") && { max: node.float("max", 0) }) };
    ctx.result(node, "Unary", [x], { fn: "clip", ...bounds });
    return;
  }
  const [low, high] = [ctx.optional(node, 1), ctx.optional(node, 2)];
  const constant = [low, high].every((t) => t === undefined || t.data?.length === 1);
  if (constant) {
    const bounds = { ...(low?.data && { min: low.data[0]! }), ...(high?.data && { max: high.data[0]! }) };
    ctx.result(node, "Unary", [x], { fn: "clip", ...bounds });
    return;
  }
  let y = x;
  if (low) y = high ? ctx.helper(node, "low", "Binary", [y, low], { fn: "max" }) : ctx.result(node, "Binary", [y, low], { fn: "max" });
  if (high) ctx.result(node, "Binary", [y, high], { fn: "min" });
};

/** max(x, 0) + slope * min(x, 0) */
const prelu = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  let slope = ctx.input(node, 1);
  // Before opset 7: one slope per channel, the second axis.
  const channels = slope.shape[0];
  if (node.opset < 7 && slope.shape.length === 1 && x.shape.length > 2 && channels !== undefined && channels === x.shape[1]) {
    slope = ctx.reshape(node, "slope", slope, [channels, ...new Array<number>(x.shape.length - 2).fill(1)]);
  }
  const zero = ctx.scalar(`${node.name}/zero`, x.dtype, 0);
  const positive = ctx.helper(node, "positive", "Unary", [x], { fn: "relu" });
  const negative = ctx.helper(node, "negative", "Binary", [x, zero], { fn: "min" });
  const scaled = ctx.helper(node, "scaled", "Binary", [negative, slope], { fn: "mul" });
  ctx.result(node, "Binary", [positive, scaled], { fn: "add" });
};

const cast = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const dtype = irType(node.int("to", 0), node.where);
  if (dtype === x.dtype) ctx.bind(node, x);
  else ctx.result(node, "Cast", [x], {}, { dtype });
};

const identity = (ctx: ImportContext, node: OnnxNode): void => ctx.bind(node, ctx.input(node, 0));

const dropout = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  if (node.opset < 7 && node.int("is_test", 0) === 0 && node.has("is_test")) node.unsupported("is_test 0 is training, expected inference");
  const training = ctx.has(node, 2) ? ctx.constantInput(node, 2, "training_mode").data[0] : 0;
  const ratio = ctx.has(node, 1) ? ctx.constantInput(node, 1, "ratio").data[0] : 0.5;
  if (training === 1 && ratio !== 0) node.unsupported("training_mode is true, expected inference");
  ctx.bind(node, x);
  if (!ctx.isNeeded(node, 1)) return;
  if (elementCount(x.shape) > 2 ** 24) node.unsupported("its mask is read and too large");
  const mask: Constant = ctx.constant(`${node.name}/mask`, "bool", x.shape, new Uint8Array(elementCount(x.shape)).fill(1));
  ctx.bind(node, mask, 1);
};

export const ELEMENTWISE_OPS: readonly (readonly [string, OpImporter])[] = [
  ["Add", binary("add")],
  ["Sub", binary("sub")],
  ["Mul", binary("mul")],
  ["Div", binary("div")],
  ["Pow", pow],
  ["Sum", variadic("add")],
  ["Mean", variadic("add", true)],
  ["Min", variadic("min")],
  ["Max", variadic("max")],
  ["Relu", unary("relu")],
  ["LeakyRelu", unary("leakyrelu", (node) => ({ alpha: node.float("alpha", 0.01) }))],
  ["PRelu", prelu],
  ["Clip", clip],
  ["Sigmoid", unary("sigmoid")],
  ["HardSigmoid", unary("hardsigmoid", (node) => ({ alpha: node.float("alpha", 0.2), beta: node.float("beta", 0.5) }))],
  ["HardSwish", unary("hardswish")],
  ["Tanh", unary("tanh")],
  ["Sqrt", unary("sqrt")],
  ["Exp", unary("exp")],
  ["Log", unary("log")],
  ["Abs", unary("abs")],
  ["Neg", unary("neg")],
  ["Reciprocal", unary("reciprocal")],
  ["Floor", unary("floor")],
  ["Ceil", unary("ceil")],
  ["Erf", unary("erf")],
  ["Cast", cast],
  ["Identity", identity],
  ["Dropout", dropout],
];
