/**
 * The WebAssembly engine: AssemblyScript SIMD kernels over one linear memory, called by a flat list of bound functions. Nodes without a
 * kernel run on the CPU engine over views of the same memory, and `placement` says so.
 */
import { UnavailableError } from "../../errors.ts";
import type { Graph } from "../../graph/ir.ts";
import type { Engine, EngineContext, EngineOptions, ProbeResult, Session } from "../engine.ts";
import { NO_FEATURES } from "./features.ts";
import { hasSimd, loadModule } from "./module.ts";
import { parseOptions } from "./options.ts";
import type { Selection } from "./program.ts";
import { WasmSession } from "./session.ts";

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
      await loadModule(context);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      return { available: false, reason: { code: error.code, message: error.message, remedy: error.remedy }, facts: { simd } };
    }
    return { available: true, facts: { simd, threads: 1 } };
  },

  async compile(graph: Graph, context: EngineContext, options: EngineOptions): Promise<Session> {
    const { sparse } = parseOptions(options);
    if (!hasSimd()) throw new UnavailableError(NO_SIMD.code, NO_SIMD.message, NO_SIMD.remedy);
    const selection: Selection = { features: NO_FEATURES, sparse, chosen: new Map() };
    return new WasmSession(graph, await loadModule(context), context.now, selection);
  },
};
