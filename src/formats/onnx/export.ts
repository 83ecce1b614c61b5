/**
 * Graph → ONNX (opset 17, or 21 with int16 activations, which earlier ones cannot quantize). Images become channels-first, graph inputs and
 * outputs keep the shapes that they have in the graph.
 * Quantized tensors are written in QDQ form: every op runs in float between a DequantizeLinear and a QuantizeLinear, weights are int8
 * initializers behind a DequantizeLinear, int32 biases are dequantized by scale(input) × scale(weights). Runtimes fuse that back into
 * integer ops, and so do our own passes. On request integer nodes take the QOperator form where there is one, QDQ elsewhere. An int64 bias, which ONNX
 * cannot dequantize, is written in float32. Weights alone: float16 behind a Cast, int4 of Dense layers in a MatMulNBits; on request sparse where that is
 * shorter.
 */
import { UnsupportedError } from "../../errors.ts";
import { inputTensor, outputTensor, requireInput, tensorOf } from "../../graph/access.ts";
import { createArray, type DType } from "../../graph/dtype.ts";
import type { Activation, Float16Code, Graph, Int8Code, Node, Quantization, Shape, Tensor } from "../../graph/ir.ts";
import { dynamicLayer, isDynamic, type DynamicNode } from "../../graph/dynamic.ts";
import { toChannelsFirstGraph } from "./channels-first.ts";
import { MICROSOFT_DOMAIN, emitInt4Dense, int4Dense } from "./export-int4.ts";
import { TREE_DOMAIN, emitTrees } from "./export-trees.ts";
import { emitDynamic, type QuantizedInputs } from "./export-dynamic.ts";
import { emitNode, type ExportedNode } from "./export-ops.ts";
import { emitQOperator } from "./export-qoperator.ts";
import { encodeModel } from "./proto.ts";
import { onnxType } from "./tensor.ts";
import { OnnxWriter } from "./writer.ts";

/** Versions of ONNX's operators, and of the file format that the first of them needs. */
const PLAIN = { opset: 17, irVersion: 8 } as const;
/** The first that quantizes to int16. */
const WIDE = { opset: 21, irVersion: 10 } as const;

/** Ops that runtimes run on integer tensors as they are, when the grid stays the same. */
const INTEGER_MOVES: ReadonlySet<string> = new Set(["Reshape", "Transpose", "Slice", "Gather"]);

/** Forms of integer ops. */
export const ONNX_FORMS = ["qdq", "qoperator"] as const;
export type OnnxForm = (typeof ONNX_FORMS)[number];

export interface OnnxExportOptions {
  /** Default: qdq. */
  readonly form?: OnnxForm;
  /** Initializers with so many zeros that a list of the others is shorter become sparse ones, which not every runtime reads. Default: no. */
  readonly sparse?: boolean;
}

/** @throws UnsupportedError for what the operators cannot say */
export function exportOnnx(graph: Graph, { form = "qdq", sparse = false }: OnnxExportOptions = {}): Uint8Array {
  const first = toChannelsFirstGraph(graph);
  const exporter = new Exporter(first, form, sparse);
  for (const node of first.nodes) exporter.write(node);
  return exporter.finish();
}

class Exporter {
  readonly #graph: Graph;
  readonly #writer: OnnxWriter;
  readonly #version: typeof PLAIN | typeof WIDE;
  /** Quantized tensor → its dequantized form. */
  readonly #real = new Map<string, string>();
  readonly #written = new Set<string>();
  readonly #quantizedInputs: QuantizedInputs = new Map();

  readonly #form: OnnxForm;

  constructor(graph: Graph, form: OnnxForm, sparse: boolean) {
    this.#graph = graph;
    this.#form = form;
    const isWide = [...graph.tensors.values()].some(({ dtype, quant }) => dtype === "int16" && quant !== undefined);
    this.#version = isWide ? WIDE : PLAIN;
    this.#writer = new OnnxWriter(graph.tensors.keys(), this.#version.opset, sparse);
  }

  write(node: Node): void {
    const output = outputTensor(this.#graph, node);
    if (node.op === "Quantize") return this.#quantize(node.name, this.#stored(requireInput(this.#graph, node, 0)), output);
    if (node.op === "Dequantize") return this.#dequantizeNode(node, output);
    if (node.op === "TreeEnsemble") {
      emitTrees(this.#writer, this.#graph, node, this.#stored(requireInput(this.#graph, node, 0)), output.name);
      return;
    }
    const first = inputTensor(this.#graph, node, 0);
    const moves = INTEGER_MOVES.has(node.op) || (this.#form === "qoperator" && node.op === "MaxPool2D");
    if (moves && first?.quant !== undefined && sameQuant(first.quant, output.quant)) {
      const inputs = node.inputs.map((name) => (name === "" ? "" : this.#stored(tensorOf(this.#graph, name))));
      emitNode(this.#writer, this.#exported(node, inputs, output.name));
      return;
    }
    if (isDynamic(node)) return this.#dynamic(node, output);
    if (this.#form === "qoperator" && this.#asQOperator(node)) return;
    const int4 = int4Dense(this.#graph, node);
    const inputs = node.inputs.map((name, i) => (name === "" || (i === 1 && int4 !== undefined) ? "" : this.#float(node, i)));
    const quantized = output.quant !== undefined;
    const activation = "activation" in node.attrs ? node.attrs.activation : undefined;
    const real = quantized ? this.#writer.helper() : output.name;
    const plain = activation === undefined ? real : this.#writer.helper();
    if (node.op === "Requantize") this.#writer.node("Identity", node.name, inputs, plain);
    else if (int4 !== undefined) emitInt4Dense(this.#writer, int4, inputs[0]!, inputs[2], plain);
    else emitNode(this.#writer, this.#exported(node, inputs, plain));
    if (activation !== undefined) this.#activate(activation, quantized ? "float32" : output.dtype, plain, real);
    if (quantized) this.#quantize("", real, output);
  }

  finish(): Uint8Array {
    for (const name of this.#graph.outputs) this.#stored(tensorOf(this.#graph, name));
    const info = (name: string): object => {
      const { dtype, shape } = tensorOf(this.#graph, name);
      const dim = shape.map((d) => ({ dimValue: d }));
      return { name, type: { tensorType: { elemType: onnxType(dtype), shape: { dim } } } };
    };
    return encodeModel({
      irVersion: this.#version.irVersion,
      producerName: "slimbench",
      opsetImport: [
        { domain: "", version: this.#version.opset },
        ...[TREE_DOMAIN, MICROSOFT_DOMAIN]
          .filter(({ name }) => this.#writer.domains.has(name))
          .map(({ name, version }) => ({ domain: name, version })),
      ],
      graph: {
        name: this.#graph.name,
        node: this.#writer.nodes,
        initializer: this.#writer.initializers,
        sparseInitializer: this.#writer.sparseInitializers,
        input: this.#graph.inputs.map(info),
        output: this.#graph.outputs.map(info),
      },
    });
  }

  #dynamic(node: DynamicNode, output: Tensor): void {
    const { activation } = node.attrs;
    const plain = activation === undefined ? output.name : this.#writer.helper();
    emitDynamic(this.#writer, node, dynamicLayer(this.#graph, node), this.#float(node, 0), plain, this.#quantizedInputs, (constant) =>
      this.#stored(constant),
    );
    if (activation !== undefined) this.#activate(activation, "float32", plain, output.name);
  }

  #asQOperator(node: Node): boolean {
    return emitQOperator(this.#writer, this.#graph, node, {
      stored: (tensor) => this.#stored(tensor),
      grid: (tensor) => this.#grid(tensor, tensor.quant!),
    });
  }

  #exported(node: Node, inputs: readonly string[], output: string): ExportedNode {
    return {
      node,
      inputs,
      output,
      shapes: node.inputs.map((n) => this.#shape(n)),
      tensor: outputTensor(this.#graph, node),
      writer: this.#writer,
    };
  }

  #shape(name: string): Shape {
    return name === "" ? [] : tensorOf(this.#graph, name).shape;
  }

  /** The tensor as it is, integers as integers; writes a constant on first use. */
  #stored(tensor: Tensor): string {
    if (tensor.data !== undefined && !this.#written.has(tensor.name)) {
      this.#written.add(tensor.name);
      this.#writer.initializer(tensor.name, tensor.dtype, tensor.shape, tensor.data);
    }
    return tensor.name;
  }

  /** The node's i-th input as float where it is on an integer grid. */
  #float(node: Node, index: number): string {
    const tensor = requireInput(this.#graph, node, index);
    if (tensor.code?.kind === "int8" && !this.#graph.outputs.includes(tensor.name)) return this.#decoded(tensor, tensor.code);
    if (tensor.code?.kind === "float16" && !this.#graph.outputs.includes(tensor.name)) return this.#widened(tensor, tensor.code);
    const long = index === 2 ? this.#longBias(node, tensor) : undefined;
    if (long !== undefined) return long;
    const stored = this.#stored(tensor);
    const quant = tensor.quant ?? (index === 2 ? this.#biasGrid(node, tensor) : undefined);
    if (quant === undefined) return stored;
    // Two layers that share a bias may read it on different grids: only a tensor's own grid is remembered.
    const known = tensor.quant === undefined ? undefined : this.#real.get(stored);
    if (known !== undefined) return known;
    const real = this.#writer.helper();
    this.#dequantize("", stored, tensor, quant, real);
    if (tensor.quant !== undefined) this.#real.set(stored, real);
    return real;
  }

  /** A float constant written as its int8 codes, which are all that the file then holds of it. */
  #decoded(tensor: Tensor, { axis, scales, codes }: Int8Code): string {
    const known = this.#real.get(tensor.name);
    if (known !== undefined) return known;
    const real = this.#writer.helper();
    const { name, shape } = tensor;
    const stored: Tensor = { name, shape, dtype: "int8", data: codes };
    this.#dequantize("", this.#stored(stored), stored, { scales, zeroPoints: new Int32Array(scales.length), axis }, real);
    this.#real.set(name, real);
    return real;
  }

  /** A float constant written as float16, which runtimes widen when they load the file. */
  #widened({ name, shape }: Tensor, { bits }: Float16Code): string {
    const known = this.#real.get(name);
    if (known !== undefined) return known;
    const real = this.#writer.helper();
    this.#writer.node("Cast", "", [this.#writer.halves(name, shape, bits)], real, { to: { int: onnxType("float32") } });
    this.#real.set(name, real);
    return real;
  }

  /** A constant int64 bias as float32; undefined for others. */
  #longBias(node: Node, bias: Tensor): string | undefined {
    if (bias.dtype !== "int64" || bias.data === undefined) return undefined;
    const quant = this.#biasGrid(node, bias);
    if (quant === undefined) return undefined;
    return this.#writer.constant(
      "float32",
      bias.shape,
      Float32Array.from(bias.data, (q, c) => q * (quant.scales[c] ?? quant.scales[0]!)),
    );
  }

  /** An integer bias lies on the grid scale(input) × scale(weights). */
  #biasGrid(node: Node, bias: Tensor): Quantization | undefined {
    const weighted = node.op === "Conv2D" || node.op === "DepthwiseConv2D" || node.op === "Dense" || node.op === "ConvTranspose2D";
    if (!weighted || (bias.dtype !== "int32" && bias.dtype !== "int64")) return undefined;
    const x = requireInput(this.#graph, node, 0).quant;
    const w = requireInput(this.#graph, node, 1).quant;
    if (x === undefined || w === undefined) return undefined;
    const scales = w.scales.map((s) => Math.fround(x.scales[0]! * s));
    return { scales, zeroPoints: new Int32Array(scales.length), ...(scales.length > 1 && { axis: 0 }) };
  }

  #dequantizeNode(node: Node, output: Tensor): void {
    const tensor = requireInput(this.#graph, node, 0);
    if (tensor.quant === undefined) throw new UnsupportedError(`node "${node.name}" (Dequantize): input "${tensor.name}" has no grid`);
    this.#dequantize(node.name, this.#stored(tensor), tensor, tensor.quant, output.name);
    if (!this.#real.has(tensor.name)) this.#real.set(tensor.name, output.name);
  }

  #dequantize(name: string, stored: string, tensor: Tensor, quant: Quantization, output: string): void {
    const [scale, zero] = this.#grid(tensor, quant);
    const inputs = zero === "" ? [stored, scale] : [stored, scale, zero];
    this.#writer.node("DequantizeLinear", name, inputs, output, quant.axis === undefined ? {} : { axis: { int: quant.axis } });
  }

  #quantize(name: string, real: string, output: Tensor): void {
    const { quant } = output;
    if (quant === undefined) throw new UnsupportedError(`node "${name}" (Quantize): output "${output.name}" has no grid`);
    if (output.dtype !== "int8" && output.dtype !== "uint8" && output.dtype !== "int16") {
      throw new UnsupportedError(`node "${name}": ${output.dtype} activations cannot be written in ONNX, expected int8, uint8 or int16`);
    }
    const axis = quant.axis === undefined ? {} : { axis: { int: quant.axis } };
    this.#writer.node("QuantizeLinear", name, [real, ...this.#grid(output, quant)], output.name, axis);
  }

  /** Names of scale and zero point; int32 has no zero point in ONNX. */
  #grid(tensor: Tensor, quant: Quantization): readonly [string, string] {
    const shape = quant.axis === undefined ? [] : [quant.scales.length];
    const scale = this.#writer.constant("float32", shape, quant.scales);
    if (tensor.dtype === "int32") {
      if (quant.zeroPoints.some((z) => z !== 0))
        throw new UnsupportedError(`tensor "${tensor.name}": int32 with a zero point cannot be written`);
      return [scale, ""];
    }
    if (tensor.dtype !== "int8" && tensor.dtype !== "uint8" && tensor.dtype !== "int16") {
      throw new UnsupportedError(
        `tensor "${tensor.name}": quantized ${tensor.dtype} cannot be written in ONNX, expected int8, uint8 or int16`,
      );
    }
    const zeros = createArray(tensor.dtype, quant.zeroPoints.length);
    zeros.set(quant.zeroPoints);
    return [scale, this.#writer.constant(tensor.dtype, shape, zeros)];
  }

  #activate(activation: Activation, dtype: DType, input: string, output: string): void {
    if (activation.kind === "hardswish") {
      this.#writer.node("HardSwish", "", [input], output);
      return;
    }
    const { min, max } = activation;
    if (min === 0 && max === Infinity) {
      this.#writer.node("Relu", "", [input], output);
      return;
    }
    const bound = (value: number): string =>
      Number.isFinite(value) ? this.#writer.constant(dtype, [], createArray(dtype, 1).fill(value)) : "";
    const inputs = [input, bound(min), bound(max)];
    if (inputs[2] === "") inputs.pop();
    this.#writer.node("Clip", "", inputs, output);
  }
}

function sameQuant(a: Quantization, b: Quantization | undefined): boolean {
  return b !== undefined && a.axis === b.axis && a.scales.join() === b.scales.join() && a.zeroPoints.join() === b.zeroPoints.join();
}
