/**
 * The CPU engine: plain TypeScript, every op, always available. It is the truth that the other engines are verified against, so
 * floats accumulate in doubles and are rounded once, and integers are exact.
 */
import { UsageError } from "../../errors.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import type { Graph } from "../../graph/ir.ts";
import type { Engine, EngineContext, EngineOptions, NodeProfile, Peak, Placement, ProbeResult, Session, SessionMemory } from "../engine.ts";
import { checkOutputs } from "../outputs.ts";
import type { SparsePolicy } from "./kernel.ts";
import { copyLoop, timedLoop } from "../peak.ts";
import { cpuPeaks } from "./peak.ts";
import { compileProgram, copyOutputs, loadInputs } from "./program.ts";
import type { Program } from "./program.ts";

interface CpuOptions {
  /** `auto`: stored zeros are skipped where that should pay; `on`: wherever there are any; `off`: never. */
  readonly sparse: SparsePolicy;
}

const SPARSE: readonly SparsePolicy[] = ["auto", "on", "off"];

/** @throws UsageError for a key or value that the engine does not know */
function parseOptions(options: EngineOptions): CpuOptions {
  for (const key of Object.keys(options)) {
    if (key !== "sparse") throw new UsageError(`target cpu: unknown option, got "${key}", expected sparse`);
  }
  const word = options["sparse"] ?? "auto";
  const sparse = SPARSE.find((policy) => policy === word);
  if (sparse === undefined)
    throw new UsageError(`target cpu: bad value of option sparse, got "${word}", expected one of ${SPARSE.join(", ")}`);
  return { sparse };
}

class CpuSession implements Session {
  readonly #program: Program;
  readonly #now: () => number;

  constructor(program: Program, now: () => number) {
    this.#program = program;
    this.#now = now;
  }

  run(inputs: readonly TypedArray[], outputs?: readonly TypedArray[]): Promise<readonly TypedArray[]> {
    return settle(() => {
      checkOutputs(this.#program.graph, outputs);
      loadInputs(this.#program, inputs);
      const { steps } = this.#program;
      for (let i = 0; i < steps.length; i++) steps[i]!.run();
      return copyOutputs(this.#program, outputs);
    });
  }

  memory(): SessionMemory {
    return { weights: this.#program.weightBytes, activationsPeak: this.#program.activationBytes };
  }

  placement(): readonly Placement[] {
    return this.#program.steps.map(({ node, kernel, why }) => ({
      node: node.name,
      op: node.op,
      kernel,
      engine: "cpu",
      ...(why === undefined ? {} : { why }),
    }));
  }

  profile(inputs: readonly TypedArray[]): Promise<readonly NodeProfile[]> {
    return settle(() => {
      loadInputs(this.#program, inputs);
      return this.#program.steps.map(({ node, kernel, run }) => {
        const start = this.#now();
        run();
        return { node: node.name, op: node.op, kernel, ms: this.#now() - start };
      });
    });
  }

  dispose(): void {
    // Everything is ordinary memory, freed with the session itself.
  }
}

/** Errors of synchronous work become rejections, as the contract of `Session` promises. */
function settle<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}

export const cpuEngine: Engine = {
  name: "cpu",

  probe(_context: EngineContext, options: EngineOptions): Promise<ProbeResult> {
    return settle(() => {
      parseOptions(options);
      return { available: true, facts: {} };
    });
  },

  peaks(context: EngineContext): Promise<readonly Peak[]> {
    return Promise.resolve([...cpuPeaks(), copyLoop(1)].map((loop) => timedLoop(loop, context.now)));
  },

  compile(graph: Graph, context: EngineContext, options: EngineOptions): Promise<Session> {
    return settle(() => {
      const { sparse } = parseOptions(options);
      return new CpuSession(compileProgram(graph, sparse), context.now);
    });
  },
};
