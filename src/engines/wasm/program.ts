/** What planning a node yields, and what planners work with. Planners are plain functions from a node to kernel calls. */
import { invariant } from "../../errors.ts";
import { isConstant, tensorOf } from "../../graph/access.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import type { Graph, Node, NodeWith, OpName, Tensor } from "../../graph/ir.ts";
import type { Policy } from "../candidates.ts";
import { NO_RESIDUALS, byLayer } from "../residual.ts";
import type { Residual, Residuals } from "../residual.ts";
import type { LinearMemory } from "./memory.ts";
import type { Feature } from "./features.ts";

/** One call of an exported kernel; all arguments are integers. */
export interface KernelCall {
  readonly kernel: string;
  readonly args: readonly number[];
  /** How threads can share it; absent: one thread makes the call. */
  readonly split?: Split;
}

export interface Split {
  /** Equal pieces that can be computed apart: a row, a tile of rows, a panel of columns. Results never depend on who computes which. */
  readonly units: number;
  /** Microseconds that the whole call is expected to take on one thread. */
  readonly cost: number;
  /**
   * Arguments of the call for units [from, to).
   * @param piece number of this piece, below the session's `maxPieces`: for scratch memory that pieces cannot share
   */
  readonly part: (from: number, to: number, piece: number) => readonly number[];
}

export interface NodePlan {
  /** The kernel that does the work, as placement and profile name it. */
  readonly kernel: string;
  /** Why this kernel, where there was a choice. */
  readonly why?: string;
  /** Bytes of the session's shared scratch that the calls use. */
  readonly scratchBytes?: number;
  /** @param scratch address of the scratch memory */
  readonly calls: (scratch: number) => readonly KernelCall[];
}

/** @returns undefined when no WASM kernel covers the node: it then runs on the CPU engine, and placement says so */
export type Planner<O extends OpName> = (context: PlanContext, node: NodeWith<O>) => NodePlan | undefined;

/** How a session chooses among kernels that can execute the same node. */
export interface Selection extends Policy {
  /** False: only kernels without vector instructions, and the CPU engine. */
  readonly simd: boolean;
  readonly features: ReadonlySet<Feature>;
}

/** Where things are in memory, for planners. */
export class PlanContext {
  readonly graph: Graph;
  readonly selection: Selection;
  /** Pieces into which a call may be split, at most; 1 in a session of one thread. */
  readonly maxPieces: number;
  readonly #memory: LinearMemory;
  readonly #arena: number;
  readonly #offsets: ReadonlyMap<string, number>;
  readonly #constants = new Map<string, number>();
  readonly #alternatives = new Map<string, readonly string[]>();
  readonly #residuals: ReadonlyMap<string, Residual>;

  constructor(
    graph: Graph,
    memory: LinearMemory,
    arena: number,
    offsets: ReadonlyMap<string, number>,
    selection: Selection,
    maxPieces: number,
    residuals: Residuals = NO_RESIDUALS,
  ) {
    this.graph = graph;
    this.selection = selection;
    this.maxPieces = maxPieces;
    this.#memory = memory;
    this.#arena = arena;
    this.#offsets = offsets;
    this.#residuals = byLayer(residuals);
  }

  /** What a layer adds to its sums, with the activation and the output that belong to it then. */
  residualOf(layer: Node): Residual | undefined {
    return this.#residuals.get(layer.name);
  }

  /** Address of an activation, or of a constant that kernels read as it is (copied in on first use). */
  address(tensor: Tensor): number {
    if (!isConstant(tensor)) return this.activation(tensor.name);
    let address = this.#constants.get(tensor.name);
    if (address === undefined) {
      address = this.#memory.place("weights", tensor.data);
      this.#constants.set(tensor.name, address);
    }
    return address;
  }

  hasPlace(name: string): boolean {
    return this.#offsets.has(name);
  }

  activation(name: string): number {
    const offset = this.#offsets.get(name);
    invariant(offset !== undefined, `tensor "${name}" (${tensorOf(this.graph, name).dtype}) has no place in the arena`);
    return this.#arena + offset;
  }

  /** Node → kernels that could execute it, best estimate first; only nodes with more than one. */
  get alternatives(): ReadonlyMap<string, readonly string[]> {
    return this.#alternatives;
  }

  noteAlternatives(node: string, kernels: readonly string[]): void {
    if (kernels.length > 1) this.#alternatives.set(node, kernels);
  }

  /** Packed weights. */
  weights(data: TypedArray): number {
    return this.#memory.place("weights", data);
  }

  /** Index tables, geometry and parameter records; equal ones share an address. */
  table(data: TypedArray): number {
    return this.#memory.placeShared(data);
  }
}
