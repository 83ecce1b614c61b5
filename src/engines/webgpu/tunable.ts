/**
 * What the tuner needs of this engine: which kernels can execute a layer, and a session that uses one of them. A kernel's time is that of
 * its dispatches on the GPU's clock, where it has one. On a software adapter, building the pipelines of a layer's candidates takes longer
 * than choosing among them could gain, and nobody ships for one: it is tuned on demand only (`force`).
 */
import type { Graph } from "../../graph/ir.ts";
import { WGSL_KERNELS } from "../../kernels/wgsl.ts";
import type { EngineContext, EngineOptions, Session, TuneRequest } from "../engine.ts";
import { fingerprint } from "../tune/hash.ts";
import { tuneGraph } from "../tune/tune.ts";
import type { KernelChoice, TuneReport } from "../tune/types.ts";
import { adapterFacts, requestAdapter } from "./device.ts";
import type { SharedDevice } from "./device.ts";
import { lowerGraph } from "./lower/index.ts";
import type { WebGpuOptions } from "./options.ts";
import { loadShader } from "./shaders.ts";
import type { ShaderReader } from "./shaders.ts";

export interface TuneOn {
  readonly shared: SharedDevice;
  readonly parsed: WebGpuOptions;
  readonly read: ShaderReader;
  /** As the engine's own. */
  readonly compile: (layer: Graph, choices: readonly KernelChoice[]) => Promise<Session>;
}

/** @param on the device stays open for the whole time, and with it every pipeline that was built once */
export async function tuneOnDevice(
  graph: Graph,
  { now }: EngineContext,
  options: EngineOptions,
  request: TuneRequest,
  { shared, parsed, read, compile }: TuneOn,
): Promise<TuneReport> {
  if (shared.facts.software && request.mode === "cached") {
    const note = "webgpu: a software adapter is not tuned, kernels are chosen by estimate; --tune force tunes it";
    return { choices: [], measured: 0, cached: 0, excluded: [], notes: [note], ms: 0 };
  }
  const adapter = adapterFacts(shared.gpu, await requestAdapter(shared.gpu));
  return tuneGraph(
    graph,
    {
      name: "webgpu",
      facts: {
        ...Object.fromEntries(Object.entries(adapter).map(([key, value]) => [key, String(value)])),
        options: Object.entries(options)
          .map(([key, value]) => `${key}=${value}`)
          .sort()
          .join(","),
        kernels: await shadersFingerprint(read),
      },
      alternatives: (layer) => {
        const lowered = lowerGraph(layer, shared.facts, parsed);
        return Promise.resolve(lowered.choices.get(layer.nodes[0]!.name)?.kernels ?? []);
      },
      open: (layer, kernel) => compile(layer, [{ node: layer.nodes[0]!.name, kernel, why: "being tuned" }]),
    },
    { ...request, now },
  );
}

/** Changes with any file that a kernel is made of. */
async function shadersFingerprint(read: ShaderReader): Promise<string> {
  const sources = await Promise.all(
    WGSL_KERNELS.map(({ file, params }) => (file === undefined ? Promise.resolve("") : loadShader(file, params, read))),
  );
  return fingerprint(sources.join("\n"));
}
