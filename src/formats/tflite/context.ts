/** What every operator importer works with: its operands resolved to graph tensors, and helpers that emit nodes. */
import { FormatError, ShapeError, UnsupportedError, formatShape } from "../../errors.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import { elementCount, isFloat, type DType, type TypedArray } from "../../graph/dtype.ts";
import type { Activation, OpAttrs, OpName, Quantization, Shape, Tensor } from "../../graph/ir.ts";
import type { ImportOptions } from "../options.ts";
import type { FileModel, FileOperator } from "./schema.ts";
import type { FlatTable } from "./table.ts";
import { dtypeOf, quantizationOf, shapeOf } from "./tensors.ts";

/** Integer nodes over constants with at most this many results are computed on import: shape arithmetic. */
const FOLD_LIMIT = 1024;

/** Ops that carry elements over unchanged. */
const MOVES: ReadonlySet<OpName> = new Set<OpName>(["Reshape", "Transpose", "Slice", "Gather", "Pad", "Resize", "MaxPool2D"]);

/** Ops whose further inputs are weights or indices. */
const ONE_DATA_INPUT: ReadonlySet<OpName> = new Set<OpName>(["Conv2D", "DepthwiseConv2D", "ConvTranspose2D", "Dense", "Gather"]);

type QuantizedType = Pick<Tensor, "dtype"> & { readonly quant?: Quantization | undefined };

/** Both per tensor. */
function sameQuantization(a: QuantizedType, b: QuantizedType): boolean {
  return a.dtype === b.dtype && a.quant?.scales[0] === b.quant?.scales[0] && a.quant?.zeroPoints[0] === b.quant?.zeroPoints[0];
}

export interface OutputDecl {
  readonly name: string;
  readonly dtype: DType;
  readonly quant: Quantization | undefined;
  /** As the file gives it; differs from the truth when dynamic dimensions were bound otherwise. */
  readonly shape: Shape;
}

/** State of one import. */
export interface ImportState {
  readonly model: FileModel;
  readonly builder: GraphBuilder;
  readonly options: ImportOptions;
  /** File tensor index → graph tensor name, once defined. */
  readonly names: Map<number, string>;
  /** Input shapes were bound to something else than the file's: its other shapes say nothing then. */
  readonly rebound: boolean;
}

export class OpContext {
  readonly op: string;
  readonly builder: GraphBuilder;
  /** `model.tflite: operator 3 (CONV_2D)` */
  readonly where: string;
  readonly state: ImportState;
  /** Name for nodes: `conv_2d_3`. */
  readonly nodeName: string;
  readonly #operator: FileOperator;
  readonly #outputs: readonly OutputDecl[];

  constructor(state: ImportState, operator: FileOperator) {
    this.state = state;
    this.builder = state.builder;
    this.#operator = operator;
    this.op = operator.op;
    this.where = `${state.options.name}: operator ${operator.index} (${operator.op})`;
    this.nodeName = `${operator.op.toLowerCase()}_${operator.index}`;
    this.#outputs = [...operator.outputs].map((index) => this.#declare(index));
  }

  #declare(index: number): OutputDecl {
    const { model, names, options } = this.state;
    const tensor = model.tensors[index];
    if (tensor === undefined) this.malformed(`writes tensor ${index}, there are ${model.tensors.length}`);
    if (names.has(index)) this.malformed(`writes tensor ${index}, which is already written`);
    const dtype = dtypeOf(tensor, options.name);
    const name = this.builder.unique(tensor.name === "" ? `tensor_${index}` : tensor.name);
    return { name, dtype, quant: quantizationOf(model, tensor, dtype), shape: shapeOf(model, tensor) };
  }

  unsupported(what: string, remedy = ""): never {
    throw new UnsupportedError(`${this.where}: ${what}`, remedy);
  }

  malformed(what: string): never {
    throw new FormatError(`${this.where}: ${what}`);
  }

  get inputCount(): number {
    return this.#operator.inputs.length;
  }

  get outputCount(): number {
    return this.#outputs.length;
  }

  /** Options of the operator; an absent table has every field at its default. */
  option<T>(read: (options: FlatTable) => T, fallback: T): T {
    return this.#operator.options === undefined ? fallback : read(this.#operator.options);
  }

  /** Input i, or undefined where it is optional and absent. */
  optional(i: number): Tensor | undefined {
    const index = this.#operator.inputs[i];
    if (index === undefined || index === -1) return undefined;
    const name = this.state.names.get(index);
    if (name === undefined) this.malformed(`reads tensor ${index}, which no earlier operator writes`);
    return this.builder.tensor(name);
  }

  input(i: number): Tensor {
    const tensor = this.optional(i);
    if (tensor === undefined) this.malformed(`input ${i} is missing`);
    return tensor;
  }

  output(i = 0): OutputDecl {
    const output = this.#outputs[i];
    if (output === undefined) this.malformed(`output ${i} is missing`);
    return output;
  }

  /** Data of input i, which must be known now: axes, paddings, sizes. */
  constant(i: number, what: string): TypedArray {
    const { data } = this.input(i);
    if (data === undefined) this.unsupported(`${what} is computed at run time, expected a constant`);
    return data;
  }

  /** Axes from -rank to rank-1 → 0 to rank-1. */
  axis(axis: number, rank: number): number {
    const positive = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(positive) || positive < 0 || positive >= rank) this.malformed(`axis ${axis}, expected ${-rank} to ${rank - 1}`);
    return positive;
  }

  /** A quantized (8 bits, or int16 with zero point 0; per-tensor) operand. Other integer widths have no kernels. */
  isQuantized(tensor: QuantizedType): boolean {
    const { dtype, quant } = tensor;
    if (quant === undefined || quant.axis !== undefined) return false;
    return dtype === "int8" || dtype === "uint8" || (dtype === "int16" && quant.zeroPoints[0] === 0);
  }

  /** Whether two quantized operands are both of 8 bits or both int16. */
  isOneWidth(a: QuantizedType, b: QuantizedType): boolean {
    return (a.dtype === "int16") === (b.dtype === "int16");
  }

  /** Fails unless the operand is float or quantized. */
  requireNumeric(tensor: Tensor | OutputDecl, what: string): void {
    if (isFloat(tensor.dtype) || this.isQuantized(tensor)) return;
    this.unsupported(
      `${what} is ${tensor.dtype}${tensor.quant ? "" : " without quantization"}, expected float32, int8 or uint8 with one scale, or int16 with one scale and zero point 0`,
    );
  }

  /** A node whose result is not one of the operator's outputs. Returns the tensor's name. */
  temporary<O extends OpName>(
    op: O,
    inputs: readonly string[],
    attrs: OpAttrs[O],
    output: { shape?: Shape; dtype?: DType; quant?: Quantization } = {},
  ): string {
    return this.#add(op, inputs, attrs, { ...output, name: this.builder.unique(`${this.output().name}__${op.toLowerCase()}`) });
  }

  /** The node that writes output i. `shape` only for ops that do not determine it. */
  emit<O extends OpName>(op: O, inputs: readonly string[], attrs: OpAttrs[O], extra: { shape?: Shape; output?: number } = {}): void {
    const output = this.output(extra.output);
    const { name, dtype, quant } = output;
    this.#checkTypes(op, inputs, output);
    const x = this.builder.tensor(inputs[0]!);
    const shape = extra.shape && { shape: extra.shape };
    if (MOVES.has(op) && this.isQuantized(x) && x.quant && !sameQuantization(x, output)) {
      // The op moves bytes on the input's grid; a second node changes the grid.
      const moved = this.temporary(op, inputs, attrs, { dtype: x.dtype, quant: x.quant, ...shape });
      this.#add("Requantize", [moved], {}, { name, dtype, ...(quant && { quant }) });
    } else {
      this.#add(op, inputs, attrs, { name, dtype, ...(quant && { quant }), ...shape });
    }
    this.#check(output);
  }

  /** Data inputs and output are all float, all 8-bit or int16 quantized, or all of one other type; conversions excepted. */
  #checkTypes(op: OpName, inputs: readonly string[], output: OutputDecl): void {
    if (op === "Quantize" || op === "Dequantize" || op === "Requantize" || op === "Cast") return;
    const kindOf = (tensor: Tensor | OutputDecl): string =>
      !this.isQuantized(tensor) ? tensor.dtype : tensor.dtype === "int16" ? "int16 quantized" : "8-bit quantized";
    const data = ONE_DATA_INPUT.has(op) ? inputs.slice(0, 1) : inputs;
    for (const name of data) {
      const kind = kindOf(this.builder.tensor(name));
      if (kind !== kindOf(output)) this.unsupported(`input "${name}" is ${kind}, the output is ${kindOf(output)}`);
    }
  }

  /** Output i is a known value. */
  emitConstant(shape: Shape, data: TypedArray, i = 0): void {
    const output = this.output(i);
    this.builder.constant(output.name, output.dtype, shape, data);
    this.#check(output);
  }

  /** Compares with what the file states, which holds unless dimensions were bound anew. */
  #check(output: OutputDecl): void {
    const { shape } = this.builder.tensor(output.name);
    if (this.state.rebound || formatShape(shape) === formatShape(output.shape)) return;
    // Files with an unknown batch or rank store an empty shape.
    if (output.shape.length === 0 && elementCount(shape) >= 1) return;
    throw new ShapeError(`${this.where}: output has shape ${formatShape(shape)}, the file states ${formatShape(output.shape)}`);
  }

  #add<O extends OpName>(
    op: O,
    inputs: readonly string[],
    attrs: OpAttrs[O],
    output: { name: string; shape?: Shape; dtype?: DType; quant?: Quantization },
  ): string {
    try {
      return this.#fold(op, inputs, attrs, output) ?? this.builder.add(op, this.nodeName, inputs, attrs, output);
    } catch (error) {
      if (error instanceof ShapeError) throw new ShapeError(`${this.where}: ${error.message}`, error.remedy);
      throw error;
    }
  }

  /** Computes small integer results of constants on the spot, so that later operators find constant shapes and axes. */
  #fold<O extends OpName>(
    op: O,
    inputs: readonly string[],
    attrs: OpAttrs[O],
    output: { name: string; shape?: Shape; dtype?: DType; quant?: Quantization },
  ): string | undefined {
    if (output.quant !== undefined) return undefined;
    const scratch = new GraphBuilder("fold");
    for (const name of new Set(inputs)) {
      const tensor = name === "" ? undefined : this.builder.tensor(name);
      if (tensor?.data === undefined || (tensor.dtype !== "int32" && tensor.dtype !== "int64")) return undefined;
      scratch.constant(name, tensor.dtype, tensor.shape, tensor.data);
    }
    scratch.add(op, this.nodeName, inputs, attrs, output);
    const { nodes, tensors } = scratch.finish([output.name]);
    const { dtype, shape } = scratch.tensor(output.name);
    if (isFloat(dtype) || elementCount(shape) > FOLD_LIMIT) return undefined;
    const data = this.state.options.evaluate(nodes[0]!, tensors)[0];
    return data === undefined ? undefined : this.builder.constant(output.name, dtype, shape, data);
  }

  /** Input i as float32: itself, or a Dequantize of it. */
  asFloat(i: number): string {
    const tensor = this.input(i);
    if (isFloat(tensor.dtype)) return tensor.name;
    if (tensor.quant === undefined) this.unsupported(`input ${i} is ${tensor.dtype} without quantization, expected float32`);
    const name = this.builder.unique(`${tensor.name}__float`);
    return this.#add("Dequantize", [tensor.name], {}, { name, dtype: "float32" });
  }

  /**
   * Runs an op in float whatever the operands are: integer inputs were dequantized by `asFloat`, an integer output is quantized. For
   * ops that have no integer arithmetic of their own.
   */
  emitFloat<O extends OpName>(op: O, inputs: readonly string[], attrs: OpAttrs[O], shape?: Shape): void {
    const output = this.output();
    if (isFloat(output.dtype)) {
      this.emit(op, inputs, attrs, shape && { shape });
      return;
    }
    if (output.quant === undefined) this.unsupported(`the output is ${output.dtype} without quantization, expected float32`);
    const real = this.temporary(op, inputs, attrs, { dtype: "float32", ...(shape && { shape }) });
    this.emit("Quantize", [real], {});
  }

  /** Schema's `ActivationFunctionType`. */
  activation(code: number): { activation?: Activation } {
    switch (code) {
      case 0:
        return {};
      case 1:
        return { activation: { kind: "clamp", min: 0, max: Infinity } };
      case 2:
        return { activation: { kind: "clamp", min: -1, max: 1 } };
      case 3:
        return { activation: { kind: "clamp", min: 0, max: 6 } };
      default:
        return this.unsupported(`fused activation ${["TANH", "SIGN_BIT"][code - 4] ?? code} is not supported`);
    }
  }
}
