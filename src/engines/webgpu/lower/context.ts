/**
 * Lowering: a graph becomes a list of dispatches, constants in the layout that their kernels want, and aliases. Pure: it touches no GPU,
 * so what would run on a device can be asked and tested anywhere.
 */
import { DeviceLimitError, UnsupportedError, invariant } from "../../../errors.ts";
import { isConstant } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { Activation, Graph, Node, Quantization, Tensor } from "../../../graph/ir.ts";
import { unaryTable } from "../../../graph/numerics.ts";
import type { Policy } from "../../candidates.ts";
import { byLayer, findResiduals } from "../../residual.ts";
import type { Residual, Residuals } from "../../residual.ts";
import type { KernelChoice } from "../../tune/types.ts";
import type { DeviceFacts } from "../device.ts";
import type { WebGpuOptions } from "../options.ts";
import { f, flatWorkgroup, foldGroups, u } from "../step.ts";
import type { Groups, Operand, Step } from "../step.ts";
import { formatOf, storedBytes, storedShift, toStored } from "../storage.ts";

export interface ConstantBlock {
  readonly label: string;
  readonly data: Uint32Array | Float32Array | Int32Array;
}

export interface Lowered {
  readonly steps: readonly Step[];
  readonly constants: readonly ConstantBlock[];
  /** Tensor → the tensor whose buffer it is; chains are resolved. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Bytes of every buffer-backed tensor, scratch included. */
  readonly bytes: ReadonlyMap<string, number>;
  /** Node → kernels, in order. */
  readonly kernels: ReadonlyMap<string, readonly string[]>;
  /** Node → the kernel that was chosen for it, where there was a choice. */
  readonly choices: ReadonlyMap<string, LoweredChoice>;
}

export interface LoweredChoice {
  readonly kernel: string;
  readonly why: string;
  /** Kernels that could execute the node, the cheapest estimate first. */
  readonly kernels: readonly string[];
}

export interface Dispatch {
  readonly kernel: string;
  readonly params: readonly number[];
  readonly inputs: readonly Operand[];
  readonly residual?: Operand;
  readonly output: Tensor | string;
  readonly groups: Groups;
  readonly constants?: Readonly<Record<string, number>>;
}

export const ALIAS_KERNEL = "any_alias_view__wgsl";

export class Lowering {
  readonly graph: Graph;
  readonly facts: DeviceFacts;
  readonly options: WebGpuOptions;
  readonly policy: Policy;
  private readonly steps: Step[] = [];
  private readonly blocks: ConstantBlock[] = [];
  private readonly constantIds = new Map<string, number>();
  private readonly aliases = new Map<string, string>();
  private readonly bytes = new Map<string, number>();
  private readonly kernels = new Map<string, string[]>();
  private readonly choices = new Map<string, LoweredChoice>();
  /** By name of the addition, and by name of the layer that adds. */
  private readonly additions: Residuals;
  private readonly residuals: ReadonlyMap<string, Residual>;
  private identity: Operand | undefined;
  private node: Node | undefined;

  /** @param choices kernels that nodes shall run with */
  constructor(graph: Graph, facts: DeviceFacts, options: WebGpuOptions, choices: readonly KernelChoice[] = []) {
    this.graph = graph;
    this.facts = facts;
    this.options = options;
    const { sparse, coded, kernel: forced = [] } = options;
    this.policy = { sparse, coded, forced, chosen: new Map(choices.map((choice) => [choice.node, choice])) };
    this.additions = findResiduals(graph);
    this.residuals = byLayer(this.additions);
    for (const name of graph.inputs) this.define(name, storedBytes(this.tensor(name)));
  }

  get where(): string {
    return `node "${this.current.name}" (${this.current.op})`;
  }

  get nodeName(): string {
    return this.current.name;
  }

  /** The node that is being lowered. */
  get current(): Node {
    invariant(this.node !== undefined, "lowering outside a node");
    return this.node;
  }

  private tensor(name: string): Tensor {
    const tensor = this.graph.tensors.get(name);
    invariant(tensor !== undefined, `tensor "${name}" is not in the graph`);
    return tensor;
  }

  begin(node: Node): void {
    this.node = node;
    this.kernels.set(node.name, []);
    const { outputs } = node;
    const written = this.residuals.has(node.name) ? [this.residuals.get(node.name)!.out.name] : outputs;
    for (const output of written) if (output !== "") this.define(output, storedBytes(this.tensor(output)));
  }

  /** What the current node adds to its sums, with the activation and the output that belong to it then. */
  get residual(): Residual | undefined {
    return this.residuals.get(this.current.name);
  }

  /** True when the current node is an addition that the layer before it has done. */
  added(): boolean {
    const layer = this.additions.get(this.current.name)?.layer;
    const kernel = layer === undefined ? undefined : this.choices.get(layer)?.kernel;
    if (layer === undefined || kernel === undefined) return false;
    this.noteKernel(kernel);
    this.noteChoice(kernel, `added by "${layer}" before it stores`, [kernel]);
    const at = this.steps.findLastIndex((step) => step.node === layer && step.kernel === kernel);
    const step = this.steps[at];
    invariant(step !== undefined, `layer "${layer}" did not dispatch ${kernel}`);
    this.steps[at] = { ...step, fused: [this.current.name] };
    return true;
  }

  unsupported(what: string, remedy = "Use the cpu target, or leave this node in float32."): UnsupportedError {
    return new UnsupportedError(`${this.where} on webgpu: ${what}`, remedy);
  }

  private define(name: string, bytes: number): void {
    const limit = Math.min(this.facts.limits.maxStorageBufferBindingSize, this.facts.limits.maxBufferSize);
    if (bytes > limit) {
      throw new DeviceLimitError(
        `tensor "${name}" on webgpu: exceeds maxStorageBufferBindingSize, got ${bytes} bytes, expected at most ${limit}`,
        "use a smaller input or batch, or another target",
      );
    }
    this.bytes.set(name, bytes);
  }

  /** A buffer for the time between two dispatches of one node. */
  scratch(suffix: string, words: number): string {
    const name = `${this.current.name}/${suffix}`;
    this.define(name, Math.max(16, Math.ceil(words / 4) * 16));
    return name;
  }

  /** A constant block; ask once for each, they are not compared. */
  constant(label: string, data: Uint32Array | Float32Array | Int32Array): Operand {
    const limit = Math.min(this.facts.limits.maxStorageBufferBindingSize, this.facts.limits.maxBufferSize);
    if (data.byteLength > limit) {
      throw new DeviceLimitError(
        `${this.where} on webgpu: weights exceed maxStorageBufferBindingSize, got ${data.byteLength} bytes, expected at most ${limit}`,
        "compress the model further, or use another target",
      );
    }
    this.blocks.push({ label: `${this.current.name}: ${label}`, data });
    return { kind: "constant", id: this.blocks.length - 1 };
  }

  /** The tensor as a kernel's input: an activation's buffer, or a constant uploaded once in storage layout. */
  operand(tensor: Tensor): Operand {
    if (!isConstant(tensor)) return { kind: "tensor", name: this.rootOf(tensor.name) };
    let id = this.constantIds.get(tensor.name);
    if (id === undefined) {
      const block = this.constant(tensor.name, toStored(tensor, tensor.data));
      invariant(block.kind === "constant", "constant block expected");
      id = block.id;
      this.constantIds.set(tensor.name, id);
    }
    return { kind: "constant", id };
  }

  private rootOf(name: string): string {
    return this.aliases.get(name) ?? name;
  }

  /** The output is the input under another shape; false when the input is a constant, which has no buffer to share. */
  alias(output: Tensor, input: Tensor): boolean {
    if (isConstant(input)) return false;
    this.aliases.set(output.name, this.rootOf(input.name));
    this.bytes.delete(output.name);
    this.noteKernel(ALIAS_KERNEL);
    return true;
  }

  noteChoice(kernel: string, why: string, kernels: readonly string[]): void {
    this.choices.set(this.current.name, { kernel, why, kernels });
  }

  /** Whether the current node dispatches that kernel. */
  dispatched(kernel: string): boolean {
    return this.kernels.get(this.current.name)?.includes(kernel) === true;
  }

  private within(what: string, got: number, name: keyof DeviceFacts["limits"], limit: number): void {
    if (got <= limit) return;
    throw new DeviceLimitError(
      `${this.where} on webgpu: exceeds ${name}, got ${got} ${what}, expected at most ${limit}`,
      "use a browser or driver that offers higher limits, or another target",
    );
  }

  private noteKernel(kernel: string): void {
    this.kernels.get(this.current.name)?.push(kernel);
  }

  /** @throws DeviceLimitError for more threads or buffers than the device has; workgroup memory is the candidates' to check */
  dispatch(d: Dispatch): void {
    const { maxComputeInvocationsPerWorkgroup, maxStorageBuffersPerShaderStage } = this.facts.limits;
    this.within("threads a workgroup", d.constants?.["WG"] ?? 0, "maxComputeInvocationsPerWorkgroup", maxComputeInvocationsPerWorkgroup);
    const buffers = d.inputs.length + (d.residual === undefined ? 1 : 2);
    this.within("storage buffers", buffers, "maxStorageBuffersPerShaderStage", maxStorageBuffersPerShaderStage);
    const output = typeof d.output === "string" ? d.output : d.output.name;
    this.noteKernel(d.kernel);
    this.steps.push({
      node: this.current.name,
      op: this.current.op,
      kernel: d.kernel,
      constants: d.constants ?? {},
      params: Uint32Array.from(d.params),
      output,
      inputs: d.inputs,
      ...(d.residual && { residual: d.residual }),
      groups: d.groups,
    });
  }

  /**
   * A dispatch of one thread a unit.
   * @param d.fit whether tiles cover the output exactly, of kernels that need not check then (FIT_MN)
   */
  flat(d: Omit<Dispatch, "groups"> & { readonly threads: number; readonly z?: number; readonly fit?: boolean }): void {
    if (d.threads === 0) return;
    const size = flatWorkgroup(d.threads, this.facts.software);
    const groups = foldGroups(Math.ceil(d.threads / size), this.facts.limits, this.where, d.z);
    const noneBeyond = groups[0] * groups[1] * size === d.threads;
    const fit = d.fit === undefined ? {} : { FIT_MN: d.fit && noneBeyond ? 1 : 0 };
    this.dispatch({ ...d, constants: { ...d.constants, ...fit, WG: size }, groups });
  }

  fold(groups: number, z = 1): Groups {
    return foldGroups(groups, this.facts.limits, this.where, z);
  }

  finish(): Lowered {
    const { blocks, aliases, bytes, kernels, choices } = this;
    const mainOf = (node: string): string | undefined => choices.get(node)?.kernel ?? kernels.get(node)?.at(-1);
    const steps = this.steps.map((step) => (step.kernel === mainOf(step.node) ? step : { ...step, helper: true as const }));
    return { steps, constants: blocks, aliases, bytes, kernels, choices };
  }

  /** 64 words of table between two 8-bit grids, by stored byte; use it only when `gridTable` says so. */
  identityTable(): Operand {
    this.identity ??= this.constant(
      "identity table",
      packTable((i) => (i << 24) >> 24),
    );
    return this.identity;
  }
}

/** A table of 256 stored bytes as 64 words. */
export function packTable(entry: (storedByte: number) => number): Uint32Array {
  const bytes = new Uint8Array(256);
  for (let i = 0; i < 256; i++) bytes[i] = entry(i);
  return new Uint32Array(bytes.buffer);
}

/** `unaryTable`, indexed by stored byte and giving stored bytes. */
export function storedTable(attrs: Parameters<typeof unaryTable>[0], x: QuantizedTensor, out: QuantizedTensor): Uint32Array {
  const table = unaryTable(attrs, x.quant, x.dtype, out.quant, out.dtype);
  const flip = storedShift(x.dtype);
  const shift = storedShift(out.dtype);
  return packTable((stored) => table[stored ^ flip]! - shift);
}

export type QuantizedTensor = Tensor & { readonly quant: Quantization };

export function isQuantized(tensor: Tensor): tensor is QuantizedTensor {
  return tensor.quant !== undefined && tensor.dtype !== "float32" && tensor.dtype !== "float64";
}

/** An 8-bit tensor on a per-tensor grid. */
export function isQuantizedByte(tensor: Tensor): tensor is QuantizedTensor {
  return isQuantized(tensor) && formatOf(tensor) === "i8" && tensor.quant.scales.length === 1;
}

export function sameGrid(a: Tensor, b: Tensor): boolean {
  if (a.dtype !== b.dtype) return false;
  const p = a.quant;
  const q = b.quant;
  if (p === undefined || q === undefined) return p === q;
  return p.scales.length === q.scales.length && p.scales.every((s, i) => s === q.scales[i] && p.zeroPoints[i] === q.zeroPoints[i]);
}

/** Kind and bounds of a fused float activation, as common/activation.wgsl takes them. Bounds beyond float32 become its largest values. */
export function activationParams(activation: Activation | undefined): { readonly kind: number; readonly lo: number; readonly hi: number } {
  if (activation === undefined) return { kind: 0, lo: 0, hi: 0 };
  if (activation.kind === "hardswish") return { kind: 3, lo: 0, hi: 0 };
  const { min, max } = activation;
  if (min === -Infinity && max === Infinity) return { kind: 0, lo: 0, hi: 0 };
  return { kind: max === Infinity ? 1 : 2, lo: finite(min), hi: finite(max) };
}

export const FLOAT_MAX = 3.4028234663852886e38;

/** WGSL does not promise infinities. */
export function finite(x: number): number {
  return Math.min(FLOAT_MAX, Math.max(-FLOAT_MAX, x));
}

export function activationWords(activation: Activation | undefined): number[] {
  const { kind, lo, hi } = activationParams(activation);
  return [...u(kind), ...f(lo, hi)];
}

export function outputElements(tensor: Tensor): number {
  return elementCount(tensor.shape);
}
