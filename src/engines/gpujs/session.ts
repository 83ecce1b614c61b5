/** A compiled graph: kernels in order, everything between them stays where they run; one read an output at the end. */
import { UsageError, invariant } from "../../errors.ts";
import { isConstant, tensorOf } from "../../graph/access.ts";
import { elementCount } from "../../graph/dtype.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import type { Graph } from "../../graph/ir.ts";
import type { NodeProfile, Placement, Session, SessionMemory } from "../engine.ts";
import { checkOutputs, deliver } from "../outputs.ts";
import type { Backend, CompiledCall, Storage } from "./backend.ts";
import type { Call, Lowered } from "./lower/context.ts";

interface ReadyCall<S extends Storage> extends CompiledCall<S> {
  readonly call: Call;
}

export interface SessionOptions {
  readonly engine: string;
  readonly now: () => number;
  /** Storage is a GPU's, whose memory a record counts apart. */
  readonly onGpu: boolean;
}

export class GpuJsSession<S extends Storage> implements Session {
  readonly #graph: Graph;
  readonly #lowered: Lowered;
  readonly #backend: Backend<S>;
  readonly #options: SessionOptions;
  readonly #tensors = new Map<string, S>();
  readonly #calls: readonly ReadyCall<S>[];
  readonly #weightBytes: number;
  readonly #activationBytes: number;
  #disposed = false;

  /** Takes over the backend, also when it fails. */
  constructor(graph: Graph, lowered: Lowered, backend: Backend<S>, options: SessionOptions) {
    this.#graph = graph;
    this.#lowered = lowered;
    this.#backend = backend;
    this.#options = options;
    try {
      const constants = lowered.constants.map((data) => backend.upload(data));
      this.#weightBytes = sum(constants.map((storage) => backend.bytesOf(storage)));
      for (const name of graph.inputs) this.#tensors.set(name, backend.allocate(elementCount(tensorOf(graph, name).shape)));
      this.#calls = lowered.calls.map((call) => {
        const inputs = call.inputs.map((input) => (input.kind === "constant" ? constants[input.id]! : this.#storageOf(input.name)));
        const compiled = backend.compile(call, inputs);
        this.#tensors.set(call.output, compiled.output);
        return { ...compiled, call };
      });
      // Kernels of gpu.js own their outputs: nothing is shared, so all of them live at once.
      this.#activationBytes = sum([...this.#tensors.values()].map((storage) => backend.bytesOf(storage)));
      backend.assertUsable();
    } catch (error) {
      backend.dispose();
      throw error;
    }
  }

  run(inputs: readonly TypedArray[], outputs?: readonly TypedArray[]): Promise<readonly TypedArray[]> {
    return settle(() => {
      checkOutputs(this.#graph, outputs);
      this.#writeInputs(inputs);
      for (const { run } of this.#calls) run();
      return this.#readOutputs(outputs);
    });
  }

  memory(): SessionMemory {
    const gpuPeak = this.#options.onGpu ? { gpuPeak: this.#weightBytes + this.#activationBytes } : {};
    return { weights: this.#weightBytes, activationsPeak: this.#activationBytes, ...gpuPeak };
  }

  placement(): readonly Placement[] {
    const { engine } = this.#options;
    return this.#graph.nodes.flatMap((node) => {
      const seen = new Map((this.#lowered.kernels.get(node.name) ?? []).map((entry) => [entry.kernel, entry]));
      return [...seen.values()].map((entry) => ({ node: node.name, op: node.op, engine, ...entry }));
    });
  }

  profile(inputs: readonly TypedArray[]): Promise<readonly NodeProfile[]> {
    return settle(() => {
      const { now } = this.#options;
      this.#writeInputs(inputs);
      return this.#calls.map(({ call, output, run }) => {
        const begin = now();
        run();
        this.#backend.settle(output);
        return { node: call.node, op: call.op, kernel: call.kernel, ms: now() - begin };
      });
    });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#backend.dispose();
  }

  #writeInputs(inputs: readonly TypedArray[]): void {
    const graph = this.#graph;
    invariant(!this.#disposed, `session of "${graph.name}" was disposed`);
    if (inputs.length !== graph.inputs.length)
      throw new UsageError(`model "${graph.name}": inputs, got ${inputs.length}, expected ${graph.inputs.length}`);
    graph.inputs.forEach((name, i) => {
      const data = inputs[i]!;
      const storage = this.#storageOf(name);
      if (!(data instanceof Float32Array)) throw new UsageError(`input "${name}": got ${data.constructor.name}, expected Float32Array`);
      if (data.length !== storage.elements)
        throw new UsageError(`input "${name}": elements, got ${data.length}, expected ${storage.elements}`);
      this.#backend.write(storage, data);
    });
  }

  #readOutputs(to: readonly TypedArray[] | undefined): readonly TypedArray[] {
    const outputs = this.#graph.outputs.map((name, i) => {
      const root = tensorOf(this.#graph, this.#lowered.aliases.get(name) ?? name);
      if (isConstant(root)) return deliver(root.data, to?.[i]);
      const read = this.#backend.read(this.#storageOf(root.name));
      return to === undefined ? read : deliver(read, to[i]);
    });
    this.#backend.assertUsable();
    return outputs;
  }

  #storageOf(name: string): S {
    const storage = this.#tensors.get(name);
    invariant(storage !== undefined, `no storage for tensor "${name}"`);
    return storage;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Errors of synchronous work become rejections, as the contract of `Session` promises. */
function settle<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}
