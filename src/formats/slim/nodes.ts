/** What a node of an archive may say: every op's attributes, with the ranges outside of which no rule of the graph could be asked. */
import { z } from "zod";
import type { OpName } from "../../graph/ir.ts";

const size = z
  .int()
  .min(0)
  .max(2 ** 31);
const positive = z
  .int()
  .min(1)
  .max(2 ** 31);
const signed = z
  .int()
  .min(-(2 ** 31))
  .max(2 ** 31);
const axis = z.int().min(0).max(16);
/** Infinite and not-a-number are numbers here: bounds of a clamp. */
const real = z.custom<number>((value) => typeof value === "number", "expected a number");
const list = <T extends z.ZodType>(item: T): z.ZodArray<T> => z.array(item).max(16);

const activation = z.union([
  z.strictObject({ kind: z.literal("clamp"), min: real, max: real }),
  z.strictObject({ kind: z.literal("hardswish") }),
]);
const pair = z.tuple([positive, positive]);
const pads = z.tuple([size, size, size, size]);
const window = { strides: pair, dilations: pair, pads, activation: activation.optional() };
const rounding = z.enum(["double", "single"]).optional();
const convolution = { ...window, groups: positive, rounding };
const pool = z.strictObject({ ...window, kernel: pair, countIncludePad: z.boolean() });
const none = z.strictObject({});

const ATTRS = {
  Conv2D: z.strictObject({ ...convolution, dynamic: z.literal(true).optional() }),
  DepthwiseConv2D: z.strictObject({ ...convolution, dynamic: z.literal(true).optional() }),
  ConvTranspose2D: z.strictObject({ ...convolution, outputPadding: z.tuple([size, size]) }),
  Dense: z.strictObject({ activation: activation.optional(), dynamic: z.literal(true).optional(), rounding }),
  MatMul: z.strictObject({ transposeA: z.boolean(), transposeB: z.boolean() }),
  Binary: z.strictObject({ fn: z.enum(["add", "sub", "mul", "div", "pow", "min", "max"]), activation: activation.optional() }),
  Unary: z.strictObject({
    fn: z.enum([
      "relu",
      "leakyrelu",
      "clip",
      "sigmoid",
      "hardsigmoid",
      "hardswish",
      "tanh",
      "sqrt",
      "exp",
      "log",
      "abs",
      "neg",
      "reciprocal",
      "floor",
      "ceil",
      "erf",
    ]),
    alpha: real.optional(),
    beta: real.optional(),
    min: real.optional(),
    max: real.optional(),
  }),
  Softmax: z.strictObject({ axis, beta: real }),
  MaxPool2D: pool,
  AveragePool2D: pool,
  Reduce: z.strictObject({ fn: z.enum(["mean", "sum", "max", "min", "prod"]), axes: list(axis), keepDims: z.boolean() }),
  BatchNorm: z.strictObject({ epsilon: real }),
  Concat: z.strictObject({ axis }),
  Reshape: none,
  Transpose: z.strictObject({ perm: list(axis) }),
  Slice: z.strictObject({ starts: list(signed), steps: list(signed) }),
  Gather: z.strictObject({ axis }),
  Pad: z.strictObject({ before: list(signed), after: list(signed), mode: z.enum(["constant", "reflect", "edge"]), value: real }),
  Resize: z.strictObject({
    mode: z.enum(["nearest", "linear", "cubic"]),
    coordinates: z.enum(["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]),
    nearestMode: z.enum(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
    cubicCoeff: real,
    excludeOutside: z.boolean(),
    scales: list(real),
  }),
  Expand: none,
  Cast: none,
  TreeEnsemble: z.strictObject({
    aggregate: z.enum(["sum", "average"]),
    task: z.enum(["classification", "regression"]),
    holdout: z.strictObject({ fraction: real, seed: real }).optional(),
  }),
  Quantize: none,
  Dequantize: none,
  Requantize: none,
} as const satisfies Record<OpName, z.ZodType>;

const names = z.array(z.string()).max(4096);

export const nodeSchema = z.strictObject({
  name: z.string(),
  op: z.enum(Object.keys(ATTRS) as OpName[]),
  inputs: names,
  outputs: names,
  attrs: z.looseObject({}),
});

/** What is wrong with a node's attributes; undefined: nothing. */
export function attrsFault(op: OpName, attrs: unknown): string | undefined {
  const { error } = ATTRS[op].safeParse(attrs);
  return error && issueText(error);
}

/** The first thing that is wrong: `strides.0: Too small…`. */
export function issueText({ issues: [issue] }: z.ZodError): string {
  return issue === undefined ? "invalid" : `${issue.path.join(".")}${issue.path.length > 0 ? ": " : ""}${issue.message}`;
}
