/** One graph node (spatial ops on channels-first images) → ONNX nodes of opset 17 or 21. */
import { UnsupportedError } from "../../errors.ts";
import { createArray, isFloat, type DType } from "../../graph/dtype.ts";
import type { BinaryFn, Node, NodeWith, Pads2D, ReduceFn, Shape, Tensor, UnaryAttrs, UnaryFn } from "../../graph/ir.ts";
import { identityPerm } from "../../graph/permute.ts";
import { onnxType } from "./tensor.ts";
import type { Attributes, OnnxWriter } from "./writer.ts";

export interface ExportedNode {
  readonly node: Node;
  /** ONNX names of the inputs; empty for absent ones. */
  readonly inputs: readonly string[];
  readonly output: string;
  readonly shapes: readonly Shape[];
  readonly tensor: Tensor;
  readonly writer: OnnxWriter;
}

const BINARY: Readonly<Record<BinaryFn, string>> = {
  add: "Add",
  sub: "Sub",
  mul: "Mul",
  div: "Div",
  pow: "Pow",
  min: "Min",
  max: "Max",
};

const UNARY: Readonly<Record<UnaryFn, string>> = {
  relu: "Relu",
  leakyrelu: "LeakyRelu",
  clip: "Clip",
  sigmoid: "Sigmoid",
  hardsigmoid: "HardSigmoid",
  hardswish: "HardSwish",
  tanh: "Tanh",
  sqrt: "Sqrt",
  exp: "Exp",
  log: "Log",
  abs: "Abs",
  neg: "Neg",
  reciprocal: "Reciprocal",
  floor: "Floor",
  ceil: "Ceil",
  erf: "Erf",
};

const REDUCE: Readonly<Record<ReduceFn, string>> = {
  mean: "ReduceMean",
  sum: "ReduceSum",
  max: "ReduceMax",
  min: "ReduceMin",
  prod: "ReduceProd",
};

const noAttributes: Attributes = {};

export function emitNode(writer: OnnxWriter, exported: ExportedNode): void {
  const { node, inputs, output, shapes, tensor } = exported;
  const plain = (op: string, attributes: Attributes = noAttributes, args: readonly string[] = inputs): void => {
    writer.node(op, node.name, args, output, attributes);
  };
  // Runtimes refuse to slice or pad a scalar, which leaves it as it is.
  if ((node.op === "Slice" || node.op === "Pad") && tensor.shape.length === 0) return plain("Identity");
  switch (node.op) {
    case "Conv2D":
    case "DepthwiseConv2D":
      return plain("Conv", convAttributes(node, shapes[1]!, node.op === "Conv2D" ? node.attrs.groups : shapes[0]![1]!));
    case "ConvTranspose2D": {
      const { outputPadding, groups } = node.attrs;
      return plain("ConvTranspose", { ...convAttributes(node, shapes[1]!, groups), output_padding: { ints: outputPadding } });
    }
    case "MaxPool2D":
    case "AveragePool2D":
      return pool(exported, node);
    case "Dense":
      return dense(exported, node);
    case "MatMul":
      return matMul(exported, node);
    case "Binary":
      return plain(BINARY[node.attrs.fn]);
    case "Unary":
      return unary(exported, node.attrs);
    case "Softmax":
      return softmax(exported, node);
    case "Reduce":
      return reduce(exported, node);
    case "BatchNorm":
      return plain("BatchNormalization", { epsilon: { float: node.attrs.epsilon } });
    case "Concat":
      return plain("Concat", { axis: { int: node.attrs.axis } });
    case "Reshape":
      return plain("Reshape", { allowzero: { int: 1 } }, [inputs[0]!, writer.integers(tensor.shape)]);
    case "Expand":
      return plain("Expand", noAttributes, [inputs[0]!, writer.integers(tensor.shape)]);
    case "Transpose":
      return plain("Transpose", { perm: { ints: node.attrs.perm } });
    case "Slice":
      return slice(exported, node);
    case "Gather":
      return plain("Gather", { axis: { int: node.attrs.axis } });
    case "Pad":
      return pad(exported, node);
    case "Resize":
      return resize(exported, node);
    case "Cast":
      return plain("Cast", { to: { int: onnxType(tensor.dtype) } });
    case "TreeEnsemble":
    case "Quantize":
    case "Dequantize":
    case "Requantize":
      throw new Error(`internal: ${node.op} is written by the exporter itself`);
  }
}

function padsAttribute([top, left, bottom, right]: Pads2D): { ints: readonly number[] } {
  return { ints: [top, left, bottom, right] };
}

/** @param weights its last two dimensions are the kernel */
export function convAttributes(
  node: NodeWith<"Conv2D"> | NodeWith<"DepthwiseConv2D"> | NodeWith<"ConvTranspose2D">,
  weights: Shape,
  groups: number,
): Attributes {
  const { strides, dilations, pads } = node.attrs;
  return {
    kernel_shape: { ints: weights.slice(2) },
    strides: { ints: strides },
    dilations: { ints: dilations },
    pads: padsAttribute(pads),
    group: { int: groups },
  };
}

function pool({ writer, inputs, output, node: { name } }: ExportedNode, node: NodeWith<"MaxPool2D"> | NodeWith<"AveragePool2D">): void {
  const { kernel, strides, dilations, pads, countIncludePad } = node.attrs;
  const attributes = { kernel_shape: { ints: kernel }, strides: { ints: strides }, pads: padsAttribute(pads) };
  if (node.op === "MaxPool2D") {
    writer.node("MaxPool", name, inputs, output, { ...attributes, dilations: { ints: dilations } });
    return;
  }
  if (dilations.some((d) => d !== 1)) {
    throw new UnsupportedError(
      `node "${name}" (AveragePool2D): dilations [${dilations.join(", ")}] cannot be written in opset ${writer.opset}`,
    );
  }
  writer.node("AveragePool", name, inputs, output, { ...attributes, count_include_pad: { int: countIncludePad ? 1 : 0 } });
}

function dense({ writer, inputs, output, shapes }: ExportedNode, node: NodeWith<"Dense">): void {
  const [x, w, bias] = inputs as [string, string, string?];
  if (shapes[0]!.length === 2) {
    writer.node("Gemm", node.name, bias ? [x, w, bias] : [x, w], output, { transB: { int: 1 } });
    return;
  }
  const turned = writer.node("Transpose", "", [w], writer.helper(), { perm: { ints: [1, 0] } });
  const product = bias ? writer.helper() : output;
  writer.node("MatMul", node.name, [x, turned], product);
  if (bias) writer.node("Add", "", [product, bias], output);
}

function matMul({ writer, inputs, output, shapes }: ExportedNode, node: NodeWith<"MatMul">): void {
  const flags = [node.attrs.transposeA, node.attrs.transposeB];
  const operands = inputs.map((input, i) => {
    const rank = shapes[i]!.length;
    if (!flags[i] || rank < 2) return input;
    const perm = [...identityPerm(rank - 2), rank - 1, rank - 2];
    return writer.node("Transpose", "", [input], writer.helper(), { perm: { ints: perm } });
  });
  writer.node("MatMul", node.name, operands, output);
}

function unary({ writer, node, inputs, output, tensor }: ExportedNode, attrs: UnaryAttrs): void {
  const op = UNARY[attrs.fn];
  if (attrs.fn === "clip") {
    const dtype: DType = tensor.quant === undefined ? tensor.dtype : "float32";
    const bound = (value: number | undefined): string =>
      value === undefined || !Number.isFinite(value) ? "" : writer.constant(dtype, [], createArray(dtype, 1).fill(value));
    const args = [...inputs, bound(attrs.min), bound(attrs.max)];
    while (args.at(-1) === "") args.pop();
    writer.node(op, node.name, args, output);
    return;
  }
  const attributes: Attributes = {
    ...((attrs.fn === "leakyrelu" || attrs.fn === "hardsigmoid") && attrs.alpha !== undefined && { alpha: { float: attrs.alpha } }),
    ...(attrs.fn === "hardsigmoid" && attrs.beta !== undefined && { beta: { float: attrs.beta } }),
  };
  writer.node(op, node.name, inputs, output, attributes);
}

function softmax({ writer, inputs, output }: ExportedNode, node: NodeWith<"Softmax">): void {
  const { axis, beta } = node.attrs;
  let [x] = inputs as [string];
  if (beta !== 1) {
    const factor = writer.constant("float32", [], Float32Array.of(beta));
    x = writer.node("Mul", "", [x, factor], writer.helper());
  }
  writer.node("Softmax", node.name, [x], output, { axis: { int: axis } });
}

function reduce({ writer, inputs, output, shapes }: ExportedNode, node: NodeWith<"Reduce">): void {
  const { fn, axes, keepDims } = node.attrs;
  const keepdims = { keepdims: { int: keepDims ? 1 : 0 } };
  if (fn === "mean" && keepDims && shapes[0]!.length === 4 && axes.join() === "2,3") {
    writer.node("GlobalAveragePool", node.name, inputs, output);
  } else if (fn === "sum") {
    const noop = { noop_with_empty_axes: { int: 1 } };
    writer.node(REDUCE.sum, node.name, [...inputs, writer.integers(axes)], output, { ...keepdims, ...noop });
  } else if (axes.length === 0) {
    // No axes would mean all of them.
    writer.node("Identity", node.name, inputs, output);
  } else if (writer.opset >= 18) {
    writer.node(REDUCE[fn], node.name, [...inputs, writer.integers(axes)], output, keepdims);
  } else {
    writer.node(REDUCE[fn], node.name, inputs, output, { ...keepdims, axes: { ints: axes } });
  }
}

function slice({ writer, inputs, output, shapes, tensor }: ExportedNode, node: NodeWith<"Slice">): void {
  const { starts, steps } = node.attrs;
  const ends = tensor.shape.map((count, i) => {
    const end = starts[i]! + count * steps[i]!;
    // A negative end would count from the back: one below all of them means "through element 0".
    return steps[i]! < 0 && end < 0 ? -shapes[0]![i]! - 1 : end;
  });
  const lists = { starts, ends, axes: identityPerm(starts.length), steps };
  const args = Object.values(lists).map((values) => writer.integers(values));
  writer.node("Slice", node.name, [...inputs, ...args], output);
}

function pad({ writer, inputs, output, tensor }: ExportedNode, node: NodeWith<"Pad">): void {
  const { before, after, mode, value } = node.attrs;
  const dtype: DType = tensor.quant === undefined ? tensor.dtype : "float32";
  const args = [...inputs, writer.integers([...before, ...after])];
  if (mode === "constant" && (value !== 0 || !isFloat(dtype))) args.push(writer.constant(dtype, [], createArray(dtype, 1).fill(value)));
  writer.node("Pad", node.name, args, output, { mode: { string: mode } });
}

function resize({ writer, inputs, output, shapes, tensor }: ExportedNode, node: NodeWith<"Resize">): void {
  const { mode, coordinates, nearestMode, cubicCoeff, excludeOutside, scales } = node.attrs;
  if (coordinates === "half_pixel_symmetric") {
    throw new UnsupportedError(`node "${node.name}" (Resize): half_pixel_symmetric cannot be written in opset ${writer.opset}`);
  }
  const from = shapes[0]!;
  // Where the scales are the ratio of the sizes, the sizes say it without rounding.
  const exact = scales.every((s, i) => Math.abs(s * from[i]! - tensor.shape[i]!) < 1e-4);
  const args = exact
    ? [...inputs, "", "", writer.integers(tensor.shape)]
    : [...inputs, "", writer.constant("float32", [scales.length], Float32Array.from(scales))];
  writer.node("Resize", node.name, args, output, {
    mode: { string: mode },
    coordinate_transformation_mode: { string: coordinates },
    nearest_mode: { string: nearestMode },
    cubic_coeff_a: { float: cubicCoeff },
    exclude_outside: { int: excludeOutside ? 1 : 0 },
  });
}
