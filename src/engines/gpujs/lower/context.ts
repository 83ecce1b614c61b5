/** State while a graph is lowered to calls of gpu.js kernels: constants to upload, aliases, kernels by node. No GPU object is touched here. */
import { DeviceLimitError, UnsupportedError, invariant } from "../../../errors.ts";
import { isConstant } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { Graph, Node, Tensor } from "../../../graph/ir.ts";
import type { KernelFunction } from "../kernels/types.ts";

/** What a call reads: an activation (or graph input) by tensor name, or a block of constants by its number. */
export type Operand = { readonly kind: "tensor"; readonly name: string } | { readonly kind: "constant"; readonly id: number };

/** One kernel over all elements of its output. */
export interface Call {
  readonly node: string;
  readonly op: string;
  /** Row of the catalogue. */
  readonly kernel: string;
  readonly source: KernelFunction;
  readonly constants: Readonly<Record<string, number>>;
  /** Arguments in order: tensors, each read by element or by texel, then numbers. */
  readonly inputs: readonly (Operand & { readonly texels: boolean })[];
  readonly numbers: readonly number[];
  /** Tensor, or scratch, that it writes. */
  readonly output: string;
  readonly elements: number;
  /** A call of the kernel gives four elements. */
  readonly texels: boolean;
}

export interface Lowered {
  readonly calls: readonly Call[];
  readonly constants: readonly Float32Array[];
  /** Tensor → the one whose elements it shares. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Node → kernels, in order, and why. */
  readonly kernels: ReadonlyMap<string, readonly { readonly kernel: string; readonly why?: string }[]>;
}

export const ALIAS_KERNEL = "any_alias_view__gpujs";

/** Locals of a translated kernel are floats: integers are exact up to here. */
const MAX_ELEMENTS = 2 ** 24;

export class Lowering {
  readonly graph: Graph;
  /** Name of the engine, for messages. */
  readonly engine: string;
  /** Kernels that compute four elements a call may be used. */
  readonly texels: boolean;
  private readonly calls: Call[] = [];
  private readonly blocks: Float32Array[] = [];
  private readonly constantIds = new Map<string, number>();
  private readonly aliases = new Map<string, string>();
  private readonly kernels = new Map<string, { readonly kernel: string; readonly why?: string }[]>();
  private node: Node | undefined;

  constructor(graph: Graph, engine: string, texels: boolean) {
    this.graph = graph;
    this.engine = engine;
    this.texels = texels;
    for (const name of [...graph.inputs, ...graph.outputs]) this.check(this.tensor(name), `tensor "${name}"`);
  }

  private get current(): Node {
    invariant(this.node !== undefined, "lowering outside a node");
    return this.node;
  }

  private tensor(name: string): Tensor {
    const tensor = this.graph.tensors.get(name);
    invariant(tensor !== undefined, `tensor "${name}" is not in the graph`);
    return tensor;
  }

  /** @param dataOnly check what the op computes from and to, not its other operands: there is no kernel for them anyway */
  begin(node: Node, dataOnly = false): void {
    this.node = node;
    this.kernels.set(node.name, []);
    const where = `node "${node.name}" (${node.op})`;
    const inputs = dataOnly ? node.inputs.slice(0, 1) : node.inputs;
    for (const name of [...inputs, ...node.outputs]) if (name !== "") this.check(this.tensor(name), where);
  }

  /** Fragment shaders have float32 and no products of bytes. */
  private check(tensor: Tensor, where: string): void {
    if (tensor.dtype !== "float32") {
      throw new UnsupportedError(
        `${where} on ${this.engine}: ${tensor.dtype} tensor "${tensor.name}", expected float32`,
        "Use the wasm or webgpu target, whose kernels compute in integers, or an fp32 recipe",
      );
    }
    const count = elementCount(tensor.shape);
    if (count > MAX_ELEMENTS) {
      throw new DeviceLimitError(
        `${where} on ${this.engine}: tensor "${tensor.name}" exceeds what kernels can index, got ${count} elements, expected at most ${MAX_ELEMENTS}`,
        "use a smaller input or batch, or another target",
      );
    }
  }

  unsupported(what: string, remedy = "Use the cpu, wasm or webgpu target"): UnsupportedError {
    return new UnsupportedError(`node "${this.current.name}" (${this.current.op}) on ${this.engine}: ${what}`, remedy);
  }

  constant(data: Float32Array): Operand {
    if (data.length > MAX_ELEMENTS) throw this.unsupported(`${data.length} weights, expected at most ${MAX_ELEMENTS}`);
    this.blocks.push(data);
    return { kind: "constant", id: this.blocks.length - 1 };
  }

  /** The tensor as a kernel's input: an activation, or a constant uploaded once as it is. */
  operand(tensor: Tensor): Operand {
    const root = this.tensor(this.aliases.get(tensor.name) ?? tensor.name);
    if (!isConstant(root)) return { kind: "tensor", name: root.name };
    let id = this.constantIds.get(root.name);
    if (id === undefined) {
      this.blocks.push(root.data as Float32Array);
      id = this.blocks.length - 1;
      this.constantIds.set(root.name, id);
    }
    return { kind: "constant", id };
  }

  /** The output is the input under another shape. */
  alias(output: Tensor, input: Tensor): void {
    this.aliases.set(output.name, this.aliases.get(input.name) ?? input.name);
    this.note(ALIAS_KERNEL);
  }

  /** Between two calls of one node. */
  scratch(suffix: string): string {
    return `${this.current.name}/${suffix}`;
  }

  private note(kernel: string, why?: string): void {
    this.kernels.get(this.current.name)?.push({ kernel, ...(why !== undefined && { why }) });
  }

  call(
    kernel: string,
    source: KernelFunction,
    c: {
      readonly constants?: object;
      readonly inputs: readonly (Operand & { readonly texels?: boolean })[];
      readonly numbers?: readonly number[];
      /** A tensor, or the name of a scratch with its number of elements. */
      readonly output: Tensor | { readonly name: string; readonly elements: number };
      readonly texels?: boolean;
      readonly why?: string | undefined;
    },
  ): void {
    this.note(kernel, c.why);
    const elements = "elements" in c.output ? c.output.elements : elementCount(c.output.shape);
    this.calls.push({
      node: this.current.name,
      op: this.current.op,
      kernel,
      source,
      constants: { ...c.constants },
      inputs: c.inputs.map((input) => ({ ...input, texels: input.texels === true })),
      numbers: c.numbers ?? [],
      output: c.output.name,
      elements,
      texels: c.texels === true,
    });
  }

  finish(): Lowered {
    return { calls: this.calls, constants: this.blocks, aliases: this.aliases, kernels: this.kernels };
  }
}
