/** Collects the nodes and initializers of an ONNX graph under construction; plain objects in the shape of the protobuf messages. */
import type { DType, TypedArray } from "../../graph/dtype.ts";
import type { Shape } from "../../graph/ir.ts";
import { ATTRIBUTE } from "./proto.ts";
import { writeTensor } from "./tensor.ts";

export type AttributeValue =
  { readonly int: number } | { readonly ints: readonly number[] } | { readonly float: number } | { readonly string: string };

export type Attributes = Readonly<Record<string, AttributeValue>>;

export class OnnxWriter {
  readonly nodes: object[] = [];
  readonly initializers: object[] = [];
  readonly #names: Set<string>;
  readonly #nodeNames = new Set<string>();

  /** @param reserved names that tensors of the graph keep */
  constructor(reserved: Iterable<string>) {
    this.#names = new Set(reserved);
  }

  /** A tensor name that nothing uses yet. */
  fresh(base: string): string {
    return claim(this.#names, base);
  }

  /** @returns `output` */
  node(op: string, name: string, inputs: readonly string[], output: string, attributes: Attributes = {}): string {
    this.nodes.push({
      opType: op,
      name: claim(this.#nodeNames, name),
      input: [...inputs],
      output: [output],
      attribute: Object.entries(attributes).map(([key, value]) => attributeProto(key, value)),
    });
    return output;
  }

  initializer(name: string, dtype: DType, shape: Shape, data: TypedArray): string {
    this.initializers.push(writeTensor(name, dtype, shape, data));
    return name;
  }

  /** A constant of the exporter's own: axes, bounds, shapes. */
  constant(base: string, dtype: DType, shape: Shape, data: TypedArray): string {
    return this.initializer(this.fresh(base), dtype, shape, data);
  }

  integers(base: string, values: readonly number[]): string {
    return this.constant(base, "int64", [values.length], Float64Array.from(values));
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
  if ("ints" in value) return { name, type: ATTRIBUTE.INTS, ints: [...value.ints] };
  if ("float" in value) return { name, type: ATTRIBUTE.FLOAT, f: value.float };
  return { name, type: ATTRIBUTE.STRING, s: new TextEncoder().encode(value.string) };
}
