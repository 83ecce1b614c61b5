/** One ONNX node with typed access to its attributes; every complaint names the node, its op and the attribute. */
import { FormatError, UnsupportedError } from "../../errors.ts";
import { ATTRIBUTE, type AttributeProto, type NodeProto, type TensorProto } from "./proto.ts";
import { toInteger } from "./tensor.ts";

const DEFAULT_DOMAIN = "ai.onnx";

export class OnnxNode {
  readonly name: string;
  readonly op: string;
  /** `ai.onnx` when the file leaves it empty. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly opset: number;
  /** `node "conv1" (Conv)` */
  readonly where: string;
  readonly #attributes: ReadonlyMap<string, AttributeProto>;

  readonly #proto: NodeProto;
  readonly #opsets: ReadonlyMap<string, number>;

  constructor(proto: NodeProto, opsets: ReadonlyMap<string, number>) {
    this.#proto = proto;
    this.#opsets = opsets;
    this.op = proto.opType;
    this.domain = domainName(proto.domain);
    this.inputs = proto.input;
    this.outputs = proto.output;
    this.name = proto.name === "" ? `${proto.opType}:${proto.output[0] ?? ""}` : proto.name;
    this.where = `node "${this.name}" (${proto.opType})`;
    // Files may call a domain without importing it; version 1 is then the only safe reading of com.microsoft.
    this.opset = opsets.get(this.domain) ?? 1;
    this.#attributes = new Map(proto.attribute.map((a) => [a.name, a]));
  }

  /** The same node writing other outputs. */
  withOutputs(output: readonly string[]): OnnxNode {
    return new OnnxNode(
      { ...this.#proto, name: this.name, input: this.inputs, attribute: this.#proto.attribute, opType: this.op, output },
      this.#opsets,
    );
  }

  has(name: string): boolean {
    return this.#attributes.has(name);
  }

  int(name: string, fallback: number): number {
    const attribute = this.#get(name, ATTRIBUTE.INT);
    return attribute === undefined ? fallback : toInteger(attribute.i, `${this.where}: attribute ${name}`);
  }

  float(name: string, fallback: number): number {
    return this.#get(name, ATTRIBUTE.FLOAT)?.f ?? fallback;
  }

  string(name: string, fallback: string): string {
    const attribute = this.#get(name, ATTRIBUTE.STRING);
    return attribute === undefined ? fallback : new TextDecoder().decode(Uint8Array.from(attribute.s));
  }

  ints(name: string): readonly number[] | undefined {
    return this.#get(name, ATTRIBUTE.INTS)?.ints.map((i) => toInteger(i, `${this.where}: attribute ${name}`));
  }

  floats(name: string): readonly number[] | undefined {
    return this.#get(name, ATTRIBUTE.FLOATS)?.floats;
  }

  strings(name: string): readonly string[] | undefined {
    const decoder = new TextDecoder();
    return this.#get(name, ATTRIBUTE.STRINGS)?.strings.map((bytes) => decoder.decode(Uint8Array.from(bytes)));
  }

  tensor(name: string): TensorProto | undefined {
    return this.#get(name, ATTRIBUTE.TENSOR)?.t ?? undefined;
  }

  fail(what: string): never {
    throw new FormatError(`${this.where}: ${what}`);
  }

  unsupported(what: string): never {
    throw new UnsupportedError(`${this.where}: ${what}`);
  }

  #get(name: string, type: number): AttributeProto | undefined {
    const attribute = this.#attributes.get(name);
    // Old writers leave the type out.
    if (attribute !== undefined && attribute.type !== type && attribute.type !== 0) {
      this.fail(`attribute ${name} has type ${attribute.type}, expected ${type}`);
    }
    return attribute;
  }
}

export function domainName(domain: string): string {
  return domain === "" ? DEFAULT_DOMAIN : domain;
}
