/** Host side of the WASM engine in tests: reads the built kernels and starts the built threads of the repository. */
import { readFile } from "node:fs/promises";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { nodeThreads } from "../../../src/hosts/node-threads.ts";

export const context: EngineContext = {
  readAsset: (path) => readFile(new URL(`../../../${path}`, import.meta.url)),
  now: () => performance.now(),
  threads: nodeThreads(),
};
