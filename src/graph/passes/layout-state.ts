/**
 * Lazy transposition: the bookkeeping of the layout pass. A tensor of the old graph is a *view*: a stored tensor of the new graph and
 * the permutation that leads from it. Transposes only compose permutations; one is emitted when an op asks for an order that no
 * stored form has yet. Constants (and dequantized constants) are permuted instead.
 */
import { formatShape, invariant } from "../../errors.ts";
import { tensorOf } from "../access.ts";
import { permuteCode } from "../code.ts";
import { elementCount } from "../dtype.ts";
import type { Constant, Graph, Node, OpAttrs, OpName, Quantization, Shape, Tensor } from "../ir.ts";
import {
  composePerm,
  identityPerm,
  invertPerm,
  isIdentity,
  movesOnlyUnits,
  permuteData,
  permuteList,
  permuteQuant,
  type Perm,
} from "../permute.ts";

/** Something the new graph holds, in one or several axis orders. */
interface Base {
  readonly shape: Shape;
  /** Key of the permutation from the base → tensor name in the new graph. */
  readonly forms: Map<string, string>;
  /** Present: a constant, emitted only in the orders that are asked for. */
  readonly constant?: Constant;
  /** Present: the constant is read through this Dequantize. */
  readonly dequantize?: Node;
}

/** A tensor of the old graph: Transpose(base, perm). */
export interface View {
  readonly base: Base;
  readonly perm: Perm;
  /** Present: the last axis holds old column `columns[j]` at j; only Dense reads such a tensor. */
  readonly columns?: Int32Array;
}

export class LayoutState {
  readonly graph: Graph;
  /** Shapes and types follow from the old graph's, so nothing is inferred here: the exporter runs this on channels-first images too. */
  readonly #tensors = new Map<string, Tensor>();
  readonly #nodes: Node[] = [];
  readonly #views = new Map<string, View>();
  readonly #nodeNames: Set<string>;
  readonly #outputs: ReadonlySet<string>;
  /** Reshape output → its input, so that chains of reshapes collapse. */
  readonly #reshaped = new Map<string, string>();

  constructor(graph: Graph) {
    this.graph = graph;
    this.#nodeNames = new Set(graph.nodes.map((node) => node.name));
    this.#outputs = new Set(graph.outputs);
    for (const name of graph.inputs) {
      const tensor = tensorOf(graph, name);
      this.#tensors.set(name, tensor);
      this.#views.set(name, { base: this.#stored(name, tensor.shape), perm: identityPerm(tensor.shape.length) });
    }
  }

  view(name: string): View {
    const known = this.#views.get(name);
    if (known !== undefined) return known;
    const tensor = tensorOf(this.graph, name);
    invariant(tensor.data !== undefined, `layout: tensor "${name}" is read before it is written`);
    const view: View = {
      base: { shape: tensor.shape, forms: new Map(), constant: tensor as Constant },
      perm: identityPerm(tensor.shape.length),
    };
    this.#views.set(name, view);
    return view;
  }

  define(name: string, view: View): void {
    this.#views.set(name, view);
  }

  isConstant(name: string): boolean {
    return this.view(name).base.constant !== undefined;
  }

  /** Makes the output of a Dequantize whose input is constant a view that is permuted on the integer side. */
  defineDequantized(node: Node): void {
    const source = this.view(node.inputs[0]!);
    const { constant } = source.base;
    invariant(constant !== undefined && source.base.dequantize === undefined, "layout: a dequantized constant expected");
    this.define(node.outputs[0]!, { base: { shape: constant.shape, forms: new Map(), constant, dequantize: node }, perm: source.perm });
  }

  /** Starts a graph input in the order that its readers want: Transpose(input, perm) is stored, the input itself stays known. */
  startInput(name: string, perm: Perm): void {
    const stored = this.form(this.view(name), invertPerm(perm));
    const base = this.#stored(stored, permuteList(tensorOf(this.graph, name).shape, perm));
    base.forms.set(invertPerm(perm).join(), name);
    this.define(name, { base, perm: invertPerm(perm) });
  }

  /**
   * The tensor of the new graph in the order where Transpose(result, target) is the old tensor; emits what is missing.
   * @param target identity by default: the old order itself
   */
  form(view: View, target: Perm = identityPerm(view.perm.length), preferredName?: string): string {
    const { base } = view;
    const q = composePerm(view.perm, invertPerm(target));
    const key = q.join();
    const known = base.forms.get(key);
    if (known !== undefined) return known;
    const name = base.constant === undefined ? this.#transposed(base, q, preferredName) : this.#constantForm(base, base.constant, q);
    base.forms.set(key, name);
    return name;
  }

  formOf(name: string, target?: Perm): string {
    return name === "" ? "" : this.form(this.view(name), target);
  }

  /** A constant of the new graph that replaces an old one (weights with other columns, a padded broadcast operand). */
  addConstant(tensor: Constant): string {
    const name = this.#ownOr(tensor.name);
    this.#tensors.set(name, { ...tensor, name });
    return name;
  }

  /**
   * Appends `node` with other inputs and attributes and defines its output as a view stored in the order `perm`
   * (old output = Transpose(stored, perm)).
   */
  emit<O extends OpName>(
    node: { readonly name: string; readonly outputs: readonly string[] },
    op: O,
    inputs: readonly string[],
    attrs: OpAttrs[O],
    perm?: Perm,
    columns?: Int32Array,
  ): void {
    const output = tensorOf(this.graph, node.outputs[0]!);
    const order = perm ?? identityPerm(output.shape.length);
    const inverse = invertPerm(order);
    const shape = permuteList(output.shape, inverse);
    const name = this.#outputs.has(output.name) && !isIdentity(order) ? this.#fresh(`${output.name}/nhwc`) : output.name;
    this.#add(op, node.name, inputs, attrs, { ...output, name, shape }, output.quant && permuteQuant(output.quant, inverse));
    this.define(output.name, { base: this.#stored(name, shape), perm: order, ...(columns && { columns }) });
  }

  /**
   * A Reshape of a stored tensor; collapses chains and drops reshapes to the same shape.
   * @param own the old tensor that the result is, when there is one
   */
  reshape(input: string, shape: Shape, own: { readonly tensor?: string; readonly node?: string } = {}): string {
    let source = input;
    for (let next = this.#reshaped.get(source); next !== undefined; next = this.#reshaped.get(source)) source = next;
    const tensor = this.stored(source);
    if (formatShape(tensor.shape) === formatShape(shape)) return source;
    const name = own.tensor === undefined ? this.#fresh(`${source}/reshaped`) : this.#ownOr(own.tensor);
    this.#add("Reshape", own.node ?? this.#freshNode(name), [source], {}, { ...tensor, name, shape }, perTensorQuant(tensor.quant));
    this.#reshaped.set(name, source);
    return name;
  }

  stored(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    invariant(tensor !== undefined, `layout: tensor "${name}" is not stored yet`);
    return tensor;
  }

  /** A view of something already emitted. */
  viewOf(name: string, perm?: Perm, columns?: Int32Array): View {
    const { shape } = this.stored(name);
    return { base: this.#stored(name, shape), perm: perm ?? identityPerm(shape.length), ...(columns && { columns }) };
  }

  /** Emits the outputs under their own names, in their own order. */
  finish(): Graph {
    const rename = new Map<string, string>();
    const taken = new Set([...this.graph.inputs, ...this.graph.outputs]);
    for (const output of new Set(this.graph.outputs)) {
      const stored = this.form(this.view(output), undefined, output);
      if (stored === output) continue;
      const tensor = this.stored(stored);
      if (tensor.data === undefined && !taken.has(stored) && !rename.has(stored)) rename.set(stored, output);
      else this.#add("Reshape", this.#freshNode(output), [stored], {}, { ...tensor, name: output }, tensor.quant);
    }
    const named = (name: string): string => rename.get(name) ?? name;
    const tensors = new Map<string, Tensor>();
    for (const tensor of this.#tensors.values()) tensors.set(named(tensor.name), { ...tensor, name: named(tensor.name) });
    const nodes = this.#nodes.map((node): Node => ({ ...node, inputs: node.inputs.map(named), outputs: node.outputs.map(named) }));
    const { name, inputs, outputs } = this.graph;
    return withoutUnused({ name, inputs, outputs, tensors, nodes });
  }

  #stored(name: string, shape: Shape): Base {
    return { shape, forms: new Map([[identityPerm(shape.length).join(), name]]) };
  }

  #transposed(base: Base, q: Perm, preferredName?: string): string {
    const source = base.forms.get(identityPerm(base.shape.length).join());
    invariant(source !== undefined, "layout: a base without a stored form");
    const shape = permuteList(base.shape, q);
    if (movesOnlyUnits(base.shape, q)) return this.reshape(source, shape, preferredName === undefined ? {} : { tensor: preferredName });
    const tensor = this.stored(source);
    const name = preferredName === undefined ? this.#fresh(`${source}/transposed`) : this.#ownOr(preferredName);
    this.#add(
      "Transpose",
      this.#freshNode(name),
      [source],
      { perm: q },
      { ...tensor, name, shape },
      tensor.quant && permuteQuant(tensor.quant, q),
    );
    return name;
  }

  #constantForm(base: Base, constant: Constant, q: Perm): string {
    const { dequantize } = base;
    const identity = isIdentity(q);
    const quant = constant.quant && permuteQuant(constant.quant, q);
    // Pruning patterns are stated on the stored order; a constant that a file brings has none yet.
    const { sparsity } = constant;
    const code = constant.code && (identity ? constant.code : permuteCode(constant.code, constant.shape, q));
    const data = identity ? constant.data : permuteData(constant.data, constant.dtype, constant.shape, q);
    const tensor: Constant = { name: constant.name, dtype: constant.dtype, shape: permuteList(constant.shape, q), data };
    const stored = this.addConstant({
      ...tensor,
      ...(quant && { quant }),
      ...(identity && sparsity && { sparsity }),
      ...(code && { code }),
    });
    if (dequantize === undefined) return stored;
    const output = tensorOf(this.graph, dequantize.outputs[0]!);
    const nodeName = this.#tensors.has(output.name) ? this.#freshNode(dequantize.name) : dequantize.name;
    const name = this.#ownOr(output.name);
    this.#add("Dequantize", nodeName, [stored], {}, { ...output, name, shape: tensor.shape }, undefined);
    return name;
  }

  #add<O extends OpName>(
    op: O,
    nodeName: string,
    inputs: readonly string[],
    attrs: OpAttrs[O],
    output: Tensor,
    quant: Quantization | undefined,
  ): void {
    const { name, shape, dtype } = output;
    invariant(!this.#tensors.has(name), `layout: tensor "${name}" is defined twice`);
    this.#tensors.set(name, { name, shape, dtype, ...(quant && { quant }) });
    this.#nodes.push({ name: nodeName, op, inputs, outputs: [name], attrs } as unknown as Node);
  }

  /** The old tensor's own name while it is free, else a name that neither graph uses. */
  #ownOr(own: string): string {
    return this.#tensors.has(own) ? this.#fresh(own) : own;
  }

  #fresh(base: string): string {
    let name = base;
    for (let i = 2; this.#tensors.has(name) || this.graph.tensors.has(name); i++) name = `${base}_${i}`;
    return name;
  }

  #freshNode(base: string): string {
    let name = base;
    for (let i = 2; this.#nodeNames.has(name); i++) name = `${base}_${i}`;
    this.#nodeNames.add(name);
    return name;
  }
}

function perTensorQuant(quant: Quantization | undefined): Quantization | undefined {
  return quant?.axis === undefined ? quant : undefined;
}

/** Drops nodes and constants that no output needs; graph inputs stay, they are the interface. */
export function withoutUnused(graph: Graph): Graph {
  const needed = new Set(graph.outputs);
  const nodes: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) needed.add(input);
  }
  for (const input of graph.inputs) needed.add(input);
  const tensors = new Map([...graph.tensors].filter(([name]) => needed.has(name)));
  return { ...graph, tensors, nodes: nodes.reverse() };
}

/** Elements of a view's tensor. */
export function viewSize(view: View): number {
  return elementCount(view.base.shape);
}
