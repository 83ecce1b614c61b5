/**
 * Builds the integer graph. A tensor keeps its name while it is float; its integer version is called `NAME_int8` or `NAME_int16`. Weights and biases keep
 * their names, so that the promises of earlier steps still find them. Conversions are inserted where they are first needed.
 */
import { invariant } from "../../errors.ts";
import { isConstant, tensorOf } from "../../graph/access.ts";
import { withoutCode } from "../../graph/code.ts";
import type { Constant, Graph, Node, Quantization, Tensor } from "../../graph/ir.ts";
import { channelAxis, isWeighted } from "../layers.ts";
import type { WeightedNode } from "../layers.ts";
import type { Promised } from "../promises.ts";
import { activationInputs } from "./forms.ts";
import { quantizeConstant } from "./params.ts";
import type { ActivationForm } from "./params.ts";
import { freeName } from "./split.ts";
import { WEIGHT_LIMIT, biasLimitOf, codebookOf, quantizeLayer } from "./weights.ts";
import type { LimitOf } from "./weights.ts";

export function rewriteInteger(
  graph: Graph,
  integer: ReadonlySet<Node>,
  grids: ReadonlyMap<string, Quantization>,
  step: string,
  limitOf: LimitOf,
  form: ActivationForm,
): { readonly graph: Graph; readonly promises: readonly Promised[]; readonly notes: readonly string[] } {
  const writer = new IntegerWriter(graph, integer, grids, step, limitOf, form);
  for (const node of graph.nodes) {
    if (integer.has(node)) writer.addInteger(node);
    else writer.addFloat(node);
  }
  return writer.finish();
}

class IntegerWriter {
  readonly #graph: Graph;
  readonly #grids: ReadonlyMap<string, Quantization>;
  readonly #step: string;
  readonly #tensors: Map<string, Tensor>;
  readonly #nodes: Node[] = [];
  readonly #nodeNames: Set<string>;
  /** Constants that something other than an integer layer's weight or bias input reads; those keep their float data. */
  readonly #readAsFloat = new Set<string>();
  /** Weights and biases rewritten in place already. */
  readonly #taken = new Set<string>();
  /** Original name → its integer version. */
  readonly #integer = new Map<string, string>();
  /** Tensors whose float version exists. */
  readonly #float: Set<string>;
  readonly #promises: Promised[] = [];
  readonly #notes: string[] = [];
  readonly #limitOf: LimitOf;
  readonly #form: ActivationForm;

  constructor(
    graph: Graph,
    integer: ReadonlySet<Node>,
    grids: ReadonlyMap<string, Quantization>,
    step: string,
    limitOf: LimitOf,
    form: ActivationForm,
  ) {
    this.#limitOf = limitOf;
    this.#form = form;
    this.#graph = graph;
    this.#grids = grids;
    this.#step = step;
    this.#tensors = new Map(graph.tensors);
    this.#nodeNames = new Set(graph.nodes.map((node) => node.name));
    this.#float = new Set(graph.inputs);
    for (const tensor of graph.tensors.values()) if (isConstant(tensor)) this.#float.add(tensor.name);
    for (const output of graph.outputs) this.#readAsFloat.add(output);
    for (const node of graph.nodes) {
      const activations = integer.has(node) && isWeighted(node) ? activationInputs(node) : node.inputs.keys();
      for (const i of activations) this.#readAsFloat.add(node.inputs[i]!);
    }
  }

  addFloat(node: Node): void {
    this.#nodes.push({ ...node, inputs: node.inputs.map((name) => (name === "" ? "" : this.#floatOf(name))) });
    for (const output of node.outputs) this.#float.add(output);
  }

  addInteger(node: Node): void {
    const inputs = [...node.inputs];
    for (const i of activationInputs(node)) inputs[i] = this.#integerOf(inputs[i]!);
    if (isWeighted(node)) this.#quantizeWeights(node, inputs);
    this.#nodes.push({ ...node, inputs, outputs: [this.#define(node.outputs[0]!)] });
  }

  finish(): { readonly graph: Graph; readonly promises: readonly Promised[]; readonly notes: readonly string[] } {
    const outputs = this.#graph.outputs.map((name) => this.#floatOf(name));
    const used = new Set([...this.#graph.inputs, ...outputs]);
    for (const node of this.#nodes) for (const name of [...node.inputs, ...node.outputs]) used.add(name);
    const tensors = new Map([...this.#tensors].filter(([name]) => used.has(name)));
    return { graph: { ...this.#graph, outputs, tensors, nodes: this.#nodes }, promises: this.#promises, notes: this.#notes };
  }

  #gridOf(name: string): Quantization {
    const quant = this.#grids.get(name);
    invariant(quant !== undefined, `tensor "${name}" has no grid`);
    return quant;
  }

  #define(name: string): string {
    const { shape } = tensorOf(this.#graph, name);
    const { dtype } = this.#form;
    const integer: Tensor = { name: freeName(`${name}_${dtype}`, this.#tensors), dtype, shape, quant: this.#gridOf(name) };
    this.#tensors.set(integer.name, integer);
    this.#integer.set(name, integer.name);
    return integer.name;
  }

  /** The integer version of a tensor, converting it where there is only the float one. */
  #integerOf(name: string): string {
    const known = this.#integer.get(name);
    if (known !== undefined) return known;
    const tensor = tensorOf(this.#graph, name);
    const integer = this.#define(name);
    if (isConstant(tensor)) {
      const quant = this.#gridOf(name);
      const data = quantizeConstant(tensor.data, quant, this.#form);
      this.#tensors.set(integer, { name: integer, dtype: this.#form.dtype, shape: tensor.shape, quant, data });
    } else {
      this.#convert("Quantize", name, integer);
    }
    return integer;
  }

  #floatOf(name: string): string {
    if (!this.#float.has(name)) {
      const integer = this.#integer.get(name);
      invariant(integer !== undefined, `tensor "${name}" is not written yet`);
      this.#convert("Dequantize", integer, name);
      this.#float.add(name);
    }
    return name;
  }

  #convert(op: "Quantize" | "Dequantize", from: string, to: string): void {
    const name = freeName(`${op === "Quantize" ? from : to}_${op.toLowerCase()}`, this.#nodeNames);
    this.#nodeNames.add(name);
    this.#nodes.push({ name, op, inputs: [from], outputs: [to], attrs: {} });
  }

  #quantizeWeights(node: WeightedNode, inputs: string[]): void {
    const weight = tensorOf(this.#graph, node.inputs[1]!) as Constant;
    const biasName = node.inputs[2];
    const bias = biasName === undefined || biasName === "" ? undefined : (tensorOf(this.#graph, biasName) as Constant);
    const inputScale = this.#gridOf(node.inputs[0]!).scales[0]!;
    const limit = this.#limitOf(node.name);
    const layer = quantizeLayer(weight, channelAxis(node.op), bias?.data, inputScale, limit, biasLimitOf(this.#form));
    const shared = weight.code?.kind === "codebook" ? weight.code : undefined;
    const code =
      shared && this.#form.dtype === "int8" ? codebookOf(layer.weight, channelAxis(node.op), layer.weightQuant.scales.length) : undefined;
    const { weight: data, weightQuant: quant } = layer;
    inputs[1] = this.#replace({ ...withoutCode(weight), dtype: "int8", data, quant, ...(code && { code }) });
    this.#promises.push({ kind: "int8Grid", layer: node.name, tensor: inputs[1], by: this.#step, ...(limit < WEIGHT_LIMIT && { limit }) });
    if (layer.widened > 0)
      this.#notes.push(
        `${node.name}: the scales of ${layer.widened} of its channels are wider than their weights need, for their biases to fit ${this.#form.dtype === "int8" ? "int32" : "38 bits"}`,
      );
    if (shared !== undefined && code === undefined)
      this.#notes.push(
        `${node.name}: its ${shared.table.length} shared values become int8 codes of a byte each, at most as many on each scale`,
      );
    if (bias !== undefined && layer.bias !== undefined && layer.biasQuant !== undefined) {
      const dtype = layer.bias instanceof Int32Array ? "int32" : "int64";
      inputs[2] = this.#replace({ ...bias, dtype, shape: [layer.bias.length], data: layer.bias, quant: layer.biasQuant });
    }
  }

  /** Puts an integer constant in place of the float one of the same name, or beside it where that one is still read. */
  #replace(constant: Constant): string {
    const inPlace = !this.#readAsFloat.has(constant.name) && !this.#taken.has(constant.name);
    const name = inPlace ? constant.name : freeName(`${constant.name}_int8`, this.#tensors);
    this.#taken.add(name);
    this.#tensors.set(name, { ...constant, name });
    return name;
  }
}
