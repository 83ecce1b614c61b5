/**
 * What the op importers work with: ONNX names mapped to tensors of the graph under construction, folding of nodes whose inputs are all
 * constant, and helpers for the patterns that many ops share.
 */
import { UnsupportedError, formatShape } from "../../errors.ts";
import type { GraphBuilder, OutputSpec } from "../../graph/builder.ts";
import { createArray, elementCount, isFloat, type DType, type TypedArray } from "../../graph/dtype.ts";
import type { Constant, ConstantEvaluator, Node, OpAttrs, OpName, Quantization, Shape, Tensor } from "../../graph/ir.ts";
import { identityPerm, isIdentity, permuteData, permuteList, permuteQuant, type Perm } from "../../graph/permute.ts";
import type { OnnxNode } from "./node.ts";
import { checkedCount, readTensor } from "./tensor.ts";

/** Folded constants beyond this many elements stay nodes: a few bytes of a file must not become gigabytes. */
const MAX_FOLDED = 2 ** 22;

/** Ops that move values without changing them: the result lies on the same integer grid. */
const MOVES: ReadonlySet<OpName> = new Set<OpName>(["Reshape", "Transpose", "Slice", "Gather", "Expand", "MaxPool2D", "Pad", "Concat"]);

/** Heavy ops are left to run (or to the constant folding pass) even when all their inputs are constant. */
const NOT_FOLDED: ReadonlySet<OpName> = new Set<OpName>(["Conv2D", "DepthwiseConv2D", "ConvTranspose2D", "Dense", "MatMul", "Dequantize"]);

export class ImportContext {
  readonly builder: GraphBuilder;
  readonly #evaluate: ConstantEvaluator;
  /** ONNX name → tensor name; initializers are added on first use. */
  readonly #values = new Map<string, string>();
  readonly #initializers: ReadonlyMap<string, () => string>;
  /** Every name of the file: helpers must not take one that comes later. */
  readonly #reserved: ReadonlySet<string>;
  readonly #needed: ReadonlySet<string>;
  /** Output of a Dequantize of a constant → that constant. */
  readonly #dequantized = new Map<string, Constant>();

  constructor(
    builder: GraphBuilder,
    evaluate: ConstantEvaluator,
    names: {
      readonly initializers: ReadonlyMap<string, () => string>;
      readonly reserved: ReadonlySet<string>;
      readonly needed: ReadonlySet<string>;
    },
  ) {
    this.builder = builder;
    this.#evaluate = evaluate;
    this.#initializers = names.initializers;
    this.#reserved = names.reserved;
    this.#needed = names.needed;
  }

  /** True when a node or graph output reads the node's i-th output. */
  isNeeded(node: OnnxNode, index: number): boolean {
    const name = node.outputs[index];
    return name !== undefined && name !== "" && this.#needed.has(name);
  }

  lookup(name: string): Tensor | undefined {
    const known = this.#values.get(name) ?? this.#initializers.get(name)?.();
    if (known === undefined) return undefined;
    this.#values.set(name, known);
    return this.builder.tensor(known);
  }

  has(node: OnnxNode, index: number): boolean {
    return (node.inputs[index] ?? "") !== "";
  }

  /** The node's i-th input. */
  input(node: OnnxNode, index: number): Tensor {
    const name = node.inputs[index] ?? "";
    if (name === "") node.fail(`input ${index} is missing`);
    const tensor = this.lookup(name);
    if (tensor === undefined) node.fail(`input "${name}" is not a graph input, an initializer or the output of another node`);
    return tensor;
  }

  optional(node: OnnxNode, index: number): Tensor | undefined {
    return this.has(node, index) ? this.input(node, index) : undefined;
  }

  /** An input whose values the importer needs: shapes, axes, pads, scales. */
  constantInput(node: OnnxNode, index: number, what: string): Constant {
    const tensor = this.input(node, index);
    if (tensor.data === undefined) {
      throw new UnsupportedError(
        `${node.where}: ${what} (input ${index}, "${node.inputs[index] ?? ""}") is computed from the data, expected a constant`,
        "Export the model with static shapes",
      );
    }
    return tensor as Constant;
  }

  integers(node: OnnxNode, index: number, what: string): readonly number[] {
    const tensor = this.constantInput(node, index, what);
    if (isFloat(tensor.dtype)) node.fail(`${what} (input ${index}) is ${tensor.dtype}, expected integers`);
    return Array.from(tensor.data);
  }

  /** Axes or the like: an input in newer opsets, an attribute in older ones. */
  integersOrAttribute(node: OnnxNode, index: number, name: string): readonly number[] | undefined {
    return this.has(node, index) ? this.integers(node, index, name) : node.ints(name);
  }

  /** An axis counted from the front. */
  axis(node: OnnxNode, axis: number, rank: number): number {
    const positive = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(axis) || positive < 0 || positive >= rank) node.fail(`axis ${axis} is outside a tensor of rank ${rank}`);
    return positive;
  }

  /** Makes the node's i-th output mean this tensor. */
  bind(node: OnnxNode, tensor: Tensor, index = 0): void {
    const name = node.outputs[index];
    if (name !== undefined && name !== "") this.#values.set(name, tensor.name);
  }

  bindInput(name: string): void {
    this.#values.set(name, name);
  }

  constant(base: string, dtype: DType, shape: Shape, data: TypedArray, quant?: Quantization): Constant {
    const name = this.fresh(base);
    this.builder.constant(name, dtype, shape, data, quant && { quant });
    return this.builder.tensor(name) as Constant;
  }

  scalar(base: string, dtype: DType, value: number): Constant {
    const data = createArray(dtype, 1);
    data[0] = value;
    return this.constant(base, dtype, [], data);
  }

  integerVector(base: string, values: readonly number[]): Constant {
    return this.constant(base, "int64", [values.length], Float64Array.from(values));
  }

  tensorAttribute(node: OnnxNode, name: string): Constant | undefined {
    const proto = node.tensor(name);
    if (proto === undefined) return undefined;
    const { dtype, shape, data } = readTensor(proto, `${node.where}: attribute ${name}`);
    return this.constant(node.outputs[0] ?? node.name, dtype, shape, data);
  }

  /** A helper op on the way to the node's result; named after the node and what it does. */
  helper<O extends OpName>(
    node: OnnxNode,
    role: string,
    op: O,
    inputs: readonly Tensor[],
    attrs: OpAttrs[O],
    output: OutputSpec = {},
  ): Tensor {
    return this.#add(op, `${node.name}/${role}`, this.fresh(`${node.name}/${role}`), inputs, attrs, output);
  }

  /** The op that is the node's result: carries its name, writes and binds its i-th output. */
  result<O extends OpName>(
    node: OnnxNode,
    op: O,
    inputs: readonly (Tensor | undefined)[],
    attrs: OpAttrs[O],
    output: OutputSpec = {},
    index = 0,
  ): Tensor {
    const own = node.outputs[index] ?? "";
    const name = own === "" || this.builder.has(own) ? this.fresh(`${node.name}/out`) : own;
    const tensor = this.#add(op, index === 0 ? node.name : `${node.name}:${index}`, name, inputs, attrs, output);
    this.bind(node, tensor, index);
    return tensor;
  }

  /**
   * Runs a float importer under the node's name, its output under a helper name: for ops that are a float op with something behind it.
   * @returns the float result
   */
  standIn(node: OnnxNode, run: (inner: OnnxNode) => void): Tensor {
    const output = this.fresh(`${node.outputs[0] ?? node.name}/float`);
    run(node.withOutputs([output]));
    const tensor = this.lookup(output);
    return tensor ?? node.fail("no result");
  }

  /** The node's output: a float tensor put on an integer grid. */
  quantizedResult(node: OnnxNode, x: Tensor, dtype: DType, quant: Quantization): void {
    const own = node.outputs[0] ?? "";
    const name = own === "" || this.builder.has(own) ? this.fresh(`${node.name}/out`) : own;
    this.bind(node, this.#add("Quantize", `${node.name}/quantize`, name, [x], {}, { dtype, quant }));
  }

  /** The channels-last op at the heart of a node: carries the node's name, its output is brought back by a Transpose. */
  spatial<O extends OpName>(node: OnnxNode, op: O, inputs: readonly Tensor[], attrs: OpAttrs[O]): Tensor {
    return this.#add(op, node.name, this.fresh(`${node.outputs[0] ?? node.name}/nhwc`), inputs, attrs, {});
  }

  transpose(node: OnnxNode, role: string, x: Tensor, perm: Perm): Tensor {
    return isIdentity(perm) ? x : this.helper(node, role, "Transpose", [x], { perm });
  }

  reshape(node: OnnxNode, role: string, x: Tensor, shape: Shape): Tensor {
    return formatShape(x.shape) === formatShape(shape) ? x : this.helper(node, role, "Reshape", [x], {}, { shape });
  }

  /** The constant that a Dequantize feeds into this tensor. */
  dequantizedFrom(tensor: Tensor): Constant | undefined {
    return this.#dequantized.get(tensor.name);
  }

  /** True for a constant and for a dequantized one. */
  isWeight(tensor: Tensor): boolean {
    return tensor.data !== undefined || this.#dequantized.has(tensor.name);
  }

  #add<O extends OpName>(
    op: O,
    nodeName: string,
    name: string,
    inputs: readonly (Tensor | undefined)[],
    attrs: OpAttrs[O],
    spec: OutputSpec,
  ): Tensor {
    const first = inputs[0];
    const quant = spec.quant ?? (MOVES.has(op) ? movedQuant(op, first, attrs) : undefined);
    const output = quant === undefined ? spec : { ...spec, quant };
    const weight = first && this.#permutedWeight(op, nodeName, name, first, attrs, output);
    if (weight !== undefined) return weight;
    const names = inputs.map((t) => t?.name ?? "");
    this.builder.add(op, nodeName, names, attrs, { ...output, name });
    const tensor = this.builder.tensor(name);
    checkedCount(tensor.shape, `node "${nodeName}" (${op})`);
    if (op === "Dequantize" && first?.data !== undefined) this.#dequantized.set(name, first as Constant);
    if (NOT_FOLDED.has(op) || inputs.some((t) => t !== undefined && t.data === undefined)) return tensor;
    return this.#folded(tensor, { name: nodeName, op, inputs: names, outputs: [name], attrs } as unknown as Node);
  }

  /** Replaces a node of constants by its value. The node stays behind unread and is dropped when the graph is finished. */
  #folded(tensor: Tensor, node: Node): Tensor {
    if (elementCount(tensor.shape) > MAX_FOLDED) return tensor;
    const tensors = new Map([...node.inputs.filter((n) => n !== ""), tensor.name].map((n) => [n, this.builder.tensor(n)]));
    const [data] = this.#evaluate(node, tensors);
    return data === undefined ? tensor : this.constant(`${tensor.name}/value`, tensor.dtype, tensor.shape, data, tensor.quant);
  }

  /** Transposes and reshapes of a dequantized constant happen on the integers, so that weights stay weights. */
  #permutedWeight<O extends OpName>(
    op: O,
    nodeName: string,
    name: string,
    x: Tensor,
    attrs: OpAttrs[O],
    output: OutputSpec,
  ): Tensor | undefined {
    const constant = x.data === undefined ? this.#dequantized.get(x.name) : (x as Constant);
    if (constant === undefined) return undefined;
    let moved: Constant | undefined;
    if (op === "Transpose") {
      const { perm } = attrs as OpAttrs["Transpose"];
      if (perm.length !== constant.shape.length || perm.some((p) => constant.shape[p] === undefined)) return undefined;
      const data = permuteData(constant.data, constant.dtype, constant.shape, perm);
      const quant = constant.quant && permuteQuant(constant.quant, perm);
      moved = this.constant(`${name}/value`, constant.dtype, permuteList(constant.shape, perm), data, quant);
    } else if (op === "Reshape" && constant.quant?.axis === undefined && output.shape !== undefined) {
      if (elementCount(output.shape) !== elementCount(constant.shape)) return undefined;
      moved = this.constant(`${name}/value`, constant.dtype, output.shape, constant.data, constant.quant);
    }
    if (moved === undefined || x.data !== undefined) return moved;
    this.builder.add("Dequantize", nodeName, [moved.name], {}, { name, dtype: x.dtype });
    this.#dequantized.set(name, moved);
    return this.builder.tensor(name);
  }

  /** `base`, or a name like it that neither the graph nor the file uses. */
  fresh(base: string): string {
    let name = base;
    for (let i = 2; this.builder.has(name) || this.#reserved.has(name); i++) name = `${base}_${i}`;
    return name;
  }
}

function movedQuant<O extends OpName>(op: O, first: Tensor | undefined, attrs: OpAttrs[O]): Quantization | undefined {
  const quant = first?.quant;
  if (quant?.axis === undefined) return quant;
  return op === "Transpose" ? permuteQuant(quant, (attrs as OpAttrs["Transpose"]).perm) : undefined;
}

/** [0, 2, 3, 1]: channels-first to channels-last, any rank from 2. */
export function toChannelsLast(rank: number): Perm {
  return [0, ...identityPerm(rank).slice(2), 1];
}

/** [0, 3, 1, 2] */
export function toChannelsFirst(rank: number): Perm {
  return [0, rank - 1, ...identityPerm(rank).slice(1, -1)];
}
