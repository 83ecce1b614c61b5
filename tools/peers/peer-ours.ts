/** One of our engines, through its public contract. */
import type { Engine, EngineContext, EngineOptions } from "../../src/engines/engine.ts";
import { deserializeGraph } from "../../src/graph/serialize.ts";
import type { Peer } from "./peer.ts";

export const OURS = "slimbench";

export function oursPeer(engine: Engine, context: EngineContext, options: EngineOptions): Peer {
  return {
    name: OURS,
    format: "graph",
    async open(model, inputs) {
      const session = await engine.compile(deserializeGraph(model, "model.graph"), context, options);
      const data = inputs.map((input) => input.data);
      return { run: () => session.run(data), profile: () => session.profile(data), dispose: () => session.dispose() };
    },
  };
}
