/** Host side of the WASM engine in tests: reads the built kernels from the repository. */
import { readFile } from "node:fs/promises";
import type { EngineContext } from "../../../src/engines/engine.ts";

export const context: EngineContext = {
  readAsset: (path) => readFile(new URL(`../../../${path}`, import.meta.url)),
  now: () => performance.now(),
};
