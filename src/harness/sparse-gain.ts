/** What zeros win on the WASM engine, by its own choice of kernels: it is asked to plan the layer alone, in this process. For recipes with `where=faster`. */
import type { SparseGain } from "../compress/steps.ts";
import { invariant } from "../errors.ts";
import { skipsZeros } from "../kernels/names.ts";
import { engineContextHere } from "./here.ts";

/** On one thread, by estimates: the choice that an untuned run makes. */
export function sparseGain(): SparseGain {
  const context = engineContextHere();
  return async (graph, name) => {
    const [{ wasmEngine }, { layerGraph }] = await Promise.all([import("../engines/wasm/index.ts"), import("../engines/tune/layer.ts")]);
    const node = graph.nodes.find((other) => other.name === name);
    invariant(node !== undefined, `node "${name}" is not in graph "${graph.name}"`);
    const session = await wasmEngine.compile(layerGraph(graph, node), context, {});
    try {
      const placed = session.placement().find((placement) => placement.node === name);
      invariant(placed !== undefined, `node "${name}" is placed nowhere`);
      return { faster: skipsZeros(placed.kernel), why: placed.why ?? `only ${placed.kernel} can execute it` };
    } finally {
      session.dispose();
    }
  };
}
