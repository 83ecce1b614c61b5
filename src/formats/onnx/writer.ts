/** Collects the nodes and initializers of an ONNX graph under construction; plain objects in the shape of the protobuf messages. */
import type { DType, TypedArray } from "../../graph/dtype.ts";
import type { Shape } from "../../graph/ir.ts";
import { ATTRIBUTE } from "./proto.ts";
import { writeSparse } from "./sparse.ts";
import { ELEM, writeTensor } from "./tensor.ts";

export type AttributeValue =
  | { readonly int: number }
  | { readonly ints: ArrayLike<number> }
  | { readonly float: number }
  | { readonly floats: ArrayLike<number> }
  | { readonly string: string }
  | { readonly strings: readonly string[] };

export type Attributes = Readonly<Record<string, AttributeValue>>;

export class OnnxWriter {
  readonly nodes: object[] = [];
  readonly initializers: object[] = [];
  readonly sparseInitializers: object[] = [];
  /** Other domains than ONNX's own that nodes are of. */
  readonly domains = new Set<string>();
  readonly #names: Set<string>;
  readonly #nodeNames = new Set<string>();
  readonly #shared = new Map<string, string>();
  readonly #sparse: boolean;
  #helpers = 0;

  /** Version of ONNX's operators. */
  readonly opset: number;

  /**
   * @param reserved names that tensors of the graph keep
   * @param sparse initializers may be sparse
   */
  constructor(reserved: Iterable<string>, opset: number, sparse = false) {
    this.opset = opset;
    this.#names = new Set(reserved);
    this.#sparse = sparse;
  }

  /** A short name for a tensor of the exporter's own: hundreds of them would otherwise outweigh the weights of a small int8 model. */
  helper(): string {
    let name: string;
    do name = `_${++this.#helpers}`;
    while (this.#names.has(name));
    this.#names.add(name);
    return name;
  }

  /**
   * @param name empty for helpers: names of nodes are optional in ONNX
   * @returns `output`
   */
  node(op: string, name: string, inputs: readonly string[], output: string, attributes: Attributes = {}): string {
    this.nodes.push({
      opType: op,
      ...(name !== "" && { name: claim(this.#nodeNames, name) }),
      input: [...inputs],
      output: [output],
      attribute: Object.entries(attributes).map(([key, value]) => attributeProto(key, value)),
    });
    return output;
  }

  /** A node with several outputs. */
  several(op: string, name: string, inputs: readonly string[], outputs: readonly string[]): void {
    this.node(op, name, inputs, "");
    this.nodes.push({ ...this.nodes.pop(), output: [...outputs] });
  }

  /** A node of another domain than ONNX's own, with all its outputs. */
  foreign(domain: string, op: string, name: string, inputs: readonly string[], outputs: readonly string[], attributes: Attributes): void {
    this.node(op, name, inputs, "", attributes);
    this.domains.add(domain);
    this.nodes.push({ ...this.nodes.pop(), domain, output: [...outputs] });
  }

  initializer(name: string, dtype: DType, shape: Shape, data: TypedArray): string {
    const list = this.#sparse ? writeSparse(name, dtype, shape, data) : undefined;
    if (list === undefined) this.initializers.push(writeTensor(name, dtype, shape, data));
    else this.sparseInitializers.push(list);
    return name;
  }

  /** A float16 initializer from its words. */
  halves(name: string, shape: Shape, bits: Uint16Array): string {
    const rawData = new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength);
    this.initializers.push({ name, dims: [...shape], dataType: ELEM.FLOAT16, rawData });
    return name;
  }

  /** A constant of the exporter's own (axes, bounds, shapes, grids); equal ones are written once. */
  constant(dtype: DType, shape: Shape, data: TypedArray): string {
    const key = `${dtype} ${shape.join()} ${data.join()}`;
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const name = this.initializer(this.helper(), dtype, shape, data);
    this.#shared.set(key, name);
    return name;
  }

  integers(values: readonly number[]): string {
    return this.constant("int64", [values.length], Float64Array.from(values));
  }
}

function claim(names: Set<string>, base: string): string {
  let name = base;
  for (let i = 2; names.has(name); i++) name = `${base}_${i}`;
  names.add(name);
  return name;
}

function attributeProto(name: string, value: AttributeValue): object {
  if ("int" in value) return { name, type: ATTRIBUTE.INT, i: value.int };
  if ("ints" in value) return { name, type: ATTRIBUTE.INTS, ints: Array.from(value.ints) };
  if ("floats" in value) return { name, type: ATTRIBUTE.FLOATS, floats: Array.from(value.floats) };
  if ("strings" in value) return { name, type: ATTRIBUTE.STRINGS, strings: value.strings.map((text) => new TextEncoder().encode(text)) };
  if ("float" in value) return { name, type: ATTRIBUTE.FLOAT, f: value.float };
  return { name, type: ATTRIBUTE.STRING, s: new TextEncoder().encode(value.string) };
}
