/**
 * Graph → TFLite, for peers that read nothing else: the ops of small vision models, float32 and int8. What TFLite says in two operators
 * is written as two (explicit padding, hard-swish after a convolution, hard-sigmoid). Everything else is refused by name, and the
 * model is then not run on those peers.
 */
import { UnsupportedError } from "../../../src/errors.ts";
import { inputTensor, outputTensor, requireInput, tensorOf } from "../../../src/graph/access.ts";
import { elementCount, type DType, type TypedArray } from "../../../src/graph/dtype.ts";
import type { Activation, Conv2DAttrs, Graph, Node, NodeWith, Pads2D, Quantization, Shape, Tensor } from "../../../src/graph/ir.ts";
import type { TensorType } from "../../../src/formats/tflite/schema.ts";
import { writeTflite, type OptionField, type TfliteOperator, type TfliteTensor } from "./file.ts";

/** Numbers in the schema's union `BuiltinOptions`. */
const OPTIONS = {
  conv: 1,
  depthwise: 2,
  pool: 5,
  dense: 8,
  softmax: 9,
  concat: 10,
  add: 11,
  reshape: 17,
  mul: 21,
  pad: 22,
  transpose: 26,
  reduce: 27,
  sub: 28,
} as const;
const PADDING = { same: 0, valid: 1 } as const;
/** `ActivationFunctionType` */
const ACTIVATION = { none: 0, relu: 1, relu1: 2, relu6: 3 } as const;

const TYPES: Partial<Readonly<Record<DType, TensorType>>> = { float32: "FLOAT32", int8: "INT8", int32: "INT32" };

/** Version of an operator from which it has an int8 form (1 is float). */
const INT8_VERSION: Readonly<Record<string, number>> = {
  CONV_2D: 3,
  DEPTHWISE_CONV_2D: 3,
  FULLY_CONNECTED: 4,
  AVERAGE_POOL_2D: 2,
  MAX_POOL_2D: 2,
  ADD: 2,
  SUB: 2,
  MUL: 2,
  SOFTMAX: 2,
  MEAN: 2,
  PAD: 2,
  CONCATENATION: 2,
  TRANSPOSE: 2,
  LOGISTIC: 2,
  TANH: 2,
  RELU: 2,
  RELU6: 2,
  DEQUANTIZE: 2,
};

/** @throws UnsupportedError for a node that this writer does not know, naming it */
export function exportTflite(graph: Graph): Uint8Array {
  return new Exporter(graph).write();
}

class Exporter {
  readonly #graph: Graph;
  readonly #tensors: TfliteTensor[] = [];
  readonly #operators: TfliteOperator[] = [];
  /** Tensor of the graph → index in the file. */
  readonly #indices = new Map<string, number>();
  readonly #helpers = new Set<string>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  write(): Uint8Array {
    const inputs = this.#graph.inputs.map((name) => this.#index(tensorOf(this.#graph, name)));
    for (const node of this.#graph.nodes) this.#node(node);
    const outputs = this.#graph.outputs.map((name) => this.#index(tensorOf(this.#graph, name)));
    return writeTflite({ name: this.#graph.name, tensors: this.#tensors, operators: this.#operators, inputs, outputs });
  }

  #node(node: Node): void {
    const x = (): number => this.#index(requireInput(this.#graph, node, 0));
    const y = outputTensor(this.#graph, node);
    switch (node.op) {
      case "Conv2D":
      case "DepthwiseConv2D":
        return this.#conv(node);
      case "Dense":
        return this.#dense(node);
      case "Binary":
        return this.#binary(node);
      case "MaxPool2D":
      case "AveragePool2D":
        return this.#pool(node);
      case "Reduce": {
        if (node.attrs.fn !== "mean") refuse(node, `reduction ${node.attrs.fn}`);
        return this.#mean(x(), node.attrs.axes, node.attrs.keepDims, y);
      }
      case "Softmax": {
        if (node.attrs.axis !== y.shape.length - 1) refuse(node, `softmax over axis ${node.attrs.axis} of ${y.shape.length}`);
        return this.#emit("SOFTMAX", [x()], y, OPTIONS.softmax, [{ field: 0, type: "float32", value: node.attrs.beta }]);
      }
      case "Reshape":
        return this.#emit("RESHAPE", [x(), this.#int32s(y.shape)], y, OPTIONS.reshape);
      case "Transpose":
        return this.#emit("TRANSPOSE", [x(), this.#int32s(node.attrs.perm)], y, OPTIONS.transpose);
      case "Concat": {
        const inputs = node.inputs.map((name) => this.#index(tensorOf(this.#graph, name)));
        return this.#emit("CONCATENATION", inputs, y, OPTIONS.concat, [int32(0, node.attrs.axis), byte(1, ACTIVATION.none)]);
      }
      case "Unary":
        return this.#unary(node);
      case "Quantize":
      case "Requantize":
        return this.#emit("QUANTIZE", [x()], y);
      case "Dequantize":
        return this.#emit("DEQUANTIZE", [x()], y);
      default:
        return refuse(node, `op ${node.op}`);
    }
  }

  #conv(node: NodeWith<"Conv2D"> | NodeWith<"DepthwiseConv2D">): void {
    const { attrs } = node;
    const x = requireInput(this.#graph, node, 0);
    const w = requireInput(this.#graph, node, 1);
    const y = outputTensor(this.#graph, node);
    const depthwise = node.op === "DepthwiseConv2D";
    if (!depthwise && attrs.groups !== 1) refuse(node, `${attrs.groups} groups`);
    const channels = depthwise ? w.shape[3]! : w.shape[0]!;
    const { padding, input } = this.#padded(node, x, attrs, [w.shape[1]!, w.shape[2]!], y.shape);
    const inputs = [input, this.#index(w), this.#bias(node, channels)];
    const { activation, rest } = splitActivation(node, attrs.activation);
    const multiplier = depthwise ? [int32(3, channels / x.shape[3]!)] : [];
    const first = depthwise ? 4 : 3;
    const fields = [
      byte(0, PADDING[padding]),
      int32(1, attrs.strides[1]),
      int32(2, attrs.strides[0]),
      ...multiplier,
      byte(first, activation),
      int32(first + 1, attrs.dilations[1]),
      int32(first + 2, attrs.dilations[0]),
    ];
    const emit = (to: Tensor): void =>
      this.#emit(depthwise ? "DEPTHWISE_CONV_2D" : "CONV_2D", inputs, to, depthwise ? OPTIONS.depthwise : OPTIONS.conv, fields);
    this.#activated(emit, rest, y);
  }

  #dense(node: NodeWith<"Dense">): void {
    const w = requireInput(this.#graph, node, 1);
    const x = requireInput(this.#graph, node, 0);
    const y = outputTensor(this.#graph, node);
    const { activation, rest } = splitActivation(node, node.attrs.activation);
    if ((w.quant?.scales.length ?? 1) > 1) return this.#denseAsConv(node, x, w, y, activation);
    const inputs = [this.#index(x), this.#index(w), this.#bias(node, w.shape[0]!)];
    const fields = [byte(0, activation), byte(1, 0), byte(2, y.shape.length > 2 ? 1 : 0)];
    this.#activated((to) => this.#emit("FULLY_CONNECTED", inputs, to, OPTIONS.dense, fields), rest, y);
  }

  /** A dense layer of TFLite had one scale for all weights until 2024; a convolution has always had one per channel. */
  #denseAsConv(node: Node, x: Tensor, w: Tensor, y: Tensor, activation: number): void {
    const [outputs = 1, depth = 1] = w.shape;
    const rows = elementCount(x.shape) / depth;
    const image = { ...this.#helper(x), shape: [1, rows, 1, depth] };
    const result = { ...this.#helper(y), shape: [1, rows, 1, outputs] };
    const weights = { ...this.#helper(w), shape: [outputs, 1, 1, depth], ...(w.data && { data: w.data }) };
    const fields = [byte(0, PADDING.valid), int32(1, 1), int32(2, 1), byte(3, activation), int32(4, 1), int32(5, 1)];
    this.#emit("RESHAPE", [this.#index(x), this.#int32s(image.shape)], image, OPTIONS.reshape);
    this.#emit("CONV_2D", [this.#index(image), this.#index(weights), this.#bias(node, outputs)], result, OPTIONS.conv, fields);
    this.#emit("RESHAPE", [this.#index(result), this.#int32s(y.shape)], y, OPTIONS.reshape);
  }

  #binary(node: NodeWith<"Binary">): void {
    const { fn } = node.attrs;
    if (fn !== "add" && fn !== "sub" && fn !== "mul") return refuse(node, `${fn} of two tensors`);
    const inputs = node.inputs.map((name) => this.#index(tensorOf(this.#graph, name)));
    const { activation, rest } = splitActivation(node, node.attrs.activation);
    const y = outputTensor(this.#graph, node);
    this.#activated((to) => this.#emit(fn.toUpperCase(), inputs, to, OPTIONS[fn], [byte(0, activation)]), rest, y);
  }

  #pool(node: NodeWith<"MaxPool2D"> | NodeWith<"AveragePool2D">): void {
    const { kernel, strides, dilations, countIncludePad, pads } = node.attrs;
    const x = requireInput(this.#graph, node, 0);
    const y = outputTensor(this.#graph, node);
    const average = node.op === "AveragePool2D";
    if (dilations.some((d) => d !== 1)) refuse(node, "a dilated pool");
    if (average && countIncludePad && pads.some((p) => p !== 0)) refuse(node, "an average that counts its padding");
    const { activation, rest } = splitActivation(node, node.attrs.activation);
    if (rest !== undefined) refuse(node, "hard-swish after a pool");
    // A pool of TFLite keeps its input's grid; the mean over the whole image may change it.
    if (!sameGrid(x.quant, y.quant)) {
      const whole = kernel[0] === x.shape[1] && kernel[1] === x.shape[2] && activation === ACTIVATION.none;
      if (!average || !whole || pads.some((p) => p !== 0)) refuse(node, "a pool whose output has another grid than its input");
      return this.#mean(this.#index(x), [1, 2], true, y);
    }
    const padding = paddingOf(pads, x.shape, y.shape, kernel, strides, dilations);
    if (padding === undefined) return refuse(node, `padding [${pads.join(", ")}] of a pool`);
    this.#emit(average ? "AVERAGE_POOL_2D" : "MAX_POOL_2D", [this.#index(x)], y, OPTIONS.pool, [
      byte(0, PADDING[padding]),
      int32(1, strides[1]),
      int32(2, strides[0]),
      int32(3, kernel[1]),
      int32(4, kernel[0]),
      byte(5, activation),
    ]);
  }

  #mean(x: number, axes: readonly number[], keepDims: boolean, y: Tensor): void {
    this.#emit("MEAN", [x, this.#int32s(axes)], y, OPTIONS.reduce, [byte(0, keepDims ? 1 : 0)]);
  }

  #unary(node: NodeWith<"Unary">): void {
    const { fn, min, max, alpha = 0.2, beta = 0.5 } = node.attrs;
    const x = requireInput(this.#graph, node, 0);
    const y = outputTensor(this.#graph, node);
    const simple: Partial<Record<typeof fn, string>> = { relu: "RELU", sigmoid: "LOGISTIC", tanh: "TANH", hardswish: "HARD_SWISH" };
    const op = fn === "clip" && min === 0 && max === 6 ? "RELU6" : fn === "clip" && min === 0 && max === undefined ? "RELU" : simple[fn];
    if (op !== undefined) return this.#emit(op, [this.#index(x)], y);
    if (fn !== "hardsigmoid" || y.quant !== undefined) return refuse(node, `function ${fn}`);
    // clamp(αx + β, 0, 1) = relu6(6αx + 6β) / 6
    const scaled = this.#helper(y);
    const clamped = this.#helper(y);
    this.#emit("MUL", [this.#index(x), this.#float32(6 * alpha)], scaled, OPTIONS.mul, [byte(0, ACTIVATION.none)]);
    this.#emit("ADD", [this.#index(scaled), this.#float32(6 * beta)], clamped, OPTIONS.add, [byte(0, ACTIVATION.relu6)]);
    this.#emit("MUL", [this.#index(clamped), this.#float32(1 / 6)], y, OPTIONS.mul, [byte(0, ACTIVATION.none)]);
  }

  /** `same` or `valid`, with an explicit PAD before it where TFLite's two rules do not give the pads. */
  #padded(
    node: Node,
    x: Tensor,
    { pads, strides, dilations }: Conv2DAttrs,
    kernel: readonly [number, number],
    y: Shape,
  ): { readonly padding: "same" | "valid"; readonly input: number } {
    const padding = paddingOf(pads, x.shape, y, kernel, strides, dilations);
    if (padding !== undefined) return { padding, input: this.#index(x) };
    const [top, left, bottom, right] = pads;
    const [n = 1, h = 1, w = 1, c = 1] = x.shape;
    const padded = this.#helper({ ...x, name: `${node.name}/padded`, shape: [n, h + top + bottom, w + left + right, c] });
    const widths = this.#constant("INT32", [4, 2], Int32Array.of(0, 0, top, bottom, left, right, 0, 0));
    this.#emit("PAD", [this.#index(x), widths], padded, OPTIONS.pad);
    return { padding: "valid", input: this.#index(padded) };
  }

  /** The node's bias, or zeros: delegates expect one. */
  #bias(node: Node, channels: number): number {
    const x = requireInput(this.#graph, node, 0);
    const w = requireInput(this.#graph, node, 1);
    const bias = inputTensor(this.#graph, node, 2);
    if (x.quant === undefined || w.quant === undefined) {
      return bias === undefined ? this.#constant("FLOAT32", [channels], new Float32Array(channels)) : this.#index(bias);
    }
    const inputScale = x.quant.scales[0]!;
    const scales = w.quant.scales.map((s) => Math.fround(s * inputScale));
    const data = bias?.data ?? new Int32Array(channels);
    return this.#constant("INT32", [channels], data, { scales, zeroPoints: new Int32Array(scales.length), axis: 0 });
  }

  /** Emits into `y`, or into a helper that a hard-swish takes to `y`. */
  #activated(emit: (to: Tensor) => void, rest: "hardswish" | undefined, y: Tensor): void {
    if (rest === undefined) return emit(y);
    if (y.quant !== undefined) throw new UnsupportedError(`tensor "${y.name}": a fused hard-swish on integers cannot be written as TFLite`);
    const plain = this.#helper(y);
    emit(plain);
    this.#emit("HARD_SWISH", [this.#index(plain)], y);
  }

  #emit(op: string, inputs: readonly number[], output: Tensor, type?: number, fields: readonly OptionField[] = []): void {
    const outputs = [this.#index(output)];
    const quantized = this.#tensors[inputs[0]!]?.type === "INT8" || output.dtype === "int8";
    const version = quantized ? (INT8_VERSION[op] ?? 1) : 1;
    this.#operators.push({ op, version, inputs, outputs, ...(type !== undefined && { options: { type, fields } }) });
  }

  #index(tensor: Tensor): number {
    const known = this.#indices.get(tensor.name);
    if (known !== undefined) return known;
    const type = TYPES[tensor.dtype];
    if (type === undefined) throw new UnsupportedError(`tensor "${tensor.name}": ${tensor.dtype} is not written as TFLite`);
    const { quant } = tensor;
    const index = this.#tensors.length;
    this.#indices.set(tensor.name, index);
    this.#tensors.push({
      name: tensor.name,
      shape: tensor.shape,
      type,
      ...(quant && { quant: { ...quant, axis: quant.axis ?? 0 } }),
      ...(tensor.data && { data: tensor.data }),
    });
    return index;
  }

  #helper(like: Tensor): Tensor {
    let name = `${like.name}/helper`;
    for (let i = 2; this.#helpers.has(name) || this.#graph.tensors.has(name); i++) name = `${like.name}/helper_${i}`;
    this.#helpers.add(name);
    return { name, dtype: like.dtype, shape: like.shape, ...(like.quant && { quant: like.quant }) };
  }

  #constant(type: TensorType, shape: Shape, data: TypedArray, quant?: TfliteTensor["quant"]): number {
    const index = this.#tensors.length;
    this.#tensors.push({ name: `constant_${index}`, shape, type, data, ...(quant && { quant }) });
    return index;
  }

  #int32s(values: readonly number[]): number {
    return this.#constant("INT32", [values.length], Int32Array.from(values));
  }

  #float32(value: number): number {
    return this.#constant("FLOAT32", [], Float32Array.of(value));
  }
}

/** Which of TFLite's rules gives these pads: `valid` none, `same` half of what the output size needs, the odd one at the end. */
function paddingOf(
  pads: Pads2D,
  x: Shape,
  y: Shape,
  kernel: readonly [number, number],
  strides: readonly [number, number],
  dilations: readonly [number, number],
): "same" | "valid" | undefined {
  if (pads.every((p) => p === 0)) return "valid";
  const same = [0, 1].every((d) => {
    const size = x[d + 1]!;
    if (y[d + 1] !== Math.ceil(size / strides[d]!)) return false;
    const total = Math.max(0, (y[d + 1]! - 1) * strides[d]! + (kernel[d]! - 1) * dilations[d]! + 1 - size);
    return pads[d] === total >> 1 && pads[d + 2] === total - (total >> 1);
  });
  return same ? "same" : undefined;
}

function splitActivation(node: Node, activation: Activation | undefined): { readonly activation: number; readonly rest?: "hardswish" } {
  if (activation === undefined) return { activation: ACTIVATION.none };
  if (activation.kind === "hardswish") return { activation: ACTIVATION.none, rest: "hardswish" };
  const { min, max } = activation;
  if (min === -Infinity && max === Infinity) return { activation: ACTIVATION.none };
  if (min === 0 && max === Infinity) return { activation: ACTIVATION.relu };
  if (min === 0 && max === 6) return { activation: ACTIVATION.relu6 };
  if (min === -1 && max === 1) return { activation: ACTIVATION.relu1 };
  return refuse(node, `a clamp to ${min}..${max}`);
}

function sameGrid(a: Quantization | undefined, b: Quantization | undefined): boolean {
  return a?.scales[0] === b?.scales[0] && a?.zeroPoints[0] === b?.zeroPoints[0];
}

function byte(field: number, value: number): OptionField {
  return { field, type: "byte", value };
}

function int32(field: number, value: number): OptionField {
  return { field, type: "int32", value };
}

function refuse(node: Node, what: string): never {
  throw new UnsupportedError(`node "${node.name}" (${node.op}): ${what} is not written as TFLite`);
}
