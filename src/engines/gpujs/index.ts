/**
 * Two engines on gpu.js, which translates JavaScript functions: `webgl`, float32 on a browser's WebGL 2, and `gpujs-cpu`, the same kernels as
 * plain loops. A compatibility baseline: fragment shaders share no memory and have no integer products, so there are no tiles, no 8-bit
 * arithmetic and no gain from zeros here.
 */
import { SlimbenchError } from "../../errors.ts";
import type { Graph } from "../../graph/ir.ts";
import type { Engine, EngineContext, EngineOptions, ProbeResult, Session } from "../engine.ts";
import { CpuBackend } from "./cpu.ts";
import { loadGpuJs } from "./library.ts";
import { lowerGraph } from "./lower/index.ts";
import { parseCpuOptions, parseWebglOptions } from "./options.ts";
import { GpuJsSession } from "./session.ts";
import { WebglBackend } from "./webgl/backend.ts";
import { closeWebgl, openWebgl, webglFacts } from "./webgl/device.ts";

/** An error that a user can mend is the result of a probe. */
async function probing(ask: () => Promise<ProbeResult>): Promise<ProbeResult> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof SlimbenchError)) throw error;
    return { available: false, reason: { code: error.code, message: error.message, remedy: error.remedy }, facts: {} };
  }
}

export const webglEngine: Engine = {
  name: "webgl",

  probe(context: EngineContext, options: EngineOptions): Promise<ProbeResult> {
    parseWebglOptions(options);
    return probing(async () => {
      const { gl } = openWebgl(context);
      const facts = webglFacts(gl);
      closeWebgl(gl);
      await loadGpuJs("webgl");
      return { available: true, facts, software: facts["software"] === true };
    });
  },

  async compile(graph: Graph, context: EngineContext, options: EngineOptions): Promise<Session> {
    const { texels } = parseWebglOptions(options);
    const lowered = lowerGraph(graph, "webgl", texels);
    const library = await loadGpuJs("webgl");
    const backend = new WebglBackend(library, openWebgl(context));
    return new GpuJsSession(graph, lowered, backend, { engine: "webgl", now: context.now, onGpu: true });
  },
};

export const gpuJsCpuEngine: Engine = {
  name: "gpujs-cpu",

  probe(_context: EngineContext, options: EngineOptions): Promise<ProbeResult> {
    parseCpuOptions(options);
    return probing(async () => {
      await loadGpuJs("gpujs-cpu");
      return { available: true, facts: { precision: "float64, results float32" } };
    });
  },

  async compile(graph: Graph, context: EngineContext, options: EngineOptions): Promise<Session> {
    parseCpuOptions(options);
    const lowered = lowerGraph(graph, "gpujs-cpu", false);
    const backend = new CpuBackend(await loadGpuJs("gpujs-cpu"));
    return new GpuJsSession(graph, lowered, backend, { engine: "gpujs-cpu", now: context.now, onGpu: false });
  },
};
