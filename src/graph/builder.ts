/** Builds a graph node by node, inferring shapes as it goes: for importers, tests and synthetic models. */
import { ShapeError, formatShape, invariant } from "../errors.ts";
import { elementCount, type DType, type TypedArray } from "./dtype.ts";
import { inferNode } from "./infer.ts";
import type { Graph, Node, OpAttrs, OpName, Quantization, Shape, Sparsity, Tensor, WeightCode } from "./ir.ts";

export interface OutputSpec {
  readonly name?: string;
  readonly shape?: Shape;
  readonly dtype?: DType;
  readonly quant?: Quantization;
}

export class GraphBuilder {
  readonly #name: string;
  readonly #inputs: string[] = [];
  readonly #tensors = new Map<string, Tensor>();
  readonly #nodes: Node[] = [];
  readonly #nodeNames = new Set<string>();

  constructor(name: string) {
    this.#name = name;
  }

  input(name: string, dtype: DType, shape: Shape, quant?: Quantization): string {
    this.#define({ name, dtype, shape, ...(quant && { quant }) });
    this.#inputs.push(name);
    return name;
  }

  /** @throws ShapeError when `data` has another length than `shape` */
  constant(
    name: string,
    dtype: DType,
    shape: Shape,
    data: TypedArray,
    extra: { quant?: Quantization; sparsity?: Sparsity; code?: WeightCode } = {},
  ): string {
    if (data.length !== elementCount(shape)) {
      throw new ShapeError(`constant "${name}": ${data.length} elements, expected ${elementCount(shape)} for shape ${formatShape(shape)}`);
    }
    this.#define({ name, dtype, shape, data, ...extra });
    return name;
  }

  /**
   * Appends a node with one output.
   * @param inputs tensor names; empty string for an absent optional input
   * @param output its name (default: the node's), and what the op does not determine: see `inferNode`
   * @returns the output tensor's name
   * @throws ShapeError naming node, op and shapes
   */
  add<O extends OpName>(op: O, name: string, inputs: readonly string[], attrs: OpAttrs[O], output: OutputSpec = {}): string {
    const nodeName = this.#uniqueNode(name === "" ? op : name);
    const outputName = output.name ?? this.unique(nodeName);
    const node = { name: nodeName, op, inputs, outputs: [outputName], attrs } as unknown as Node;
    const tensors = inputs.map((input) => (input === "" ? undefined : this.tensor(input)));
    const inferred = inferNode(node, tensors, output);
    if (output.shape !== undefined && formatShape(output.shape) !== formatShape(inferred.shape)) {
      throw new ShapeError(
        `node "${nodeName}" (${op}): output is declared ${formatShape(output.shape)}, inferred ${formatShape(inferred.shape)} ` +
          `from inputs ${tensors.map((t) => formatShape(t?.shape ?? [])).join(", ")}`,
      );
    }
    this.#define({
      name: outputName,
      dtype: output.dtype ?? inferred.dtype,
      shape: inferred.shape,
      ...(output.quant && { quant: output.quant }),
    });
    this.#nodes.push(node);
    return outputName;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  tensor(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    invariant(tensor !== undefined, `tensor "${name}" is not defined yet`);
    return tensor;
  }

  /** `base`, or `base_2`, `base_3`, … where it is taken. */
  unique(base: string): string {
    if (!this.#tensors.has(base)) return base;
    let i = 2;
    while (this.#tensors.has(`${base}_${i}`)) i++;
    return `${base}_${i}`;
  }

  finish(outputs: readonly string[]): Graph {
    for (const output of outputs) this.tensor(output);
    return { name: this.#name, inputs: [...this.#inputs], outputs: [...outputs], tensors: new Map(this.#tensors), nodes: [...this.#nodes] };
  }

  #define(tensor: Tensor): void {
    invariant(!this.#tensors.has(tensor.name), `tensor "${tensor.name}" is defined twice`);
    this.#tensors.set(tensor.name, tensor);
  }

  #uniqueNode(base: string): string {
    let name = base;
    for (let i = 2; this.#nodeNames.has(name); i++) name = `${base}_${i}`;
    this.#nodeNames.add(name);
    return name;
  }
}
