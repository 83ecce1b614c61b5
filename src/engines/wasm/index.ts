/**
 * The WebAssembly engine: AssemblyScript SIMD kernels over one linear memory, called by a flat list of bound functions. Nodes without a
 * kernel run on the CPU engine over views of the same memory, and `placement` says so.
 */
import { UnavailableError } from "../../errors.ts";
import { roundingOf } from "../../graph/fixed-point.ts";
import type { Graph } from "../../graph/ir.ts";
import type { Engine, EngineContext, EngineOptions, Peak, ProbeResult, Session, TuneRequest } from "../engine.ts";
import { tuneGraph } from "../tune/tune.ts";
import type { KernelChoice, TuneReport } from "../tune/types.ts";
import { NO_FEATURES, hostFeatures } from "./features.ts";
import { MODULE_PATH, RELAXED_MODULE_PATH, SCALAR_MODULE_PATH, loadModules } from "./module.ts";
import { parseOptions } from "./options.ts";
import { copyLoop, timedLoop } from "../peak.ts";
import { wasmPeaks } from "./peak.ts";
import type { Selection } from "./program.ts";
import { WasmSession } from "./session.ts";
import { requireThreads } from "./threads/host.ts";
import { shareAmong } from "./threads/schedule.ts";
import { tunable } from "./tunable.ts";

const NO_SIMD = {
  code: "no-wasm-simd",
  message: "target wasm: this host has no WebAssembly SIMD",
  remedy: "Use Node 20.19 or newer, or a browser of 2021 or newer, or wasm:simd=off.",
};

const NO_RELAXED = {
  code: "no-wasm-relaxed",
  message: "target wasm: relaxed=on, but this host has no relaxed SIMD that computes what kernels need",
  remedy: "Use Node 22 or newer, or Chrome 120 or newer, or relaxed=auto.",
};

export const wasmEngine: Engine = {
  name: "wasm",

  async probe(context: EngineContext, options: EngineOptions): Promise<ProbeResult> {
    const { simd, relaxed, dot, madd, sharedMemory, x86 } = await hostFeatures();
    const found = { simd, relaxed, dot, madd, sharedMemory, x86 };
    const cores = context.threads === undefined ? {} : { cores: context.threads.available };
    try {
      const { modules, threads } = await setUp(options, []);
      if (threads > 1) requireThreads(context);
      await loadModules(context, modules);
      return { available: true, facts: { ...found, threads, ...cores } };
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      return { available: false, reason: { code: error.code, message: error.message, remedy: error.remedy }, facts: found };
    }
  },

  async tune(graph: Graph, context: EngineContext, options: EngineOptions, request: TuneRequest): Promise<TuneReport> {
    const { selection, modules } = await setUp(options, []);
    const engine = await tunable(context, options, selection, modules, (layer, words, choices) =>
      wasmEngine.compile(layer, context, words, choices),
    );
    return tuneGraph(graph, engine, { ...request, now: context.now });
  },

  async peaks(context: EngineContext, options: EngineOptions): Promise<readonly Peak[]> {
    const { selection, threads } = await setUp(options, []);
    const loops = [...(await wasmPeaks(selection.simd, selection.features, threads)), copyLoop(threads)];
    return loops.map((loop) => timedLoop(loop, context.now));
  },

  async compile(graph: Graph, context: EngineContext, options: EngineOptions, choices: readonly KernelChoice[] = []): Promise<Session> {
    const { selection, modules: chosen, threads } = await setUp(options, choices);
    const modules = withFixedPoint(chosen, graph);
    if (threads === 1) return new WasmSession(graph, await loadModules(context, modules), context.now, selection);
    const host = requireThreads(context);
    const session = new WasmSession(graph, await loadModules(context, modules, "shared"), context.now, selection, shareAmong(threads));
    await session.startThreads(host);
    return session;
  },
};

/** Layers that requantize in fixed point have scalar kernels only. */
function withFixedPoint(modules: readonly string[], graph: Graph): readonly string[] {
  const isFixed = graph.nodes.some((node) => roundingOf(node) !== undefined);
  return isFixed && !modules.includes(SCALAR_MODULE_PATH) ? [...modules, SCALAR_MODULE_PATH] : modules;
}

interface Setup {
  readonly selection: Selection;
  /** Files of the kernels that it can choose from. */
  readonly modules: readonly string[];
  readonly threads: number;
}

/** @throws UsageError for bad options, UnavailableError for what this host lacks */
async function setUp(options: EngineOptions, choices: readonly KernelChoice[]): Promise<Setup> {
  const { simd, relaxed, sparse, coded, threads, kernel: forced } = parseOptions(options);
  const selection = { simd, sparse, coded, forced, chosen: new Map(choices.map((choice) => [choice.node, choice])) };
  if (!simd) return { selection: { ...selection, features: NO_FEATURES }, modules: [SCALAR_MODULE_PATH], threads };
  const host = await hostFeatures();
  if (!host.simd) throw new UnavailableError(NO_SIMD.code, NO_SIMD.message, NO_SIMD.remedy);
  if (relaxed === "on" && host.features.size === 0) {
    throw new UnavailableError(NO_RELAXED.code, NO_RELAXED.message, NO_RELAXED.remedy);
  }
  const features = relaxed === "off" ? NO_FEATURES : host.features;
  return {
    selection: { ...selection, features },
    modules: features.size === 0 ? [MODULE_PATH] : [MODULE_PATH, RELAXED_MODULE_PATH],
    threads,
  };
}
