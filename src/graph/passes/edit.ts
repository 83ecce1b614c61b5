/**
 * A graph under change: what passes use to replace and remove nodes while lookups (who writes, who reads) stay current. Nodes keep
 * their place in the order; a replacement stands where the node stood whose inputs are all ready there. `finish` drops tensors that
 * nothing refers to any more.
 */
import { invariant } from "../../errors.ts";
import type { DType, TypedArray } from "../dtype.ts";
import type { Graph, Node, OpAttrs, OpName, Quantization, Shape, Tensor } from "../ir.ts";

export class GraphEdit {
  readonly #graph: Graph;
  readonly #tensors: Map<string, Tensor>;
  readonly #slots: Node[][];
  readonly #slotOf = new Map<Node, number>();
  readonly #producers = new Map<string, Node>();
  readonly #consumers = new Map<string, Set<Node>>();
  readonly #byName = new Map<string, Node>();
  readonly #outputs: ReadonlySet<string>;
  #changed = false;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#tensors = new Map(graph.tensors);
    this.#slots = graph.nodes.map((node) => [node]);
    this.#outputs = new Set(graph.outputs);
    graph.nodes.forEach((node, slot) => this.#index(node, slot));
  }

  #index(node: Node, slot: number): void {
    this.#slotOf.set(node, slot);
    this.#byName.set(node.name, node);
    for (const output of node.outputs) this.#producers.set(output, node);
    for (const input of node.inputs) {
      const readers = this.#consumers.get(input);
      if (readers === undefined) this.#consumers.set(input, new Set([node]));
      else readers.add(node);
    }
  }

  #unindex(node: Node): void {
    this.#slotOf.delete(node);
    this.#byName.delete(node.name);
    for (const output of node.outputs) if (this.#producers.get(output) === node) this.#producers.delete(output);
    for (const input of node.inputs) this.#consumers.get(input)?.delete(node);
  }

  /** The nodes as they are now, in order. */
  nodes(): readonly Node[] {
    return this.#slots.flat();
  }

  /** Visits every node that stands in the graph when its turn comes, in its current form; not those that the visits add. */
  sweep(visit: (node: Node) => void): void {
    for (const name of this.nodes().map((node) => node.name)) {
      const node = this.#byName.get(name);
      if (node !== undefined) visit(node);
    }
  }

  tensor(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    invariant(tensor !== undefined, `tensor "${name}" is not in graph "${this.#graph.name}"`);
    return tensor;
  }

  input(node: Node, index: number): Tensor {
    const name = node.inputs[index];
    invariant(name !== undefined && name !== "", `node "${node.name}" (${node.op}) has no input ${index}`);
    return this.tensor(name);
  }

  optionalInput(node: Node, index: number): Tensor | undefined {
    const name = node.inputs[index];
    return name === undefined || name === "" ? undefined : this.tensor(name);
  }

  output(node: Node): Tensor {
    const name = node.outputs[0];
    invariant(name !== undefined, `node "${node.name}" (${node.op}) has no output`);
    return this.tensor(name);
  }

  producer(name: string): Node | undefined {
    return this.#producers.get(name);
  }

  consumers(name: string): readonly Node[] {
    return [...(this.#consumers.get(name) ?? [])];
  }

  isGraphOutput(name: string): boolean {
    return this.#outputs.has(name);
  }

  isGraphInput(name: string): boolean {
    return this.#graph.inputs.includes(name);
  }

  /** The one node that reads the tensor, when it is read once and is no output of the graph: what lets a node be merged away. */
  soleConsumer(name: string): Node | undefined {
    const readers = this.consumers(name);
    const [reader] = readers;
    if (reader === undefined || readers.length !== 1 || this.isGraphOutput(name)) return undefined;
    return reader.inputs.filter((input) => input === name).length === 1 ? reader : undefined;
  }

  uniqueTensor(base: string): string {
    if (!this.#tensors.has(base)) return base;
    let i = 2;
    while (this.#tensors.has(`${base}_${i}`)) i++;
    return `${base}_${i}`;
  }

  uniqueNode(base: string): string {
    if (!this.#byName.has(base)) return base;
    let i = 2;
    while (this.#byName.has(`${base}_${i}`)) i++;
    return `${base}_${i}`;
  }

  setTensor(tensor: Tensor): string {
    this.#tensors.set(tensor.name, tensor);
    this.#changed = true;
    return tensor.name;
  }

  /** Defines a tensor under a free name. */
  define(base: string, dtype: DType, shape: Shape, extra: { quant?: Quantization; data?: TypedArray } = {}): string {
    return this.setTensor({ name: this.uniqueTensor(base), dtype, shape, ...extra });
  }

  /** Puts nodes in the place of one that goes away; the replacements may reuse its name and outputs. */
  replace(node: Node, ...replacements: readonly Node[]): void {
    const slot = this.#slotOf.get(node);
    invariant(slot !== undefined, `node "${node.name}" is no longer in the graph`);
    this.#unindex(node);
    const nodes = this.#slots[slot]!;
    nodes.splice(nodes.indexOf(node), 1, ...replacements);
    for (const replacement of replacements) this.#index(replacement, slot);
    this.#changed = true;
  }

  insertBefore(node: Node, ...added: readonly Node[]): void {
    this.#insert(node, 0, added);
  }

  insertAfter(node: Node, ...added: readonly Node[]): void {
    this.#insert(node, 1, added);
  }

  /** Before every other node. */
  insertFirst(...added: readonly Node[]): void {
    const first = this.nodes()[0];
    if (first !== undefined) this.insertBefore(first, ...added);
    else {
      this.#slots.push([...added]);
      for (const node of added) this.#index(node, this.#slots.length - 1);
      this.#changed = true;
    }
  }

  #insert(node: Node, offset: 0 | 1, added: readonly Node[]): void {
    const slot = this.#slotOf.get(node);
    invariant(slot !== undefined, `node "${node.name}" is no longer in the graph`);
    const nodes = this.#slots[slot]!;
    nodes.splice(nodes.indexOf(node) + offset, 0, ...added);
    for (const one of added) this.#index(one, slot);
    this.#changed = true;
  }

  remove(node: Node): void {
    this.replace(node);
  }

  /** Every node that reads `from` reads `to` instead (but `except`). Graph outputs keep their names, so they are not touched. */
  redirect(from: string, to: string, except?: Node): void {
    for (const reader of this.consumers(from)) {
      if (reader === except) continue;
      this.replace(reader, { ...reader, inputs: reader.inputs.map((input) => (input === from ? to : input)) });
    }
  }

  /** The edited graph; the original object when nothing changed. */
  finish(): Graph {
    if (!this.#changed) return this.#graph;
    const nodes = this.nodes();
    const used = new Set<string>([...this.#graph.inputs, ...this.#graph.outputs]);
    for (const node of nodes) for (const name of [...node.inputs, ...node.outputs]) used.add(name);
    const tensors = new Map([...this.#tensors].filter(([name]) => used.has(name)));
    return { ...this.#graph, tensors, nodes };
  }
}

/** A node with one output, typed by its op. */
export function makeNode<O extends OpName>(op: O, name: string, inputs: readonly string[], output: string, attrs: OpAttrs[O]): Node {
  return { name, op, inputs, outputs: [output], attrs } as unknown as Node;
}
