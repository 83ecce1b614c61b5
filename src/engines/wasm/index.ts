/**
 * The WebAssembly engine: AssemblyScript SIMD kernels over one linear memory, called by a flat list of bound functions. Nodes without a
 * kernel run on the CPU engine over views of the same memory, and `placement` says so.
 */
import { UnavailableError } from "../../errors.ts";
import type { Graph } from "../../graph/ir.ts";
import type { Engine, EngineContext, EngineOptions, ProbeResult, Session, TuneRequest } from "../engine.ts";
import { tuneGraph } from "../tune/tune.ts";
import type { KernelChoice, TuneReport } from "../tune/types.ts";
import { NO_FEATURES } from "./features.ts";
import { hasSimd, loadModules } from "./module.ts";
import { parseOptions } from "./options.ts";
import type { Selection } from "./program.ts";
import { WasmSession } from "./session.ts";
import { tunable } from "./tunable.ts";

const NO_SIMD = {
  code: "no-wasm-simd",
  message: "target wasm: this host has no WebAssembly SIMD",
  remedy: "Use Node 20.19 or newer, or a browser of 2021 or newer.",
};

export const wasmEngine: Engine = {
  name: "wasm",

  async probe(context: EngineContext, options: EngineOptions): Promise<ProbeResult> {
    const simd = hasSimd();
    if (!simd) return { available: false, reason: NO_SIMD, facts: { simd } };
    try {
      parseOptions(options);
      await loadModules(context);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      return { available: false, reason: { code: error.code, message: error.message, remedy: error.remedy }, facts: { simd } };
    }
    return { available: true, facts: { simd, threads: 1 } };
  },

  async tune(graph: Graph, context: EngineContext, options: EngineOptions, request: TuneRequest): Promise<TuneReport> {
    const selection = selectionOf(options, []);
    return tuneGraph(graph, await tunable(await loadModules(context), context, options, selection), { ...request, now: context.now });
  },

  async compile(graph: Graph, context: EngineContext, options: EngineOptions, choices: readonly KernelChoice[] = []): Promise<Session> {
    return new WasmSession(graph, await loadModules(context), context.now, selectionOf(options, choices));
  },
};

function selectionOf(options: EngineOptions, choices: readonly KernelChoice[]): Selection {
  const { sparse } = parseOptions(options);
  if (!hasSimd()) throw new UnavailableError(NO_SIMD.code, NO_SIMD.message, NO_SIMD.remedy);
  return { features: NO_FEATURES, sparse, chosen: new Map(choices.map((choice) => [choice.node, choice])) };
}
