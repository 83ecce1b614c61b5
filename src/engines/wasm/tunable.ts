/** What the tuner needs of this engine: which kernels can execute a layer, and a session that uses one of them. */
import type { Graph } from "../../graph/ir.ts";
import type { EngineContext, EngineOptions, Session } from "../engine.ts";
import { fingerprint } from "../tune/hash.ts";
import type { Tunable } from "../tune/tune.ts";
import type { KernelChoice } from "../tune/types.ts";
import type { Selection } from "./program.ts";
import { WasmSession } from "./session.ts";

/**
 * @param modulePaths of the kernels that sessions use
 * @param compile as the engine's own
 */
export async function tunable(
  { readAsset }: EngineContext,
  options: EngineOptions,
  { features }: Pick<Selection, "features">,
  modulePaths: readonly string[],
  compile: (layer: Graph, options: EngineOptions, choices: readonly KernelChoice[]) => Promise<Session>,
): Promise<Tunable> {
  const modules = await Promise.all(modulePaths.map(readAsset));
  return {
    name: "wasm",
    facts: {
      features: [...features].sort().join(" "),
      options: Object.entries(options)
        .map(([key, value]) => `${key}=${value}`)
        .sort()
        .join(","),
      kernels: modules.map(fingerprint).join(" "),
    },
    async alternatives(layer) {
      // Planning needs no threads.
      const session = await compile(layer, { ...options, threads: "1" }, []);
      session.dispose();
      return session instanceof WasmSession ? (session.alternatives.get(layer.nodes[0]!.name) ?? []) : [];
    },
    open: (layer, kernel) => compile(layer, options, [{ node: layer.nodes[0]!.name, kernel, why: "being tuned" }]),
  };
}
