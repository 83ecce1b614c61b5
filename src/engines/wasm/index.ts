/**
 * The WebAssembly engine: AssemblyScript SIMD kernels over one linear memory, called by a flat list of bound functions. Nodes without a
 * kernel run on the CPU engine over views of the same memory, and `placement` says so.
 */
import { UnavailableError } from "../../errors.ts";
import type { Graph } from "../../graph/ir.ts";
import type { Engine, EngineContext, EngineOptions, Peak, ProbeResult, Session, TuneRequest } from "../engine.ts";
import { tuneGraph } from "../tune/tune.ts";
import type { KernelChoice, TuneReport } from "../tune/types.ts";
import { NO_FEATURES } from "./features.ts";
import { MODULE_PATH, hasSimd, loadModules } from "./module.ts";
import { parseOptions } from "./options.ts";
import { wasmPeaks } from "./peak.ts";
import type { Selection } from "./program.ts";
import { WasmSession } from "./session.ts";
import { requireThreads } from "./threads/host.ts";
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
    const cores = context.threads === undefined ? {} : { cores: context.threads.available };
    let threads: number;
    try {
      ({ threads } = parseOptions(options));
      if (threads > 1) requireThreads(context);
      await loadModules(context);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      return { available: false, reason: { code: error.code, message: error.message, remedy: error.remedy }, facts: { simd } };
    }
    return { available: true, facts: { simd, threads, ...cores } };
  },

  async tune(graph: Graph, context: EngineContext, options: EngineOptions, request: TuneRequest): Promise<TuneReport> {
    const selection = selectionOf(options, []);
    const engine = await tunable(context, options, selection, [MODULE_PATH], (layer, words, choices) =>
      wasmEngine.compile(layer, context, words, choices),
    );
    return tuneGraph(graph, engine, { ...request, now: context.now });
  },

  peaks(_context: EngineContext, options: EngineOptions): Promise<readonly Peak[]> {
    return wasmPeaks(selectionOf(options, []).features, parseOptions(options).threads);
  },

  async compile(graph: Graph, context: EngineContext, options: EngineOptions, choices: readonly KernelChoice[] = []): Promise<Session> {
    const selection = selectionOf(options, choices);
    const { threads } = parseOptions(options);
    if (threads === 1) return new WasmSession(graph, await loadModules(context), context.now, selection);
    const host = requireThreads(context);
    const session = new WasmSession(graph, await loadModules(context, [MODULE_PATH], "shared"), context.now, selection, threads);
    await session.startThreads(host);
    return session;
  },
};

function selectionOf(options: EngineOptions, choices: readonly KernelChoice[]): Selection {
  const { sparse } = parseOptions(options);
  if (!hasSimd()) throw new UnavailableError(NO_SIMD.code, NO_SIMD.message, NO_SIMD.remedy);
  return { features: NO_FEATURES, sparse, chosen: new Map(choices.map((choice) => [choice.node, choice])) };
}
