/** An engine in this very process: for questions about outputs and plans, never for times. */
import { readFile } from "node:fs/promises";
import type { EngineContext } from "../engines/engine.ts";

const PACKAGE_ROOT = new URL("../../", import.meta.url);

export function engineContextHere(): EngineContext {
  return { readAsset: (path) => readFile(new URL(path, PACKAGE_ROOT)), now: () => performance.now() };
}
