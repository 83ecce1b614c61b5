/**
 * The WebAssembly engine: AssemblyScript SIMD kernels over one linear memory, called by a flat list of bound functions. Nodes without a
 * kernel run on the CPU engine over views of the same memory, and `placement` says so.
 */
import { UnavailableError, UsageError } from "../../errors.ts";
import type { Graph } from "../../graph/ir.ts";
import type { Engine, EngineContext, EngineOptions, ProbeResult, Session } from "../engine.ts";
import { hasSimd, loadModule } from "./module.ts";
import { WasmSession } from "./session.ts";

const NO_SIMD = {
  code: "no-wasm-simd",
  message: "target wasm: this host has no WebAssembly SIMD",
  remedy: "Use Node 20.19 or newer, or a browser of 2021 or newer.",
};

/** @throws UsageError for unknown keys and values, UnavailableError for known ones that this version does not implement */
function checkOptions(options: EngineOptions): void {
  for (const [key, value] of Object.entries(options)) {
    if (key === "threads") {
      if (!/^[1-9][0-9]*$/.test(value)) throw new UsageError(`target wasm: bad value of option threads, got "${value}", expected a count`);
      if (value !== "1")
        throw new UnavailableError("not-implemented", `target wasm: threads=${value} is not supported yet`, "Use threads=1.");
    } else if (key === "simd") {
      if (value !== "on" && value !== "off")
        throw new UsageError(`target wasm: bad value of option simd, got "${value}", expected on or off`);
      if (value === "off") throw new UnavailableError("not-implemented", "target wasm: simd=off is not supported yet", "Use simd=on.");
    } else throw new UsageError(`target wasm: unknown option, got "${key}", expected threads or simd`);
  }
}

export const wasmEngine: Engine = {
  name: "wasm",

  async probe(context: EngineContext, options: EngineOptions): Promise<ProbeResult> {
    const simd = hasSimd();
    if (!simd) return { available: false, reason: NO_SIMD, facts: { simd } };
    try {
      checkOptions(options);
      await loadModule(context);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      return { available: false, reason: { code: error.code, message: error.message, remedy: error.remedy }, facts: { simd } };
    }
    return { available: true, facts: { simd, threads: 1 } };
  },

  async compile(graph: Graph, context: EngineContext, options: EngineOptions): Promise<Session> {
    checkOptions(options);
    if (!hasSimd()) throw new UnavailableError(NO_SIMD.code, NO_SIMD.message, NO_SIMD.remedy);
    return new WasmSession(graph, await loadModule(context), context.now);
  },
};
