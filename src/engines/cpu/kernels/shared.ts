/**
 * What every CPU kernel family shares: the kernel interface, the scratch memory of a session and small questions about
 * types and grids. Kernels bake in everything that the graph fixes (shapes, packed weights, tables); `run` only computes.
 */
import { UnsupportedError } from "../../../errors.ts";
import { isFloat } from "../../../graph/dtype.ts";
import type { DType, TypedArray } from "../../../graph/dtype.ts";
import type { Graph, Node, NodeWith, OpName, Quantization, Tensor } from "../../../graph/ir.ts";

export interface CpuKernel {
  /** Row of the catalogue (src/kernels/cpu.ts). */
  readonly name: string;
  /** Bytes of weights, indices and tables that it holds for its whole life. */
  readonly weightBytes: number;
  /** Inputs (by position) that were baked in and are not read by `run`. */
  readonly packedInputs: readonly number[];
  /** Why this kernel, where weights have a compact code. */
  readonly why?: string;
  /** Writes every element of `output`; `undefined` stands for an absent optional input. */
  run(inputs: readonly (TypedArray | undefined)[], output: TypedArray): void;
}

/**
 * `auto` skips stored zeros where that should pay, `on` wherever there are any, `off` never; the other two force a layout (for tests).
 */
export type SparsePolicy = "auto" | "on" | "off" | "block8" | "block4" | "csr";

/** A node of one of the ops O. */
export type NodeFor<O extends OpName> = { [P in O]: NodeWith<P> }[O];

export interface KernelContext<O extends OpName> {
  readonly graph: Graph;
  readonly node: NodeFor<O>;
  readonly scratch: Scratch;
  readonly sparse: SparsePolicy;
}

/** One growing buffer that all kernels of a session use in turn, as doubles or as int32. */
export class Scratch {
  #reservedBytes = 0;
  #doubles: Float64Array = new Float64Array(0);
  #ints: Int32Array = new Int32Array(0);

  get bytes(): number {
    return this.#reservedBytes;
  }

  /** Called while kernels are built. */
  reserve(bytes: number): void {
    this.#reservedBytes = Math.max(this.#reservedBytes, Math.ceil(bytes / 8) * 8);
  }

  get doubles(): Float64Array {
    this.#grow();
    return this.#doubles;
  }

  get ints(): Int32Array {
    this.#grow();
    return this.#ints;
  }

  #grow(): void {
    if (this.#doubles.byteLength >= this.#reservedBytes) return;
    const buffer = new ArrayBuffer(this.#reservedBytes);
    this.#doubles = new Float64Array(buffer);
    this.#ints = new Int32Array(buffer);
  }
}

export function unsupported(node: Node, what: string, remedy = ""): UnsupportedError {
  return new UnsupportedError(`node "${node.name}" (${node.op}) on cpu: ${what}`, remedy);
}

/** An integer tensor on a real-valued grid, as opposed to plain integers such as shapes and indices. */
export function isQuantized(tensor: Tensor): tensor is Tensor & { readonly quant: Quantization } {
  return tensor.quant !== undefined && !isFloat(tensor.dtype);
}

export function isByte(dtype: DType): boolean {
  return dtype === "int8" || dtype === "uint8";
}

export function sameQuantization(a: Quantization | undefined, b: Quantization | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.scales.length !== b.scales.length || (a.scales.length > 1 && a.axis !== b.axis)) return false;
  return a.scales.every((s, i) => s === b.scales[i] && a.zeroPoints[i] === b.zeroPoints[i]);
}

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = step;
    step *= shape[d]!;
  }
  return strides;
}

/** First part of a kernel name: the types with kernels of their own, `any` for the others. */
export function shortName(dtype: DType): "f32" | "i8" | "u8" | "any" {
  if (dtype === "float32") return "f32";
  return dtype === "int8" ? "i8" : dtype === "uint8" ? "u8" : "any";
}
