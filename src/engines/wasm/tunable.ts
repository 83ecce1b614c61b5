/** What the tuner needs of this engine: which kernels can execute a layer, and a session that uses one of them. */
import type { EngineContext, EngineOptions } from "../engine.ts";
import { fingerprint } from "../tune/hash.ts";
import type { Tunable } from "../tune/tune.ts";
import type { WasmModule } from "./api.ts";
import { MODULE_PATH } from "./module.ts";
import type { Selection } from "./program.ts";
import { WasmSession } from "./session.ts";

/** @param selection without choices of kernels */
export async function tunable(
  modules: readonly WasmModule[],
  { readAsset, now }: EngineContext,
  options: EngineOptions,
  selection: Selection,
): Promise<Tunable> {
  return {
    name: "wasm",
    facts: {
      features: [...selection.features].sort().join(" "),
      options: Object.entries(options)
        .map(([key, value]) => `${key}=${value}`)
        .sort()
        .join(","),
      kernels: fingerprint(await readAsset(MODULE_PATH)),
    },
    alternatives(layer) {
      const session = new WasmSession(layer, modules, now, selection);
      session.dispose();
      return session.alternatives.get(layer.nodes[0]!.name) ?? [];
    },
    open: (layer, kernel) =>
      new WasmSession(layer, modules, now, { ...selection, chosen: new Map([[layer.nodes[0]!.name, { kernel, why: "" }]]) }),
  };
}
