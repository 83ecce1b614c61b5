/**
 * A compiled graph: one memory, one list of bound calls. `run` copies inputs in, makes the calls and copies outputs out; it allocates
 * nothing but the outputs, unless the caller gave arrays for them. With threads, the memory is shared and calls that pay are split into groups of pieces, one group after another.
 */
import { DeviceLimitError, ShapeError, formatShape } from "../../errors.ts";
import { isConstant, tensorOf } from "../../graph/access.ts";
import { elementCount, viewArray } from "../../graph/dtype.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import type { Graph, Node } from "../../graph/ir.ts";
import { createCpuKernel } from "../cpu/kernel.ts";
import type { CpuKernel } from "../cpu/kernel.ts";
import { Scratch } from "../cpu/kernels/shared.ts";
import type { NodeProfile, Placement, Session, SessionMemory, ThreadHost } from "../engine.ts";
import { checkOutputs, deliver } from "../outputs.ts";
import { planArena } from "../plan.ts";
import { NO_RESIDUALS, findResiduals } from "../residual.ts";
import type { Residuals } from "../residual.ts";
import type { WasmModule } from "./api.ts";
import { LinearMemory } from "./memory.ts";
import { KernelSet, bindCall } from "./module.ts";
import { planNode } from "./plan/index.ts";
import { PlanContext } from "./program.ts";
import type { KernelCall, NodePlan, Selection } from "./program.ts";
import type { CallGroup } from "./threads/control.ts";
import { ThreadPool } from "./threads/pool.ts";
import { ALONE } from "./threads/schedule.ts";

const ALIGNMENT = 64;
/** Kernels load whole vectors, so they may read this far behind a tensor. */
const OVERREAD_BYTES = 64;
const ALIAS = { simd: "any_reshape_alias__wasm_simd", scalar: "any_reshape_alias__wasm_scalar" } as const;

/** Makes a call. A promise only from a group of pieces that other threads have not finished in good time. */
type Step = () => Promise<void> | undefined;

interface PlannedNode {
  readonly node: Node;
  readonly placement: Placement;
  readonly plan?: NodePlan;
  readonly cpu?: CpuKernel;
}

export class WasmSession implements Session {
  readonly #graph: Graph;
  readonly #now: () => number;
  #views: ReadonlyMap<string, TypedArray>;
  /** Steps of each node, and all of them in one flat list. */
  #nodeSteps: readonly (readonly Step[])[];
  #steps: readonly Step[];
  readonly #placement: readonly Placement[];
  readonly #residuals: Residuals;
  readonly #sizes: SessionMemory;
  /** Calls split for threads; empty in a session of one. */
  readonly #groups: CallGroup[] = [];
  readonly #startPool: ((host: ThreadHost) => Promise<ThreadPool>) | undefined;
  #pool: ThreadPool | undefined;
  /** Node → kernels that could execute it, best estimate first; only nodes with more than one. */
  readonly alternatives: ReadonlyMap<string, readonly string[]>;

  /**
   * @param modules for shared memory when there is more than one thread
   * @param sharing with more than one thread, `startThreads` comes before the first run
   * @throws UnsupportedError naming a node that neither this engine nor the CPU engine runs, DeviceLimitError beyond 4 GiB
   */
  constructor(graph: Graph, modules: readonly WasmModule[], now: () => number, selection: Selection, sharing = ALONE) {
    this.#graph = graph;
    this.#now = now;
    const { threads, maxPieces, pieces } = sharing;
    const memory = new LinearMemory(threads === 1 ? "own" : "shared");
    const kernels = new KernelSet(modules, memory.memory);
    const residuals = selection.simd ? findResiduals(graph) : NO_RESIDUALS;
    this.#residuals = residuals;
    const arena = planArena(graph, ALIGNMENT, OVERREAD_BYTES, residuals);
    const scratchOwner = new Scratch();
    const planned: PlannedNode[] = [];
    let scratchBytes = 0;
    let scheduled: readonly (readonly (KernelCall | number)[])[];
    try {
      memory.reserve(kernels.heapBase);
      const base = memory.reserve(arena.peakBytes);
      const context = new PlanContext(graph, memory, base, arena.offsets, selection, maxPieces, residuals);
      for (const node of graph.nodes) {
        const residual = residuals.get(node.name);
        const layer = residual && planned.find(({ placement }) => placement.node === residual.layer);
        planned.push(layer === undefined ? planOrFallBack(context, node, arena.aliasOf, scratchOwner) : addedBy(layer, node));
      }
      scratchBytes = Math.max(0, ...planned.map(({ plan }) => plan?.scratchBytes ?? 0));
      const scratch = memory.reserve(scratchBytes);
      scheduled = planned.map(({ plan }) => (plan?.calls(scratch) ?? []).map((call) => this.#schedule(call, pieces(call))));
      this.#views = viewsOf(graph, memory, context);
      this.alternatives = context.alternatives;
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new DeviceLimitError(
        `graph "${graph.name}" on wasm: its weights and activations exceed the 4 GiB of one WebAssembly memory`,
        "Use a smaller input shape or a smaller model.",
      );
    }
    const bind = (call: KernelCall): (() => undefined) => bindCall(kernels, call);
    this.#nodeSteps = planned.map(({ node, cpu }, i) => {
      if (cpu !== undefined) return [this.#bindCpu(node, cpu)];
      return scheduled[i]!.map((call): Step => (typeof call === "number" ? () => this.#pool!.run(call) : bind(call)));
    });
    this.#steps = this.#nodeSteps.flat();
    this.#placement = planned.map(({ placement }, i) => {
      const isShared = scheduled[i]!.some((call) => typeof call === "number");
      return isShared
        ? { ...placement, why: `${placement.why === undefined ? "" : `${placement.why}; `}shared by ${threads} threads` }
        : placement;
    });
    const groups = this.#groups;
    if (groups.length > 0) {
      this.#startPool = (host) => ThreadPool.start(host, { modules, memory: memory.memory, groups, threads }, now, bind);
    }
    this.#sizes = {
      weights: memory.weightBytes + cpuWeightBytes(graph, planned),
      activationsPeak: arena.peakBytes + scratchBytes + memory.tableBytes + scratchOwner.bytes,
      wasm: memory.memory.buffer.byteLength,
    };
  }

  /**
   * Starts threads if any call is shared.
   * @throws UnavailableError when the host cannot
   */
  async startThreads(host: ThreadHost): Promise<void> {
    this.#pool = await this.#startPool?.(host);
  }

  async run(inputs: readonly TypedArray[], outputs?: readonly TypedArray[]): Promise<readonly TypedArray[]> {
    checkOutputs(this.#graph, outputs);
    this.#pool?.begin();
    try {
      this.#load(inputs);
      const steps = this.#steps;
      for (let i = 0; i < steps.length; i++) {
        const late = steps[i]!();
        if (late !== undefined) await late;
      }
    } finally {
      this.#pool?.end();
    }
    return this.#graph.outputs.map((name, i) => deliver(this.#views.get(name)!, outputs?.[i]));
  }

  memory(): SessionMemory {
    return this.#sizes;
  }

  placement(): readonly Placement[] {
    return this.#placement;
  }

  async profile(inputs: readonly TypedArray[]): Promise<readonly NodeProfile[]> {
    const profile: NodeProfile[] = [];
    const fused = new Map([...this.#residuals].map(([addition, { layer }]) => [layer, [addition]]));
    this.#pool?.begin();
    try {
      this.#load(inputs);
      for (const [i, steps] of this.#nodeSteps.entries()) {
        const start = this.#now();
        for (const step of steps) {
          const late = step();
          if (late !== undefined) await late;
        }
        const { node, op, kernel } = this.#placement[i]!;
        const ms = this.#now() - start;
        const contains = fused.get(node);
        if (!this.#residuals.has(node)) profile.push({ node, op, kernel, ms, ...(contains && { fused: contains }) });
      }
    } finally {
      this.#pool?.end();
    }
    return profile;
  }

  /** Ends threads and lets go of the memory; a WebAssembly memory is freed when nothing refers to it. */
  dispose(): void {
    this.#pool?.dispose();
    this.#views = new Map();
    this.#nodeSteps = [];
    this.#steps = [];
  }

  #bindCpu(node: Node, kernel: CpuKernel): Step {
    const views = this.#views;
    const inputs = node.inputs.map((name) => (name === "" ? undefined : views.get(name)));
    const output = views.get(node.outputs[0]!)!;
    return () => {
      kernel.run(inputs, output);
      return undefined;
    };
  }

  /** @returns the call, or the number of the group that it was split into */
  #schedule(call: KernelCall, pieces: CallGroup | undefined): KernelCall | number {
    return pieces === undefined ? call : this.#groups.push(pieces) - 1;
  }

  #load(inputs: readonly TypedArray[]): void {
    const { inputs: names, name: graphName, tensors } = this.#graph;
    if (inputs.length !== names.length) {
      throw new ShapeError(
        `graph "${graphName}": wrong number of inputs, got ${inputs.length}, expected ${names.length} (${names.join(", ")})`,
      );
    }
    for (let i = 0; i < names.length; i++) {
      const input = inputs[i]!;
      const view = this.#views.get(names[i]!)!;
      if (input.constructor !== view.constructor || input.length !== view.length) {
        const { dtype, shape } = tensors.get(names[i]!)!;
        throw new ShapeError(
          `input "${names[i]!}" of graph "${graphName}": got ${input.constructor.name} of ${input.length}, expected ` +
            `${view.constructor.name} (${dtype}) of ${view.length} for ${formatShape(shape)}`,
        );
      }
      view.set(input);
    }
  }
}

/** An addition that the layer before it has done. */
function addedBy({ placement: { node: layer, kernel, engine } }: PlannedNode, node: Node): PlannedNode {
  return { node, placement: { node: node.name, op: node.op, kernel, engine, why: `added by "${layer}"` } };
}

function planOrFallBack(context: PlanContext, node: Node, aliases: ReadonlyMap<string, string>, scratch: Scratch): PlannedNode {
  const place = (kernel: string, engine: string, why?: string): Placement => ({
    node: node.name,
    op: node.op,
    kernel,
    engine,
    ...(why === undefined ? {} : { why }),
  });
  if (aliases.has(node.outputs[0]!)) return { node, placement: place(ALIAS[context.selection.simd ? "simd" : "scalar"], "wasm") };
  const plan = planNode(context, node);
  if (plan !== undefined) return { node, placement: place(plan.kernel, "wasm", plan.why), plan };
  const cpu = createCpuKernel(context.graph, node, { scratch });
  return { node, placement: place(cpu.name, "cpu", cpu.why), cpu };
}

/** Every tensor's live data: views on the arena, and the constants' own arrays. Made after the last growth, which detaches views. */
function viewsOf(graph: Graph, memory: LinearMemory, context: PlanContext): ReadonlyMap<string, TypedArray> {
  const views = new Map<string, TypedArray>();
  for (const tensor of graph.tensors.values()) {
    if (isConstant(tensor)) views.set(tensor.name, tensor.data);
    else if (context.hasPlace(tensor.name)) {
      views.set(tensor.name, viewArray(tensor.dtype, memory.memory.buffer, context.activation(tensor.name), elementCount(tensor.shape)));
    }
  }
  return views;
}

/** What CPU kernels packed, and the constants that they read as they are. */
function cpuWeightBytes(graph: Graph, planned: readonly PlannedNode[]): number {
  const readAsIs = new Set<string>();
  let bytes = 0;
  for (const { node, cpu } of planned) {
    if (cpu === undefined) continue;
    bytes += cpu.weightBytes;
    node.inputs.forEach((name, i) => {
      if (name !== "" && !cpu.packedInputs.includes(i) && isConstant(tensorOf(graph, name))) readAsIs.add(name);
    });
  }
  for (const name of readAsIs) bytes += tensorOf(graph, name).data!.byteLength;
  return bytes;
}
